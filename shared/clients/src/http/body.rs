//! Reads response bodies up to a size limit, and never quotes them in errors.

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use reqwest::Response;
use serde::de::DeserializeOwned;

use super::Transport;

/// A response body could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The response is missing or incomplete.
    #[error(transparent)]
    Transport(#[from] Transport),
    /// The body is longer than any valid response of this service.
    #[error("response longer than {limit} bytes")]
    TooLarge {
        /// Maximum length in bytes.
        limit: usize,
    },
}

/// Invalid or unexpected JSON. Only the position is kept, because the parser's message quotes values, which may be
/// tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("unexpected JSON in the response at line {line}, column {column}")]
pub struct Malformed {
    /// Line of the error, from 1.
    pub line: usize,
    /// Column of the error, from 1.
    pub column: usize,
}

/// Reads the whole body; an error if it is longer than `limit` bytes after decompression.
pub(crate) async fn read_limited(mut response: Response, limit: usize) -> Result<Bytes, ReadError> {
    let announced = response.content_length().unwrap_or_default();
    if usize::try_from(announced).map_or(true, |announced| announced > limit) {
        return Err(ReadError::TooLarge { limit });
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(Transport::from)? {
        if body.len() + chunk.len() > limit {
            return Err(ReadError::TooLarge { limit });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// Parses JSON; the error contains none of its values.
pub(crate) fn read_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Malformed> {
    serde_json::from_slice(body).map_err(|error| Malformed { line: error.line(), column: error.column() })
}

/// Parses the body as JSON regardless of its Content-Type; `None` for HTML, text and empty bodies.
pub(crate) fn json_of(body: &[u8]) -> Option<serde_json::Value> {
    serde_json::from_slice(body).ok()
}

/// The request's id in the service's logs; `None` if it is missing, longer than 128 bytes or not visible ASCII.
pub(crate) fn request_id(headers: &HeaderMap) -> Option<String> {
    const HEADER_NAMES: [&str; 2] = ["x-request-id", "x-server-trace-id"];
    const MAX_REQUEST_ID_LEN: usize = 128;
    let value = HEADER_NAMES.iter().find_map(|name| headers.get(*name))?.to_str().ok()?;
    let visible =
        !value.is_empty() && value.len() <= MAX_REQUEST_ID_LEN && value.bytes().all(|b| b.is_ascii_graphic());
    visible.then(|| value.to_owned())
}
