//! The child's side: bounds itself before it reads a byte of what it was given, then does what was ordered.

use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

use super::bounds::Bounds;
use super::order::{Answer, Order, Program, Task};
use crate::error::AudioError;
use crate::options::Options;
use crate::prepare::prepare_in_place;

/// Exit code of a process that could not become the program it should launch: no shell and no `ffmpeg` uses it.
pub(crate) const LAUNCH_FAILED: i32 = 98;
/// Exit code of a process that was given an order it cannot carry out.
const ORDER_REFUSED: u8 = 99;

/// Carries out the order in `args`, which are those that followed [`Program::args`]; the exit code for `main`.
///
/// To be called before the process has started a thread or opened a file: bounds are set here.
pub fn serve_confined(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let order = match Order::read(args.first()) {
        Ok(order) => order,
        Err(error) => return refuse(&error),
    };
    // Unbounded it must not go on.
    if let Err(error) = order.bounds.apply_to_self(order.parent) {
        return refuse(&error.to_string());
    }
    match (order.task, args.get(1..).unwrap_or_default()) {
        (Task::Prepare { options }, [input, output]) => {
            let result = prepare_in_place(Path::new(input), Path::new(output), &options);
            answer(result.map_err(|error| told_by_its_bound(error, order.bounds)))
        }
        (Task::Launch, [program, args @ ..]) => launch(program, args),
        _ => refuse("the order and its paths do not fit"),
    }
}

/// Reading into memory that cannot be had is an error of reading, but not one of the disk.
fn told_by_its_bound(error: AudioError, bounds: Bounds) -> AudioError {
    match error {
        AudioError::Io(error) if error.kind() == std::io::ErrorKind::OutOfMemory => {
            AudioError::OutOfMemory { limit_bytes: bounds.memory_bytes }
        }
        other => other,
    }
}

fn answer(result: Result<crate::Prepared, AudioError>) -> ExitCode {
    let line = match serde_json::to_vec(&Answer::new(result)) {
        Ok(line) => line,
        Err(error) => return refuse(&error.to_string()),
    };
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(&line).and_then(|()| stdout.write_all(b"\n")).and_then(|()| stdout.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => refuse(&error.to_string()),
    }
}

fn launch(program: &OsStr, args: &[OsString]) -> ExitCode {
    let error = Command::new(program).args(args).env_clear().exec();
    complain(&error.to_string());
    u8::try_from(LAUNCH_FAILED).map_or(ExitCode::FAILURE, ExitCode::from)
}

fn refuse(why: &str) -> ExitCode {
    complain(why);
    ExitCode::from(ORDER_REFUSED)
}

fn complain(why: &str) {
    // Nobody is left to hear it when this fails.
    let _ = writeln!(std::io::stderr(), "{why}");
}

impl Options {
    /// The same with `ffmpeg` started by `launcher`.
    pub(super) fn launched_by(&self, launcher: &Program) -> Self {
        Self { launcher: Some(launcher.clone()), ..self.clone() }
    }
}
