//! Decoding in a child process with resource limits, because its input is untrusted.
//!
//! The child is one of our programs, controlled by a [`Request`]. It has no environment. It sets its own limits of memory,
//! CPU time and files before it reads input, and is killed if the thread that started it ends. If `ffmpeg` is required,
//! the same program launches it, so that it has limits from its first instruction. After the time limit the whole process
//! group is killed.

mod child;
mod request;
mod rlimits;
mod serve;

use std::path::Path;
use std::time::Duration;

pub use request::Program;
pub use rlimits::ResourceLimits;
pub use serve::serve_isolated;

pub(crate) use serve::LAUNCH_FAILED_EXIT_CODE;

use self::child::{ChildExit, ChildOutput};
use self::request::{Request, Response, Task};
use crate::encode::MAX_BYTES_PER_MS;
use crate::error::AudioError;
use crate::options::{Limits, Options};
use crate::prepare::{Prepared, persist, stage_beside};

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

/// Runs [`prepare`](crate::prepare()) in a child process with resource limits.
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
    let options = options.launched_by(&isolation.program);
    let request = Request::new(rlimits, Task::Prepare { options });
    let mut command = isolation.program.command(&request).map_err(std::io::Error::from)?;
    let staged = stage_beside(output)?;
    command.arg(input).arg(staged.path());
    let ended = child::run(&mut command, limits.max_decode_time + KILL_GRACE)?;
    let prepared = interpret_exit(ended, limits, rlimits)?;
    persist(&prepared, staged, output)?;
    Ok(prepared)
}

/// Maps the exit of the child to a result of the recording.
fn interpret_exit(
    ended: ChildOutput,
    limits: &Limits,
    rlimits: ResourceLimits,
) -> Result<Prepared, AudioError> {
    let ChildOutput { end, output, stderr } = ended;
    if end != ChildExit::Exited(0) {
        tracing::warn!(?end, %stderr, "decoder process ended abnormally");
    }
    let abnormal = || AudioError::Damaged { what: "the decoder crashed".to_owned() };
    let out_of_time = || AudioError::TimedOut { limit_ms: limits.max_decode_time.as_millis() };
    match end {
        ChildExit::Exited(0) => Response::read(&output)
            .unwrap_or_else(|error| Err(child_error(&format!("unreadable response: {error}")))),
        ChildExit::OutOfTime => Err(out_of_time()),
        ChildExit::Killed(signal) if signal == rustix::process::Signal::XCPU.as_raw() => Err(out_of_time()),
        _ if stderr.contains(ALLOCATION_FAILED_MESSAGE) => {
            Err(AudioError::OutOfMemory { limit_bytes: rlimits.memory_bytes })
        }
        ChildExit::OutOfOutput | ChildExit::Exited(PANIC_EXIT_CODE) => Err(abnormal()),
        ChildExit::Killed(signal) if is_self_inflicted(signal) => Err(abnormal()),
        ChildExit::Killed(signal) => Err(child_error(&format!("killed by signal {signal}"))),
        ChildExit::Exited(code) => Err(child_error(&format!("exited with code {code}: {stderr}"))),
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
