//! Requests of the parent process to its decoder process, and the responses.
//!
//! What the process is for, and its limits, is one command line argument in JSON. Recordings follow as lines of JSON on its standard
//! input. The response to each is one line of JSON on standard output. All contain a version, because the program on disk may have
//! been replaced by another release since the parent was started.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use super::rlimits::ResourceLimits;
use crate::error::AudioError;
use crate::options::Options;
use crate::prepare::Prepared;

/// Version of request and response.
pub(super) const PROTOCOL_VERSION: u32 = 2;

/// Command that starts a program whose `main` passes its arguments to [`serve_isolated`](crate::serve_isolated).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Path of the executable.
    pub path: PathBuf,
    /// Arguments before those of `serve_isolated`, such as the name of a command.
    pub args: Vec<String>,
}

impl Program {
    /// The command that executes `request`, without the arguments of the program to launch.
    pub(super) fn command(&self, request: &Request) -> serde_json::Result<Command> {
        let mut command = Command::new(&self.path);
        command.args(&self.args).arg(serde_json::to_string(request)?);
        Ok(command)
    }

    /// A command that limits itself and then executes `program`, without the program's arguments. The process has no
    /// environment, and on Linux is killed if the thread that started it ends.
    pub fn launch(&self, rlimits: ResourceLimits, program: &OsStr) -> std::io::Result<Command> {
        let mut command = self.command(&Request::new(rlimits, Task::Launch))?;
        command.arg(program);
        Ok(command)
    }
}

/// The work and its limits.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Request {
    pub(super) version: u32,
    /// Process id of the parent.
    pub(super) parent: u32,
    pub(super) rlimits: ResourceLimits,
    pub(super) task: Task,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Task {
    /// Prepare the recordings that are requested on standard input, one after another, until it is closed.
    Serve,
    /// Execute another program; its path and arguments follow.
    Launch,
}

impl Request {
    pub(super) fn new(rlimits: ResourceLimits, task: Task) -> Self {
        Self { version: PROTOCOL_VERSION, parent: std::process::id(), rlimits, task }
    }

    /// Parses the request from the first argument.
    pub(super) fn read(argument: Option<&OsString>) -> Result<Self, String> {
        let text = argument.and_then(|it| it.to_str()).ok_or("missing request")?;
        let version: VersionOnly = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if version.version != PROTOCOL_VERSION {
            return Err(format!("request version {}, expected {PROTOCOL_VERSION}", version.version));
        }
        serde_json::from_str(text).map_err(|error| error.to_string())
    }
}

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

/// The common part of all versions of requests and response.
#[derive(Debug, Deserialize)]
struct VersionOnly {
    version: u32,
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
