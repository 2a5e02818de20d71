//! Child processes in groups of their own, told to stop when we are.

use std::io;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// How often a child is looked at.
const TICK: Duration = Duration::from_millis(30);

/// How often somebody asked us to stop.
static ASKED: AtomicUsize = AtomicUsize::new(0);

/// From now on SIGINT, SIGTERM and SIGHUP do not end this process but are noted, so that what it started
/// is stopped in order. Call once, first.
pub fn note_signals() -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot listen for signals")?;
    thread::spawn(move || {
        for _ in signals.forever() {
            ASKED.fetch_add(1, Ordering::SeqCst);
        }
    });
    Ok(())
}

/// Whether we have been asked to stop.
pub fn asked_to_stop() -> bool {
    ASKED.load(Ordering::SeqCst) > 0
}

/// Fails when we have been asked to stop: for the places between two steps.
pub fn go_on() -> Result<()> {
    if asked_to_stop() {
        bail!("stopped on request");
    }
    Ok(())
}

/// A child and everything it starts.
#[derive(Debug)]
pub struct Group {
    child: Child,
}

impl Group {
    /// Starts a command in a group of its own, with nothing to read.
    pub fn spawn(command: &mut Command) -> Result<Self> {
        go_on()?;
        let name = command.get_program().display().to_string();
        let child = command.process_group(0).stdin(Stdio::null()).spawn();
        Ok(Self { child: child.with_context(|| format!("cannot start {name}"))? })
    }

    /// The child, for its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Its end, if it has ended.
    pub fn try_wait(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().context("cannot wait for a child")
    }

    /// Waits for the end. Asked to stop, it is told so; asked twice, it is killed.
    pub fn wait(&mut self) -> Result<ExitStatus> {
        let mut told = 0;
        loop {
            if let Some(status) = self.try_wait()? {
                // Whatever the child left behind in its group goes with it.
                self.signal(Signal::KILL);
                return Ok(status);
            }
            let asked = ASKED.load(Ordering::SeqCst);
            if asked > told {
                self.signal(if asked > 1 { Signal::KILL } else { Signal::INT });
                told = asked;
            }
            thread::sleep(TICK);
        }
    }

    /// Tells it to stop, and kills it when it is still there after the grace time.
    pub fn stop(&mut self, grace: Duration) -> Result<()> {
        self.signal(Signal::TERM);
        let deadline = Instant::now() + grace;
        while self.try_wait()?.is_none() {
            if Instant::now() > deadline {
                self.signal(Signal::KILL);
            }
            thread::sleep(TICK);
        }
        self.signal(Signal::KILL);
        Ok(())
    }

    /// Nobody is left to hear it when this fails, which is fine.
    fn signal(&self, signal: Signal) {
        if let Some(group) = pid(self.child.id()) {
            let _gone = kill_process_group(group, signal);
        }
    }
}

/// Runs a command to its end; `Err` when it could not be started or we were asked to stop.
pub fn run(command: &mut Command) -> Result<ExitStatus> {
    let status = Group::spawn(command)?.wait()?;
    go_on()?;
    Ok(status)
}

/// Runs a command that must succeed.
pub fn check(what: &str, command: &mut Command) -> Result<()> {
    let status = run(command)?;
    if status.success() { Ok(()) } else { bail!("{what} failed ({status})") }
}

/// Runs a short command for its output; `Ok(None)` when it ends badly.
pub fn output(command: &mut Command) -> io::Result<Option<Vec<u8>>> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::inherit()).output()?;
    Ok(output.status.success().then_some(output.stdout))
}

/// A process id as the system's calls take it.
pub(crate) fn pid(id: u32) -> Option<Pid> {
    i32::try_from(id).ok().and_then(Pid::from_raw)
}
