//! A child process from its start to its end: its output, and how it ended, within a time.

use std::io::{self, Read};
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::bounds::process_id;

/// Bytes of its output that are read. The result of a call of four hours, with a segment each 360 ms, is a tenth of it.
const MAX_OUTPUT_BYTES: u64 = 16 << 20;
/// Bytes of its complaints that are kept.
const MAX_COMPLAINT_BYTES: u64 = 4 << 10;

/// How a child ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// By itself, with this code.
    Exited(i32),
    /// By this signal.
    Killed(i32),
    /// We killed it: its time was over.
    OutOfTime,
    /// We killed it: it wrote more than any result is long.
    OutOfOutput,
}

/// What a child left behind.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) end: End,
    pub(super) output: Vec<u8>,
    /// The beginning of what it wrote to its standard error.
    pub(super) complaint: String,
}

/// Runs `command` to its end, without environment and input, in a process group of its own; the whole group is
/// killed after `time`. Blocks the calling thread, which is the one that the child dies with.
pub(super) fn run(command: &mut Command, time: Duration) -> io::Result<Ended> {
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut running = Running::start(command)?;
    let (stdout, stderr) = (running.child.stdout.take(), running.child.stderr.take());
    let watchdog = Watchdog::start(running.group, time)?;
    let complaints = std::thread::Builder::new().name("complaints".to_owned());
    let complaints = complaints.spawn(move || stderr.map(read_complaint).unwrap_or_default())?;
    let mut output = Vec::new();
    if let Some(stdout) = stdout {
        stdout.take(MAX_OUTPUT_BYTES + 1).read_to_end(&mut output)?;
    }
    let overflowed = output.len() as u64 > MAX_OUTPUT_BYTES;
    if overflowed {
        running.kill_group();
    }
    // It stays a zombie until it is reaped, so that its id can be no one else's while somebody may want to kill it.
    running.wait_unreaped()?;
    let out_of_time = watchdog.stop();
    running.kill_group();
    let status = running.child.wait()?;
    running.reaped = true;
    let end = match (status.code(), status.signal()) {
        _ if overflowed => End::OutOfOutput,
        (Some(code), _) => End::Exited(code),
        (None, _) if out_of_time => End::OutOfTime,
        (None, signal) => End::Killed(signal.unwrap_or_default()),
    };
    Ok(Ended { end, output, complaint: complaints.join().unwrap_or_default() })
}

/// A child that does not outlive its owner, and all that it started.
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
        // Nobody is left in it when this fails.
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

/// Kills a process group when its time is over.
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

    /// Whether it had to kill.
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
        // It must not kill a group whose number may be another's by then.
        self.end();
    }
}

/// The beginning of what it says; the rest is read and dropped so that it never blocks.
fn read_complaint(mut pipe: impl Read) -> String {
    let mut kept = Vec::new();
    let _ = pipe.by_ref().take(MAX_COMPLAINT_BYTES).read_to_end(&mut kept);
    let _ = io::copy(&mut pipe, &mut io::sink());
    String::from_utf8_lossy(&kept).trim().to_owned()
}
