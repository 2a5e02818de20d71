//! Resource limits of a process that decodes untrusted bytes.

use std::io;
use std::process::Child;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};

/// Address space of an `ffmpeg` without a launcher. It maps a third of it before it reads a byte.
const FFMPEG_MAX_MEMORY_BYTES: u64 = 1 << 30;
/// Maximum size of files that `ffmpeg` may write. Small, because its output is a pipe.
const FFMPEG_MAX_FILE_BYTES: u64 = 1 << 20;
/// Maximum number of open files of a decoder: its input several times, output, pipes, and libraries while they are loaded.
const MAX_OPEN_FILES: u64 = 64;

/// Resource limits of one process, in the units of `setrlimit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceLimits {
    /// Address space, in bytes (`RLIMIT_AS`).
    pub memory_bytes: u64,
    /// CPU time, in seconds (`RLIMIT_CPU`).
    pub cpu_seconds: u64,
    /// Maximum size of written files, in bytes (`RLIMIT_FSIZE`).
    pub file_bytes: u64,
    /// Number of file descriptors (`RLIMIT_NOFILE`).
    pub open_files: u64,
}

impl ResourceLimits {
    /// Limits with the default number of open files. CPU time is rounded up to whole seconds.
    pub fn new(memory_bytes: u64, cpu: Duration, file_bytes: u64) -> Self {
        Self { memory_bytes, cpu_seconds: cpu.as_secs() + 1, file_bytes, open_files: MAX_OPEN_FILES }
    }

    /// Limits of an `ffmpeg` that may run for `time_left`. They are capped by the limits of the parent process.
    pub(crate) fn for_ffmpeg(time_left: Duration) -> Self {
        Self::new(FFMPEG_MAX_MEMORY_BYTES, time_left, FFMPEG_MAX_FILE_BYTES)
    }

    fn resources(self) -> [(Resource, u64); 5] {
        [
            (Resource::As, self.memory_bytes),
            (Resource::Cpu, self.cpu_seconds),
            (Resource::Fsize, self.file_bytes),
            (Resource::Nofile, self.open_files),
            // A core dump would contain the recording.
            (Resource::Core, 0),
        ]
    }

    /// Permanently limits the calling process and all processes that it starts. `parent` is the id of the parent process. On
    /// Linux the calling process is killed if the thread that started it ends.
    pub(crate) fn apply_to_self(self, parent: u32) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        die_with_parent(parent)?;
        #[cfg(not(target_os = "linux"))]
        let _ = parent;
        for (resource, bound) in self.resources() {
            setrlimit(resource, capped_rlimit(resource, bound))?;
        }
        Ok(())
    }

    /// Limits a running child process from outside.
    #[cfg(target_os = "linux")]
    pub(crate) fn apply_to(self, child: &Child) -> io::Result<()> {
        let pid = process_id(child.id())?;
        for (resource, bound) in self.resources() {
            rustix::process::prlimit(Some(pid), resource, capped_rlimit(resource, bound))?;
        }
        Ok(())
    }

    /// Does nothing: only Linux allows a process to limit another one.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn apply_to(self, _: &Child) -> io::Result<()> {
        Ok(())
    }
}

/// The limit, capped by a lower limit of the system, which cannot be raised.
fn capped_rlimit(resource: Resource, bound: u64) -> Rlimit {
    let bound = getrlimit(resource).maximum.map_or(bound, |maximum| maximum.min(bound));
    // The soft limit of CPU time sends SIGXCPU, the hard limit SIGKILL.
    let maximum = if resource == Resource::Cpu {
        getrlimit(resource).maximum.map_or(bound + 1, |maximum| maximum.min(bound + 1))
    } else {
        bound
    };
    Rlimit { current: Some(bound), maximum: Some(maximum) }
}

#[cfg(target_os = "linux")]
fn die_with_parent(parent: u32) -> io::Result<()> {
    use rustix::process::{Signal, getppid, set_parent_process_death_signal};
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // Executing a set-user-id program would clear the signal above.
    rustix::thread::set_no_new_privs(true)?;
    // The parent may have ended before the signal was set.
    if getppid() != Some(process_id(parent)?) {
        return Err(io::Error::other("the parent process has ended"));
    }
    Ok(())
}

/// Converts a process id for system calls.
pub(crate) fn process_id(id: u32) -> io::Result<Pid> {
    let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
    pid.ok_or_else(|| io::Error::other("invalid process id"))
}
