//! Streams a file from an untrusted URL to a listener.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt as _};
use http::StatusCode;
use reqwest::header::{
    CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, LAST_MODIFIED,
    RANGE,
};
use tokio::time::{Instant, timeout};

use super::Outbound;
use super::coding::{self, Pieces};
use super::error::OutboundError;

/// Time and size limits of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamLimits {
    /// Timeout until the response begins, including redirects.
    pub head: Duration,
    /// Maximum time without data.
    pub idle: Duration,
    /// Total time limit.
    pub total: Duration,
    /// Maximum length of the response in bytes.
    pub max_bytes: u64,
}

/// One byte range, as a player requests it (RFC 9110, 14.1.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ByteRange(HeaderValue);

impl ByteRange {
    /// Parses `bytes=0-99`, `bytes=100-` or `bytes=-100`; `None` for anything else, which a server may ignore.
    pub fn parse(text: &str) -> Option<Self> {
        let (first, last) = text.trim().strip_prefix("bytes=")?.split_once('-')?;
        let digits = |part: &str| part.len() <= 18 && part.bytes().all(|byte| byte.is_ascii_digit());
        let some = !first.is_empty() || !last.is_empty();
        (some && digits(first) && digits(last))
            .then(|| HeaderValue::from_str(&format!("bytes={first}-{last}")).ok())
            .flatten()
            .map(Self)
    }
}

/// A response with a file or a part of it.
pub struct FileStream {
    /// HTTP status: 200, 206, or 416 for a range after the end.
    pub status: u16,
    /// `Content-Type` of the host; untrusted.
    pub content_type: Option<String>,
    /// Length of this response in bytes, if the host sent it.
    pub content_length: Option<u64>,
    /// `Content-Range` of a part: `bytes 0-99/1000`.
    pub content_range: Option<String>,
    /// `ETag` of the file's version.
    pub etag: Option<String>,
    /// `Last-Modified` as the host sent it, unparsed.
    pub last_modified: Option<String>,
    /// The body; the stream ends after an error.
    pub body: BoxStream<'static, io::Result<Bytes>>,
}

impl std::fmt::Debug for FileStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileStream").field("status", &self.status).finish_non_exhaustive()
    }
}

impl Outbound {
    /// Opens `url`, or a range of it. A host without range support returns the whole file.
    pub async fn stream(
        &self,
        url: &str,
        range: Option<&ByteRange>,
        limits: &StreamLimits,
    ) -> Result<FileStream, OutboundError> {
        let ends_at = Instant::now() + limits.total;
        let opened = timeout(limits.head, self.open(url, range, limits.head)).await;
        let response = opened.map_err(|_| OutboundError::TimedOut)??;
        // Headers of a response with a content coding do not describe the file.
        let is_coded = coding::is_coded(response.headers());
        let text = |name: HeaderName| {
            response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let of_file = |name| text(name).filter(|_| !is_coded);
        // Read from the header, because the size hint of a body of unknown length is not its length.
        let content_length = of_file(CONTENT_LENGTH).and_then(|length| length.parse().ok());
        if content_length.is_some_and(|length| length > limits.max_bytes) {
            return Err(OutboundError::TooLarge { limit: limits.max_bytes });
        }
        Ok(FileStream {
            status: response.status().as_u16(),
            content_type: text(CONTENT_TYPE),
            content_length,
            content_range: text(CONTENT_RANGE),
            etag: of_file(ETAG),
            last_modified: of_file(LAST_MODIFIED),
            body: pieces(coding::decode(response)?, ends_at, *limits),
        })
    }

    /// Requests the range. Requests the whole file if the host returns a range of coded bytes, because a part from the
    /// middle cannot be decoded.
    async fn open(
        &self,
        url: &str,
        range: Option<&ByteRange>,
        idle: Duration,
    ) -> Result<reqwest::Response, OutboundError> {
        let headers: HeaderMap = range.map(|range| (RANGE, range.0.clone())).into_iter().collect();
        let response = self.get_file(url, &headers, idle).await?;
        if response.status() == StatusCode::PARTIAL_CONTENT && coding::is_coded(response.headers()) {
            return self.get_file(url, &HeaderMap::new(), idle).await;
        }
        Ok(response)
    }
}

fn pieces(body: Pieces, ends_at: Instant, limits: StreamLimits) -> BoxStream<'static, io::Result<Bytes>> {
    let begin = Some((body, limits.max_bytes));
    stream::unfold(begin, move |state| async move {
        let (mut body, left) = state?;
        let patience = limits.idle.min(ends_at.saturating_duration_since(Instant::now()));
        let next = match timeout(patience, body.next()).await {
            Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut)),
            Ok(None) => return None,
            Ok(Some(piece)) => piece,
        };
        let length = next.as_ref().map_or(0, |piece: &Bytes| piece.len() as u64);
        match (next, left.checked_sub(length)) {
            (Ok(piece), Some(left)) => Some((Ok(piece), Some((body, left)))),
            (Ok(_), None) => Some((Err(io::Error::other("response too long")), None)),
            (Err(error), _) => Some((Err(error), None)),
        }
    })
    .boxed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_taken_and_everything_else_is_ignored() {
        let read = |text| ByteRange::parse(text).map(|range| range.0.to_str().unwrap().to_owned());
        for text in ["bytes=0-99", "bytes=100-", "bytes=-100"] {
            assert_eq!(read(text).as_deref(), Some(text));
        }
        for text in
            ["", "bytes=-", "bytes=0-1,5-6", "lines=1-2", "bytes=a-b", "bytes=1 -2", "bytes=1-2\r\nX: y"]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
