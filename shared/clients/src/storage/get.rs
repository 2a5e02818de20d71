//! Objects out of the bucket, streamed.

use std::fmt;

use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use futures::Stream;
use futures::stream::try_unfold;

use super::{Storage, StorageError};

/// Which bytes, counted from 0, both ends included (RFC 9110, 14.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteRange {
    /// From `start` to `end`, or to the last.
    From {
        /// The first byte.
        start: u64,
        /// The last byte, if not the object's.
        end: Option<u64>,
    },
    /// The last so many.
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

/// An object that is being read.
#[derive(Debug)]
pub struct Object {
    /// How many bytes will come.
    pub bytes: u64,
    /// `bytes 0-99/200`, when only a part was asked for.
    pub content_range: Option<String>,
    /// As it was put.
    pub content_type: Option<String>,
    /// Changes with the content.
    pub etag: Option<String>,
    /// The bytes.
    pub body: ObjectBody,
}

/// An object's bytes, read as they are asked for.
#[derive(Debug)]
pub struct ObjectBody(ByteStream);

impl ObjectBody {
    /// The next bytes; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<Bytes>, StorageError> {
        self.0.try_next().await.map_err(|error| StorageError::NoAnswer(Box::new(error)))
    }

    /// The same as a stream, which ends after an error.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, StorageError>> + Send {
        try_unfold(self, |mut body| async move { Ok(body.next().await?.map(|bytes| (bytes, body))) })
    }
}

impl Storage {
    /// Opens an object, or a part of it.
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
