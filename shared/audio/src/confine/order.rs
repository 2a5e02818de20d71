//! What a parent tells the process that decodes for it, and what that one answers.
//!
//! The order is one argument of the command line, in JSON; paths follow as arguments of their own, since they need not
//! be text. The answer is one line of JSON on standard output. Both carry a version: the program on the disk may have
//! been replaced by another release since the parent was started.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::Command;

use serde::{Deserialize, Serialize};

use super::bounds::Bounds;
use crate::error::AudioError;
use crate::options::Options;
use crate::prepare::Prepared;

/// Version of order and answer.
pub(super) const VERSION: u32 = 1;

/// How to start a program whose `main` hands its arguments to [`serve_confined`](crate::serve_confined).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Program {
    /// Path of the executable.
    pub path: PathBuf,
    /// Arguments before those that are handed on, such as the name of a command.
    pub args: Vec<String>,
}

impl Program {
    /// The command that carries out `order`; its paths are still to be added.
    pub(super) fn command(&self, order: &Order) -> serde_json::Result<Command> {
        let mut command = Command::new(&self.path);
        command.args(&self.args).arg(serde_json::to_string(order)?);
        Ok(command)
    }

    /// A command that bounds itself and then becomes `program`, whose arguments are still to be added. The process is
    /// killed when the thread that starts it ends (on Linux), and has no environment.
    pub fn launch(&self, bounds: Bounds, program: &OsStr) -> std::io::Result<Command> {
        let mut command = self.command(&Order::new(bounds, Task::Launch))?;
        command.arg(program);
        Ok(command)
    }
}

/// What is to be done, and within which bounds.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) version: u32,
    /// Process id of who ordered it.
    pub(super) parent: u32,
    pub(super) bounds: Bounds,
    pub(super) task: Task,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Task {
    /// Prepare a recording; paths of input and output follow.
    Prepare { options: Options },
    /// Become another program; its path and arguments follow.
    Launch,
}

impl Order {
    pub(super) fn new(bounds: Bounds, task: Task) -> Self {
        Self { version: VERSION, parent: std::process::id(), bounds, task }
    }

    /// Reads the order from the first argument.
    pub(super) fn read(argument: Option<&OsString>) -> Result<Self, String> {
        let text = argument.and_then(|it| it.to_str()).ok_or("no order was given")?;
        let version: VersionOnly = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if version.version != VERSION {
            return Err(format!("an order of version {}, this program knows {VERSION}", version.version));
        }
        serde_json::from_str(text).map_err(|error| error.to_string())
    }
}

/// What every version of order and answer has.
#[derive(Debug, Deserialize)]
struct VersionOnly {
    version: u32,
}

/// What came out.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Answer {
    version: u32,
    outcome: Outcome,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Prepared(Prepared),
    Failed(Failure),
}

impl Answer {
    pub(super) fn new(result: Result<Prepared, AudioError>) -> Self {
        let outcome = match result {
            Ok(prepared) => Outcome::Prepared(prepared),
            Err(error) => Outcome::Failed(error.into()),
        };
        Self { version: VERSION, outcome }
    }

    /// Reads the answer of a child that ended well.
    pub(super) fn read(output: &[u8]) -> Result<Result<Prepared, AudioError>, String> {
        let version: VersionOnly = serde_json::from_slice(output).map_err(|error| error.to_string())?;
        if version.version != VERSION {
            return Err(format!("an answer of version {}, not {VERSION}", version.version));
        }
        let answer: Self = serde_json::from_slice(output).map_err(|error| error.to_string())?;
        Ok(match answer.outcome {
            Outcome::Prepared(prepared) => Ok(prepared),
            Outcome::Failed(failure) => Err(failure.into()),
        })
    }
}

/// An [`AudioError`] on its way to the parent.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Failure {
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

impl From<AudioError> for Failure {
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

impl From<Failure> for AudioError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Empty => Self::Empty,
            Failure::NotAudio { found } => Self::NotAudio { found: found.into() },
            Failure::UnsupportedCodec { what } => Self::UnsupportedCodec { what },
            Failure::TooLong { limit_ms } => Self::TooLong { limit_ms },
            Failure::TooLarge { bytes, limit } => Self::TooLarge { bytes, limit },
            Failure::Damaged { what } => Self::Damaged { what },
            Failure::TimedOut { limit_ms } => Self::TimedOut { limit_ms: limit_ms.into() },
            Failure::OutOfMemory { limit_bytes } => Self::OutOfMemory { limit_bytes },
            Failure::Io { what } => Self::Io(std::io::Error::other(what)),
        }
    }
}
