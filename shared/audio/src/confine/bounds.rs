//! What a process that decodes a stranger's bytes may use of the machine.

use std::io;
use std::process::Child;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};

/// Address space of an `ffmpeg` that is started without a launcher: it maps a third of it before it reads a byte.
const FFMPEG_MEMORY_BYTES: u64 = 1 << 30;
/// Largest file `ffmpeg` may write: its output is a pipe, and it has nothing to write but a complaint.
const FFMPEG_FILE_BYTES: u64 = 1 << 20;
/// Files a decoder may have open: its input a few times, its output, pipes, and libraries while they are loaded.
const OPEN_FILES: u64 = 64;

/// Resource limits of one process, in the units of `setrlimit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// Address space, in bytes (`RLIMIT_AS`).
    pub memory_bytes: u64,
    /// Processor time, in seconds (`RLIMIT_CPU`).
    pub cpu_seconds: u64,
    /// Largest file that may be written, in bytes (`RLIMIT_FSIZE`).
    pub file_bytes: u64,
    /// File descriptors (`RLIMIT_NOFILE`).
    pub open_files: u64,
}

impl Bounds {
    /// Bounds with the usual number of open files. Time is rounded up to whole seconds.
    pub fn new(memory_bytes: u64, cpu: Duration, file_bytes: u64) -> Self {
        Self { memory_bytes, cpu_seconds: cpu.as_secs() + 1, file_bytes, open_files: OPEN_FILES }
    }

    /// Bounds of an `ffmpeg` that may run for `time_left`. A process cannot get more than its parent has.
    pub(crate) fn of_ffmpeg(time_left: Duration) -> Self {
        Self::new(FFMPEG_MEMORY_BYTES, time_left, FFMPEG_FILE_BYTES)
    }

    fn resources(self) -> [(Resource, u64); 5] {
        [
            (Resource::As, self.memory_bytes),
            (Resource::Cpu, self.cpu_seconds),
            (Resource::Fsize, self.file_bytes),
            (Resource::Nofile, self.open_files),
            // A core dump would hold somebody's voice.
            (Resource::Core, 0),
        ]
    }

    /// Bounds the calling process and all that it starts, for good. `parent` is the process id of who started it: on
    /// Linux the calling process is killed when the thread that started it ends.
    pub(super) fn apply_to_self(self, parent: u32) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        die_with(parent)?;
        #[cfg(not(target_os = "linux"))]
        let _ = parent;
        for (resource, bound) in self.resources() {
            setrlimit(resource, lowered(resource, bound))?;
        }
        Ok(())
    }

    /// Bounds a child that was just started, from outside.
    #[cfg(target_os = "linux")]
    pub(crate) fn apply_to(self, child: &Child) -> io::Result<()> {
        let pid = process_id(child.id())?;
        for (resource, bound) in self.resources() {
            rustix::process::prlimit(Some(pid), resource, lowered(resource, bound))?;
        }
        Ok(())
    }

    /// Only Linux lets one process bound another.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn apply_to(self, _: &Child) -> io::Result<()> {
        Ok(())
    }
}

/// Nobody may raise what the system has bounded lower.
fn lowered(resource: Resource, bound: u64) -> Rlimit {
    let bound = getrlimit(resource).maximum.map_or(bound, |maximum| maximum.min(bound));
    // The processor's soft limit ends the process with a signal of its own, the hard one with a plain kill.
    let maximum = if resource == Resource::Cpu {
        getrlimit(resource).maximum.map_or(bound + 1, |maximum| maximum.min(bound + 1))
    } else {
        bound
    };
    Rlimit { current: Some(bound), maximum: Some(maximum) }
}

#[cfg(target_os = "linux")]
fn die_with(parent: u32) -> io::Result<()> {
    use rustix::process::{Signal, getppid, set_parent_process_death_signal};
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // Privileges of a set-user-id program would also switch the signal above off.
    rustix::thread::set_no_new_privs(true)?;
    // It may have ended before it could be told of.
    if getppid() != Some(process_id(parent)?) {
        return Err(io::Error::other("whoever started this process has ended"));
    }
    Ok(())
}

/// A process id as the system's calls take it.
pub(super) fn process_id(id: u32) -> io::Result<Pid> {
    let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
    pid.ok_or_else(|| io::Error::other("a process without an id"))
}
