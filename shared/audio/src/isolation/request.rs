//! Requests of the parent process to its decoder process for recordings, and the responses.
//!
//! A process that serves ([`Task::Serve`](crate::program::Task::Serve)) gets recordings as lines of JSON on its standard input. The
//! response to each is one line of JSON on standard output.

use std::ffi::OsString;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::AudioError;
use crate::options::Options;
use crate::prepare::Prepared;
use crate::program::{PROTOCOL_VERSION, VersionOnly};

/// Request to prepare one recording.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RecordingRequest {
    version: u32,
    pub(super) options: Options,
    /// Paths need not be UTF-8.
    pub(super) input: OsString,
    pub(super) output: OsString,
}

impl RecordingRequest {
    pub(super) fn new(options: Options, input: &Path, output: &Path) -> Self {
        let (input, output) = (input.as_os_str().to_owned(), output.as_os_str().to_owned());
        Self { version: PROTOCOL_VERSION, options, input, output }
    }

    /// The request as a line.
    pub(super) fn line(&self) -> serde_json::Result<Vec<u8>> {
        let mut line = serde_json::to_vec(self)?;
        line.push(b'\n');
        Ok(line)
    }

    /// Parses a line.
    pub(super) fn read(line: &[u8]) -> Result<Self, String> {
        let version: VersionOnly = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        if version.version != PROTOCOL_VERSION {
            return Err(format!("request version {}, expected {PROTOCOL_VERSION}", version.version));
        }
        serde_json::from_slice(line).map_err(|error| error.to_string())
    }
}

/// The result of a request.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Response {
    version: u32,
    outcome: ResponseBody,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ResponseBody {
    Prepared(Prepared),
    Failed(ErrorBody),
}

impl Response {
    pub(super) fn new(result: Result<Prepared, AudioError>) -> Self {
        let outcome = match result {
            Ok(prepared) => ResponseBody::Prepared(prepared),
            Err(error) => ResponseBody::Failed(error.into()),
        };
        Self { version: PROTOCOL_VERSION, outcome }
    }

    /// Parses the response of a child.
    pub(super) fn read(output: &[u8]) -> Result<Result<Prepared, AudioError>, String> {
        let version: VersionOnly = serde_json::from_slice(output).map_err(|error| error.to_string())?;
        if version.version != PROTOCOL_VERSION {
            return Err(format!("response version {}, expected {PROTOCOL_VERSION}", version.version));
        }
        let response: Self = serde_json::from_slice(output).map_err(|error| error.to_string())?;
        Ok(match response.outcome {
            ResponseBody::Prepared(prepared) => Ok(prepared),
            ResponseBody::Failed(failure) => Err(failure.into()),
        })
    }
}

/// Serialized form of an [`AudioError`].
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ErrorBody {
    Empty,
    NotAudio { found: String },
    UnsupportedCodec { what: String },
    TooLong { limit_ms: u64 },
    TooLarge { bytes: u64, limit: u64 },
    Damaged { what: String },
    TimedOut { limit_ms: u64 },
    OutOfMemory { limit_bytes: u64 },
    Io { what: String },
}

impl From<AudioError> for ErrorBody {
    fn from(error: AudioError) -> Self {
        match error {
            AudioError::Empty => Self::Empty,
            AudioError::NotAudio { found } => Self::NotAudio { found: found.into_owned() },
            AudioError::UnsupportedCodec { what } => Self::UnsupportedCodec { what },
            AudioError::TooLong { limit_ms } => Self::TooLong { limit_ms },
            AudioError::TooLarge { bytes, limit } => Self::TooLarge { bytes, limit },
            AudioError::Damaged { what } => Self::Damaged { what },
            AudioError::TimedOut { limit_ms } => {
                Self::TimedOut { limit_ms: u64::try_from(limit_ms).unwrap_or(u64::MAX) }
            }
            AudioError::OutOfMemory { limit_bytes } => Self::OutOfMemory { limit_bytes },
            AudioError::Io(error) => Self::Io { what: error.to_string() },
        }
    }
}

impl From<ErrorBody> for AudioError {
    fn from(failure: ErrorBody) -> Self {
        match failure {
            ErrorBody::Empty => Self::Empty,
            ErrorBody::NotAudio { found } => Self::NotAudio { found: found.into() },
            ErrorBody::UnsupportedCodec { what } => Self::UnsupportedCodec { what },
            ErrorBody::TooLong { limit_ms } => Self::TooLong { limit_ms },
            ErrorBody::TooLarge { bytes, limit } => Self::TooLarge { bytes, limit },
            ErrorBody::Damaged { what } => Self::Damaged { what },
            ErrorBody::TimedOut { limit_ms } => Self::TimedOut { limit_ms: limit_ms.into() },
            ErrorBody::OutOfMemory { limit_bytes } => Self::OutOfMemory { limit_bytes },
            ErrorBody::Io { what } => Self::Io(std::io::Error::other(what)),
        }
    }
}
