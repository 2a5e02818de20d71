//! Decoding in a child process with resource limits, because its input is untrusted.
//!
//! The child is one of our programs, controlled by a [`Request`]. It has no environment. It sets its own limits of memory,
//! CPU time and files before it reads input, and is killed if the thread that started it ends. If `ffmpeg` is required,
//! the same program launches it, so that it has limits from its first instruction. After the time limit of a recording the whole
//! process group is killed. A [`DecoderPool`] lets a child serve several recordings.

mod child;
mod pool;
mod request;
mod serve;

use std::path::Path;
use std::time::Duration;

pub use pool::DecoderPool;
pub use serve::serve_isolated;

use self::child::{Answer, ChildExit, ChildProcess};
use self::request::{RecordingRequest, Response};
use crate::encode::MAX_BYTES_PER_MS;
use crate::error::AudioError;
use crate::options::{Limits, Options};
use crate::prepare::{Prepared, persist, stage_beside};
use crate::program::{Program, Request, Task};
use crate::rlimits::ResourceLimits;

/// Time that a child may take in addition to decoding: to start, to finish a block and to report a timeout.
const KILL_GRACE: Duration = Duration::from_secs(5);
/// Allowance for headers around the samples, in bytes.
const FILE_SLACK_BYTES: u64 = 1 << 20;
/// Message of a Rust program before it aborts after a failed allocation (`std::alloc::handle_alloc_error`).
const ALLOCATION_FAILED_MESSAGE: &str = "memory allocation of";
/// Exit code of a Rust program whose main thread panicked.
const PANIC_EXIT_CODE: i32 = 101;

/// Configuration of decoding in a child process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Isolation {
    /// The program that decodes.
    pub program: Program,
    /// Limit of the address space of each process, in bytes.
    pub max_memory_bytes: u64,
}

/// Runs [`prepare`](crate::prepare()) in a child process of its own with resource limits.
///
/// If the child exceeds its limits or crashes, the recording is at fault. If it was killed from outside or could not be
/// started, the error is [`Io`](AudioError::Io) and may be retried. Blocks the calling thread.
pub fn prepare_isolated(
    input: &Path,
    output: &Path,
    options: &Options,
    isolation: &Isolation,
) -> Result<Prepared, AudioError> {
    let limits = &options.limits;
    let rlimits =
        ResourceLimits::new(isolation.max_memory_bytes, limits.max_decode_time, max_file_bytes(limits));
    let request = Request::new(rlimits, Task::Serve);
    let mut command = isolation.program.command(&request).map_err(std::io::Error::from)?;
    let mut process = ChildProcess::start(&mut command)?;
    match serve_recording(&mut process, (input, output), options, isolation) {
        Served::Answered(result) => result,
        Served::Died(error) => Err(error),
    }
}

/// What a process did with a recording.
enum Served {
    /// It answered, and may serve another one if all is well. An answer that cannot be read is an error.
    Answered(Result<Prepared, AudioError>),
    /// It has ended.
    Died(AudioError),
}

/// Lets a process prepare the recording at the first path; the result is at the second one.
fn serve_recording(
    process: &mut ChildProcess,
    paths: (&Path, &Path),
    options: &Options,
    isolation: &Isolation,
) -> Served {
    ask(process, paths, options, isolation).unwrap_or_else(|error| Served::Answered(Err(error.into())))
}

fn ask(
    process: &mut ChildProcess,
    (input, output): (&Path, &Path),
    options: &Options,
    isolation: &Isolation,
) -> std::io::Result<Served> {
    let staged = stage_beside(output)?;
    let request = RecordingRequest::new(options.launched_by(&isolation.program), input, staged.path());
    match process.ask(&request.line()?, options.limits.max_decode_time + KILL_GRACE)? {
        Answer::Line(line) => {
            let unreadable = |error: String| Err(child_error(&format!("unreadable response: {error}")));
            let result = Response::read(&line).unwrap_or_else(unreadable);
            if let Ok(prepared) = &result {
                persist(prepared, staged, output)?;
            }
            Ok(Served::Answered(result))
        }
        Answer::Ended { exit, stderr } => {
            Ok(Served::Died(failure_of(exit, &stderr, &options.limits, isolation.max_memory_bytes)))
        }
    }
}

/// The failure of a recording whose decoder ended without an answer.
fn failure_of(exit: ChildExit, stderr: &str, limits: &Limits, max_memory_bytes: u64) -> AudioError {
    tracing::warn!(?exit, %stderr, "decoder process ended abnormally");
    let abnormal = || AudioError::Damaged { what: "the decoder crashed".to_owned() };
    let out_of_time = || AudioError::TimedOut { limit_ms: limits.max_decode_time.as_millis() };
    match exit {
        ChildExit::OutOfTime => out_of_time(),
        ChildExit::Killed(signal) if signal == rustix::process::Signal::XCPU.as_raw() => out_of_time(),
        _ if stderr.contains(ALLOCATION_FAILED_MESSAGE) => {
            AudioError::OutOfMemory { limit_bytes: max_memory_bytes }
        }
        ChildExit::OutOfOutput | ChildExit::Exited(PANIC_EXIT_CODE) => abnormal(),
        ChildExit::Killed(signal) if is_self_inflicted(signal) => abnormal(),
        ChildExit::Killed(signal) => child_error(&format!("killed by signal {signal}")),
        ChildExit::Exited(code) => child_error(&format!("exited with code {code}: {stderr}")),
    }
}

/// Whether a signal is caused by the process itself; all others come from outside.
fn is_self_inflicted(signal: i32) -> bool {
    use rustix::process::Signal;
    [Signal::ABORT, Signal::SEGV, Signal::BUS, Signal::ILL, Signal::FPE, Signal::XFSZ, Signal::SYS]
        .iter()
        .any(|own| own.as_raw() == signal)
}

fn child_error(what: &str) -> AudioError {
    AudioError::Io(std::io::Error::other(format!("decoder process: {what}")))
}

/// Maximum size of the output of a recording within the limits.
fn max_file_bytes(limits: &Limits) -> u64 {
    let encoded = limits.max_duration_ms.saturating_mul(MAX_BYTES_PER_MS);
    encoded.max(limits.max_bytes).saturating_add(FILE_SLACK_BYTES)
}
