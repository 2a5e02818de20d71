//! Decoding in a child process that has bounds, because its input is a stranger's.
//!
//! The child is a program of our own, told what to do by [`Order`]. It has no environment, bounds on memory, processor
//! time and files, which it sets itself before it reads its input, and dies with the thread that started it. `ffmpeg`,
//! where it is needed, is started by the same program and so has bounds from its first instruction. When the time is
//! over, the whole process group is killed.

mod bounds;
mod child;
mod order;
mod serve;

use std::path::Path;
use std::time::Duration;

pub use bounds::Bounds;
pub use order::Program;
pub use serve::serve_confined;

pub(crate) use serve::LAUNCH_FAILED;

use self::child::{End, Ended};
use self::order::{Answer, Order, Task};
use crate::encode::MAX_BYTES_PER_MS;
use crate::error::AudioError;
use crate::options::{Limits, Options};
use crate::prepare::{Prepared, persist, stage_beside};

/// What a child may take longer than decoding itself: it starts, ends a block, and says that its time is over.
const KILL_AFTER: Duration = Duration::from_secs(5);
/// Headers around the samples, in bytes.
const FILE_SLACK_BYTES: u64 = 1 << 20;
/// What the allocator of a Rust program says before it ends the process (`std::alloc::handle_alloc_error`).
const ALLOCATION_FAILED: &str = "memory allocation of";
/// Exit code of a Rust program whose main thread panicked.
const PANICKED: i32 = 101;

/// How recordings are decoded in a process of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confinement {
    /// The program that decodes.
    pub program: Program,
    /// Address space of each of its processes, in bytes.
    pub max_memory_bytes: u64,
}

/// Does what [`prepare`](crate::prepare()) does, in a child process with bounds.
///
/// A child that ends by its bounds or by a crash of its own is a failure of the recording; one that somebody else killed
/// or that could not be started is an [`Io`](AudioError::Io) error, worth another try. Blocks the calling thread.
pub fn prepare_confined(
    input: &Path,
    output: &Path,
    options: &Options,
    confinement: &Confinement,
) -> Result<Prepared, AudioError> {
    let limits = &options.limits;
    let bounds = Bounds::new(confinement.max_memory_bytes, limits.max_decode_time, max_file_bytes(limits));
    let options = options.launched_by(&confinement.program);
    let order = Order::new(bounds, Task::Prepare { options });
    let mut command = confinement.program.command(&order).map_err(std::io::Error::from)?;
    let staged = stage_beside(output)?;
    command.arg(input).arg(staged.path());
    let ended = child::run(&mut command, limits.max_decode_time + KILL_AFTER)?;
    let prepared = judge(ended, limits, bounds)?;
    persist(&prepared, staged, output)?;
    Ok(prepared)
}

/// What the end of the child means for the recording.
fn judge(ended: Ended, limits: &Limits, bounds: Bounds) -> Result<Prepared, AudioError> {
    let Ended { end, output, complaint } = ended;
    if end != End::Exited(0) {
        tracing::warn!(?end, %complaint, "the decoder's process did not end by itself");
    }
    let abnormal = || AudioError::Damaged { what: "the decoder stopped abnormally".to_owned() };
    let out_of_time = || AudioError::TimedOut { limit_ms: limits.max_decode_time.as_millis() };
    match end {
        End::Exited(0) => Answer::read(&output)
            .unwrap_or_else(|error| Err(broken(&format!("its answer is not understood: {error}")))),
        End::OutOfTime => Err(out_of_time()),
        End::Killed(signal) if signal == rustix::process::Signal::XCPU.as_raw() => Err(out_of_time()),
        _ if complaint.contains(ALLOCATION_FAILED) => {
            Err(AudioError::OutOfMemory { limit_bytes: bounds.memory_bytes })
        }
        End::OutOfOutput | End::Exited(PANICKED) => Err(abnormal()),
        End::Killed(signal) if is_of_its_own(signal) => Err(abnormal()),
        End::Killed(signal) => Err(broken(&format!("it was killed by signal {signal}"))),
        End::Exited(code) => Err(broken(&format!("it ended with code {code}: {complaint}"))),
    }
}

/// Signals that a process gets for what it does itself; all others come from outside.
fn is_of_its_own(signal: i32) -> bool {
    use rustix::process::Signal;
    [Signal::ABORT, Signal::SEGV, Signal::BUS, Signal::ILL, Signal::FPE, Signal::XFSZ, Signal::SYS]
        .iter()
        .any(|own| own.as_raw() == signal)
}

fn broken(what: &str) -> AudioError {
    AudioError::Io(std::io::Error::other(format!("the decoder's process: {what}")))
}

/// The largest file that a recording within the limits can become.
fn max_file_bytes(limits: &Limits) -> u64 {
    let encoded = limits.max_duration_ms.saturating_mul(MAX_BYTES_PER_MS);
    encoded.max(limits.max_bytes).saturating_add(FILE_SLACK_BYTES)
}
