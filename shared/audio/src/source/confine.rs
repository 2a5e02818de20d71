//! What a decoder in a child process may use of the machine: its input is a stranger's, and its code is old C.

use std::io;
use std::process::Child;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

/// Of addresses: `ffmpeg` maps a third of it before it reads a byte.
const MOST_MEMORY: u64 = 1 << 30;
/// Of any file: its output is a pipe, and it has nothing to write but a complaint.
const LARGEST_FILE: u64 = 1 << 20;

/// Bounds a child that was just started; what goes beyond a bound fails in it, or ends it.
///
/// The bounds are set from outside, since code between `fork` and `exec` would have to be unsafe; what the child does in
/// the microseconds before is load itself.
pub(super) fn confine(child: &Child, time_left: Duration) -> io::Result<()> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(|| io::Error::other("the decoder has no process id"))?;
    let bounds = [
        (Resource::As, MOST_MEMORY),
        (Resource::Cpu, time_left.as_secs() + 1),
        (Resource::Fsize, LARGEST_FILE),
        // It would hold somebody's voice.
        (Resource::Core, 0),
    ];
    for (resource, bound) in bounds {
        // Nobody may raise what the system has bounded lower.
        let bound = getrlimit(resource).maximum.map_or(bound, |most| most.min(bound));
        prlimit(Some(pid), resource, Rlimit { current: Some(bound), maximum: Some(bound) })?;
    }
    Ok(())
}
