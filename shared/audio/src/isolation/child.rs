//! Runs a child process with a time limit; returns its output and exit status.

use std::io::{self, Read};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::rlimits::process_id;

/// Maximum length of its output. The result of a four-hour call with a segment every 360 ms needs a tenth of it.
const MAX_OUTPUT_BYTES: u64 = 16 << 20;
/// Kept length of its standard error, in bytes.
const MAX_STDERR_BYTES: u64 = 4 << 10;

/// End of a child process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ChildExit {
    /// Exited with this code.
    Exited(i32),
    /// Ended by this signal.
    Killed(i32),
    /// Killed by us after the time limit.
    OutOfTime,
    /// Killed by us, because its output exceeded the limit.
    OutOfOutput,
}

/// Output and exit of a child process.
#[derive(Debug)]
pub(super) struct ChildOutput {
    pub(super) end: ChildExit,
    pub(super) output: Vec<u8>,
    /// The beginning of its standard error.
    pub(super) stderr: String,
}

/// Runs `command` to its exit, without environment and input, in a separate process group. Kills the whole group after
/// `time`. Blocks the calling thread; the child is killed if that thread ends.
pub(super) fn run(command: &mut Command, time: Duration) -> io::Result<ChildOutput> {
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut running = Running::start(command)?;
    let (stdout, stderr) = (running.child.stdout.take(), running.child.stderr.take());
    let watchdog = Watchdog::start(running.group, time)?;
    let stderr_reader = std::thread::Builder::new().name("stderr".to_owned());
    let stderr_reader = stderr_reader.spawn(move || stderr.map(read_stderr).unwrap_or_default())?;
    let mut output = Vec::new();
    if let Some(stdout) = stdout {
        stdout.take(MAX_OUTPUT_BYTES + 1).read_to_end(&mut output)?;
    }
    let overflowed = output.len() as u64 > MAX_OUTPUT_BYTES;
    if overflowed {
        running.kill_group();
    }
    // The process stays a zombie until it is reaped, so its id is not reused while it may still be killed.
    running.wait_unreaped()?;
    let out_of_time = watchdog.stop();
    running.kill_group();
    let status = running.child.wait()?;
    running.reaped = true;
    let end = match (status.code(), status.signal()) {
        _ if overflowed => ChildExit::OutOfOutput,
        (Some(code), _) => ChildExit::Exited(code),
        (None, _) if out_of_time => ChildExit::OutOfTime,
        (None, signal) => ChildExit::Killed(signal.unwrap_or_default()),
    };
    Ok(ChildOutput { end, output, stderr: stderr_reader.join().unwrap_or_default() })
}

/// A child process whose whole group is killed on drop.
struct Running {
    child: Child,
    group: Pid,
    reaped: bool,
}

impl Running {
    fn start(command: &mut Command) -> io::Result<Self> {
        let child = command.spawn()?;
        let group = process_id(child.id())?;
        Ok(Self { child, group, reaped: false })
    }

    fn kill_group(&self) {
        // An error means that the group has no process left.
        let _ = kill_process_group(self.group, Signal::KILL);
    }

    fn wait_unreaped(&self) -> io::Result<()> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        loop {
            match waitid(WaitId::Pid(self.group), options) {
                Ok(_) => return Ok(()),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.reaped {
            self.kill_group();
            let _ = self.child.wait();
        }
    }
}

/// Kills a process group after its time limit.
struct Watchdog {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<bool>>,
}

impl Watchdog {
    fn start(group: Pid, time: Duration) -> io::Result<Self> {
        let (stop, stopped) = channel::<()>();
        let thread = std::thread::Builder::new().name("watchdog".to_owned()).spawn(move || {
            let over = stopped.recv_timeout(time) == Err(RecvTimeoutError::Timeout);
            if over {
                let _ = kill_process_group(group, Signal::KILL);
            }
            over
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }

    /// Stops the watchdog; returns whether it has killed the group.
    fn stop(mut self) -> bool {
        self.end()
    }

    fn end(&mut self) -> bool {
        self.stop = None;
        self.thread.take().and_then(|thread| thread.join().ok()).unwrap_or(false)
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        // Stop first, because the group's id may be reused afterwards.
        self.end();
    }
}

/// Keeps the beginning of standard error; reads and discards the rest, so that the child never blocks.
fn read_stderr(mut pipe: impl Read) -> String {
    let mut kept = Vec::new();
    let _ = pipe.by_ref().take(MAX_STDERR_BYTES).read_to_end(&mut kept);
    let _ = io::copy(&mut pipe, &mut io::sink());
    String::from_utf8_lossy(&kept).trim().to_owned()
}
