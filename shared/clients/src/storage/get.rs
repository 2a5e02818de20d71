//! Reads objects as streams.

use std::fmt;

use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use futures::Stream;
use futures::stream::try_unfold;

use super::{Storage, StorageError};

/// A byte range, counted from 0, both ends included (RFC 9110, 14.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteRange {
    /// From `start` to `end`, or to the object's end.
    From {
        /// Offset of the first byte.
        start: u64,
        /// Offset of the last byte; `None` for the object's end.
        end: Option<u64>,
    },
    /// The last bytes; the value is their number.
    Last(u64),
}

impl fmt::Display for ByteRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::From { start, end: Some(end) } => write!(f, "bytes={start}-{end}"),
            Self::From { start, end: None } => write!(f, "bytes={start}-"),
            Self::Last(count) => write!(f, "bytes=-{count}"),
        }
    }
}

/// An open object.
#[derive(Debug)]
pub struct Object {
    /// Length of the body in bytes.
    pub bytes: u64,
    /// `bytes 0-99/200`, if a range was requested.
    pub content_range: Option<String>,
    /// Content type from the upload.
    pub content_type: Option<String>,
    /// `ETag`, which changes with the content.
    pub etag: Option<String>,
    /// Chunks from the service, read on demand.
    pub body: ObjectBody,
}

/// The body of an object, read on demand.
#[derive(Debug)]
pub struct ObjectBody(ByteStream);

impl ObjectBody {
    /// Reads the next bytes; `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, StorageError> {
        self.0.try_next().await.map_err(|error| StorageError::NoAnswer(Box::new(error)))
    }

    /// Converts the body to a stream, which ends after an error.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, StorageError>> + Send {
        try_unfold(self, |mut body| async move { Ok(body.next().await?.map(|bytes| (bytes, body))) })
    }
}

impl Storage {
    /// Opens an object or a range of it.
    pub async fn get_range(&self, key: &str, range: Option<ByteRange>) -> Result<Object, StorageError> {
        let got = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(key)
            .set_range(range.map(|range| range.to_string()))
            .send()
            .await?;
        Ok(Object {
            bytes: got.content_length.and_then(|length| u64::try_from(length).ok()).unwrap_or_default(),
            content_range: got.content_range,
            content_type: got.content_type,
            etag: got.e_tag,
            body: ObjectBody(got.body),
        })
    }
}
