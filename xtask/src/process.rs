//! Child processes in separate process groups, stopped together with xtask.

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::workspace;

/// Interval of checking a child process.
const POLL_INTERVAL: Duration = Duration::from_millis(30);
/// Time to end for processes that a failure of xtask leaves behind.
const DROP_GRACE: Duration = Duration::from_secs(30);

/// Number of stop signals that this process has received.
static STOP_REQUESTS: AtomicUsize = AtomicUsize::new(0);

/// Installs handlers that count SIGINT, SIGTERM and SIGHUP instead of ending the process, so that child processes are
/// stopped in order. Call once, first.
pub fn catch_stop_signals() -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot install signal handlers")?;
    thread::spawn(move || {
        for _ in signals.forever() {
            STOP_REQUESTS.fetch_add(1, Ordering::SeqCst);
        }
    });
    Ok(())
}

/// Whether a stop signal has been received.
pub fn stop_requested() -> bool {
    STOP_REQUESTS.load(Ordering::SeqCst) > 0
}

/// Fails if a stop signal was received. Call between two steps.
pub fn ensure_not_stopped() -> Result<()> {
    if stop_requested() {
        bail!("stopped on request");
    }
    Ok(())
}

/// A child process and all processes that it starts.
#[derive(Debug)]
pub struct ProcessGroup {
    child: Child,
}

impl ProcessGroup {
    /// Starts a command in a separate process group with empty standard input.
    pub fn spawn(command: &mut Command) -> Result<Self> {
        ensure_not_stopped()?;
        let name = command.get_program().display().to_string();
        let child = command.process_group(0).stdin(Stdio::null()).spawn();
        Ok(Self { child: child.with_context(|| format!("cannot start {name}"))? })
    }

    /// The child process, for access to its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// The exit status, if the child has exited.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().context("cannot wait for a child")
    }

    /// Waits for the exit. The first stop signal is passed on; the second kills the group.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        let mut forwarded = 0;
        loop {
            if let Some(status) = self.try_wait()? {
                // Kill processes that the child left in its group.
                self.signal(Signal::KILL);
                return Ok(status);
            }
            let asked = STOP_REQUESTS.load(Ordering::SeqCst);
            if asked > forwarded {
                self.signal(if asked > 1 { Signal::KILL } else { Signal::INT });
                forwarded = asked;
            }
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// Requests a stop, and kills the group if it still runs after the grace time.
    pub fn stop(&mut self, grace: Duration) -> Result<()> {
        self.signal(Signal::TERM);
        let deadline = Instant::now() + grace;
        while self.try_wait()?.is_none() {
            if Instant::now() > deadline {
                self.signal(Signal::KILL);
            }
            thread::sleep(POLL_INTERVAL);
        }
        self.signal(Signal::KILL);
        Ok(())
    }

    /// Ignores errors: they mean that the group has no process left.
    fn signal(&self, signal: Signal) {
        if let Some(group) = pid(self.child.id()) {
            let _gone = kill_process_group(group, signal);
        }
    }
}

impl Drop for ProcessGroup {
    /// A failure between two steps, such as a stop signal, leaves no process behind: the terminal does not reach the group.
    fn drop(&mut self) {
        if matches!(self.try_wait(), Ok(None)) {
            let _best_effort = self.stop(DROP_GRACE);
        }
    }
}

/// Puts a directory first in the `PATH` that the command gets.
pub fn put_first_in_path(command: &mut Command, directory: &Path) {
    let path = workspace::variable("PATH").unwrap_or_default();
    let directories = std::iter::once(directory.to_owned()).chain(std::env::split_paths(&path));
    if let Ok(joined) = std::env::join_paths(directories) {
        command.env("PATH", joined);
    }
}

/// Runs a command to its exit; `Err` if it could not be started or a stop was requested.
pub fn run(command: &mut Command) -> Result<ExitStatus> {
    let status = ProcessGroup::spawn(command)?.wait()?;
    ensure_not_stopped()?;
    Ok(status)
}

/// Runs a command that must succeed.
pub fn check(what: &str, command: &mut Command) -> Result<()> {
    let status = run(command)?;
    if status.success() { Ok(()) } else { bail!("{what} failed ({status})") }
}

/// Runs a short command and returns its output; `Ok(None)` if it fails.
pub fn output(command: &mut Command) -> io::Result<Option<Vec<u8>>> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    Ok(output.status.success().then_some(output.stdout))
}

/// Converts a process id for system calls.
pub(crate) fn pid(id: u32) -> Option<Pid> {
    i32::try_from(id).ok().and_then(Pid::from_raw)
}
