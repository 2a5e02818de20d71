//! The child process: limits itself before it reads input, then executes requests.

use std::ffi::{OsStr, OsString};
use std::io::{BufRead as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use super::request::{RecordingRequest, Response};
use crate::error::AudioError;
use crate::options::Options;
use crate::prepare::prepare_in_place;
use crate::program::{LAUNCH_FAILED_EXIT_CODE, Program, Request, Task};
use crate::rlimits::ResourceLimits;

/// Exit code for an invalid request.
const BAD_REQUEST_EXIT_CODE: u8 = 99;

/// Executes the request in `args`, the arguments after [`Program::args`]. Returns the exit code for `main`.
///
/// Call it before the process starts a thread or opens a file, because it sets the limits.
pub fn serve_isolated(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let request = match Request::read(args.first()) {
        Ok(request) => request,
        Err(error) => return reject(&error),
    };
    // The process must not run without limits.
    if let Err(error) = request.rlimits.apply_to_self(request.parent) {
        return reject(&error.to_string());
    }
    match (request.task, args.get(1..).unwrap_or_default()) {
        (Task::Serve, []) => match serve(request.rlimits) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => reject(&error),
        },
        (Task::Launch, [program, args @ ..]) => launch(program, args),
        _ => reject("wrong number of arguments for the request"),
    }
}

/// Maps a read error due to a failed allocation, which is not an error of the disk.
fn as_out_of_memory(error: AudioError, rlimits: ResourceLimits) -> AudioError {
    match error {
        AudioError::Io(error) if error.kind() == std::io::ErrorKind::OutOfMemory => {
            AudioError::OutOfMemory { limit_bytes: rlimits.memory_bytes }
        }
        other => other,
    }
}

/// Prepares recordings one after another, until the parent closes the pipe. Nothing of one is kept for the next: its files are
/// closed, and its buffers freed, before the response.
fn serve(rlimits: ResourceLimits) -> Result<(), String> {
    let mut requests = std::io::stdin().lock();
    loop {
        let mut line = Vec::new();
        if requests.read_until(b'\n', &mut line).map_err(|error| error.to_string())? == 0 {
            return Ok(());
        }
        let recording = RecordingRequest::read(&line)?;
        let (input, output) = (Path::new(&recording.input), Path::new(&recording.output));
        let result = prepare_in_place(input, output, &recording.options);
        let result = result.map_err(|error| as_out_of_memory(error, rlimits));
        respond(result).map_err(|error| error.to_string())?;
    }
}

fn respond(result: Result<crate::Prepared, AudioError>) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(&Response::new(result))?;
    line.push(b'\n');
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(&line)?;
    stdout.flush()
}

fn launch(program: &OsStr, args: &[OsString]) -> ExitCode {
    let error = Command::new(program).args(args).env_clear().exec();
    print_error(&error.to_string());
    u8::try_from(LAUNCH_FAILED_EXIT_CODE).map_or(ExitCode::FAILURE, ExitCode::from)
}

fn reject(why: &str) -> ExitCode {
    print_error(why);
    ExitCode::from(BAD_REQUEST_EXIT_CODE)
}

fn print_error(why: &str) {
    // If this fails, there is no way to report it.
    let _ = writeln!(std::io::stderr(), "{why}");
}

impl Options {
    /// The options with `launcher` as the program that starts `ffmpeg`.
    pub(super) fn launched_by(&self, launcher: &Program) -> Self {
        Self { launcher: Some(launcher.clone()), ..self.clone() }
    }
}
