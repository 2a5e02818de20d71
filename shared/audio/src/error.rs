//! Errors of recordings, with stable codes and human-readable messages.

use std::borrow::Cow;
use std::io;

/// Error of decoding or preparing a recording.
///
/// Every variant but [`Io`](AudioError::Io) is final: the same bytes will fail the same way again.
#[derive(Debug, thiserror::Error)]
pub enum AudioError {
    /// The file has no bytes, or is a valid container without samples.
    #[error("the recording is empty")]
    Empty,
    /// The file has no known audio format; `found` describes what it looks like.
    #[error("the file is not audio: it is {found}")]
    NotAudio {
        /// Description of the first bytes, for example "an HTML page".
        found: Cow<'static, str>,
    },
    /// Audio in a codec or layout that cannot be decoded.
    #[error("unsupported audio: {what}")]
    UnsupportedCodec {
        /// Codec or layout, and what is missing.
        what: String,
    },
    /// The audio is longer than [`Limits::max_duration_ms`](crate::Limits::max_duration_ms).
    #[error("the recording is longer than {limit_ms} ms")]
    TooLong {
        /// The limit, in milliseconds.
        limit_ms: u64,
    },
    /// The file is larger than [`Limits::max_bytes`](crate::Limits::max_bytes).
    #[error("the recording has {bytes} bytes, more than {limit} bytes")]
    TooLarge {
        /// Size of the file, in bytes.
        bytes: u64,
        /// The limit, in bytes.
        limit: u64,
    },
    /// A known format whose content cannot be decoded.
    #[error("the recording is damaged: {what}")]
    Damaged {
        /// Error of the decoder.
        what: String,
    },
    /// Decoding took longer than [`Limits::max_decode_time`](crate::Limits::max_decode_time).
    #[error("decoding took longer than {limit_ms} ms")]
    TimedOut {
        /// The limit, in milliseconds.
        limit_ms: u128,
    },
    /// Decoding requires more memory than [`Isolation::max_memory_bytes`](crate::Isolation::max_memory_bytes).
    #[error("decoding requires more than {limit_bytes} bytes of memory")]
    OutOfMemory {
        /// The limit, in bytes.
        limit_bytes: u64,
    },
    /// The file could not be read or the result could not be written; may be retried.
    #[error("audio file: {0}")]
    Io(#[from] io::Error),
}

impl AudioError {
    /// The stable code of this error, as stored with a call and shown by the API.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::NotAudio { .. } => "not_audio",
            Self::UnsupportedCodec { .. } => "unsupported_codec",
            Self::TooLong { .. } => "too_long",
            Self::TooLarge { .. } => "too_large",
            Self::Damaged { .. } => "damaged",
            Self::TimedOut { .. } => "decode_timeout",
            Self::OutOfMemory { .. } => "decode_memory",
            Self::Io(_) => "io",
        }
    }
}
