//! Reading answers with a limit, and without quoting them.

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use reqwest::Response;
use serde::de::DeserializeOwned;

use super::Transport;

/// The body of an answer could not be taken in.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It did not come whole.
    #[error(transparent)]
    Transport(#[from] Transport),
    /// It is longer than anything this service should send.
    #[error("the answer is longer than {limit} bytes")]
    TooLarge {
        /// What we allow.
        limit: usize,
    },
}

/// JSON that does not parse. A parser's own message quotes values, and values may be tokens, so only the
/// place is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer is not the JSON we expect, at line {line}, column {column}")]
pub struct Malformed {
    /// From 1.
    pub line: usize,
    /// From 1.
    pub column: usize,
}

/// The whole body, if it is at most `limit` bytes after decompression.
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

/// Parses JSON without keeping anything of it in the error.
pub(crate) fn read_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Malformed> {
    serde_json::from_slice(body).map_err(|error| Malformed { line: error.line(), column: error.column() })
}

/// The body as JSON whatever its Content-Type says; `None` for pages, texts and empty bodies.
pub(crate) fn json_of(body: &[u8]) -> Option<serde_json::Value> {
    serde_json::from_slice(body).ok()
}

/// The id under which the other side can find the request in its logs.
pub(crate) fn request_id(headers: &HeaderMap) -> Option<String> {
    const NAMES: [&str; 2] = ["x-request-id", "x-server-trace-id"];
    const LONGEST: usize = 128;
    let value = NAMES.iter().find_map(|name| headers.get(*name))?.to_str().ok()?;
    let visible = !value.is_empty() && value.len() <= LONGEST && value.bytes().all(|b| b.is_ascii_graphic());
    visible.then(|| value.to_owned())
}
