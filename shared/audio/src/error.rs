//! What can be wrong with a recording, as codes for machines and sentences for people.

use std::borrow::Cow;
use std::io;

/// Why a recording could not be turned into audio.
///
/// Every variant but [`Io`](AudioError::Io) is final: the same bytes will fail the same way again.
#[derive(Debug, thiserror::Error)]
pub enum AudioError {
    /// Zero bytes, or a well-formed container without a single sample.
    #[error("the recording is empty")]
    Empty,
    /// The bytes are of no audio format we know; `found` names what they look like instead.
    #[error("the file is not audio: it is {found}")]
    NotAudio {
        /// What the first bytes look like, for example "an HTML page".
        found: Cow<'static, str>,
    },
    /// Audio, but in a codec or layout that cannot be decoded here.
    #[error("unsupported audio: {what}")]
    UnsupportedCodec {
        /// Codec or layout, and what would help.
        what: String,
    },
    /// Longer than [`Limits::max_duration_ms`](crate::Limits::max_duration_ms).
    #[error("the recording is longer than {limit_ms} ms")]
    TooLong {
        /// The limit that was passed, in milliseconds.
        limit_ms: u64,
    },
    /// Larger than [`Limits::max_bytes`](crate::Limits::max_bytes).
    #[error("the recording is {bytes} bytes, more than {limit} bytes")]
    TooLarge {
        /// Size of the file, in bytes.
        bytes: u64,
        /// The limit that was passed, in bytes.
        limit: u64,
    },
    /// A known format whose content cannot be decoded.
    #[error("the recording is damaged: {what}")]
    Damaged {
        /// What the decoder met.
        what: String,
    },
    /// Decoding took longer than [`Limits::max_decode_time`](crate::Limits::max_decode_time).
    #[error("decoding took longer than {limit_ms} ms")]
    TimedOut {
        /// The limit that was passed, in milliseconds.
        limit_ms: u128,
    },
    /// Decoding needs more memory than [`Confinement::max_memory_bytes`](crate::Confinement::max_memory_bytes).
    #[error("decoding takes more than {limit_bytes} bytes of memory")]
    OutOfMemory {
        /// The limit that was passed, in bytes.
        limit_bytes: u64,
    },
    /// The file could not be read or the result could not be written; worth another try.
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
