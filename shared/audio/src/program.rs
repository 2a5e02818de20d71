//! The program that decodes or launches in a child process with resource limits, and the request that it gets at its start.
//!
//! What the process is for, and its limits, is one command line argument in JSON. All requests and responses contain a version,
//! because the program on disk may have been replaced by another release since the parent was started.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::rlimits::ResourceLimits;

/// Version of request and response.
pub(crate) const PROTOCOL_VERSION: u32 = 2;
/// Exit code if the program could not be launched. Neither shells nor `ffmpeg` use it.
pub(crate) const LAUNCH_FAILED_EXIT_CODE: i32 = 98;

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
    pub(crate) fn command(&self, request: &Request) -> serde_json::Result<Command> {
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
pub(crate) struct Request {
    pub(crate) version: u32,
    /// Process id of the parent.
    pub(crate) parent: u32,
    pub(crate) rlimits: ResourceLimits,
    pub(crate) task: Task,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Task {
    /// Prepare the recordings that are requested on standard input, one after another, until it is closed.
    Serve,
    /// Execute another program; its path and arguments follow.
    Launch,
}

impl Request {
    pub(crate) fn new(rlimits: ResourceLimits, task: Task) -> Self {
        Self { version: PROTOCOL_VERSION, parent: std::process::id(), rlimits, task }
    }

    /// Parses the request from the first argument.
    pub(crate) fn read(argument: Option<&OsString>) -> Result<Self, String> {
        let text = argument.and_then(|it| it.to_str()).ok_or("missing request")?;
        let version: VersionOnly = serde_json::from_str(text).map_err(|error| error.to_string())?;
        if version.version != PROTOCOL_VERSION {
            return Err(format!("request version {}, expected {PROTOCOL_VERSION}", version.version));
        }
        serde_json::from_str(text).map_err(|error| error.to_string())
    }
}

/// The common part of all versions of requests and response.
#[derive(Debug, Deserialize)]
pub(crate) struct VersionOnly {
    pub(crate) version: u32,
}
