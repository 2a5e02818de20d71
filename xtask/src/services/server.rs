//! A private server process: starts it, recognizes it in later runs, stops it.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Signal, WaitOptions, kill_process, test_kill_process, waitpid};
use serde::{Deserialize, Serialize};

use super::port;
use crate::process;

/// Timeout of a start. Long, because MySQL creates its files slowly on a cold disk.
const READY_TIMEOUT: Duration = Duration::from_mins(5);
/// Timeout of a stop, in which the server flushes its data; then it is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
const POLL_INTERVAL: Duration = Duration::from_millis(20);
/// Maximum attempts, because another process may bind the port between picking and binding.
const MAX_START_ATTEMPTS: usize = 3;

/// A running private server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// Process id.
    pub pid: u32,
    /// Port on 127.0.0.1.
    pub port: u16,
    /// Directory of data and log, and the process's working directory.
    pub dir: PathBuf,
}

/// How to start one kind of server and to check its readiness.
pub(super) struct ServerSpec<'a> {
    /// Name for messages.
    pub(super) name: &'a str,
    /// Log file, shown if the start fails.
    pub(super) log: &'a Path,
    /// Builds the command for a port.
    pub(super) command: &'a dyn Fn(u16) -> Command,
    /// Whether the server accepts connections on a port.
    pub(super) ready: &'a dyn Fn(u16) -> bool,
}

impl Server {
    pub(super) fn start(spec: &ServerSpec<'_>, dir: &Path, last_port: Option<u16>) -> Result<Self> {
        fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
        let dir = dir.canonicalize().with_context(|| format!("cannot resolve {}", dir.display()))?;
        let mut last_port = last_port;
        for _ in 1..MAX_START_ATTEMPTS {
            let port = port::pick(last_port.take())?;
            match Self::try_start(spec, &dir, port) {
                Err(error) if port::is_free(port) => return Err(error),
                Err(_) => {} // another process took the port
                Ok(server) => return Ok(server),
            }
        }
        Self::try_start(spec, &dir, port::pick(None)?)
    }

    fn try_start(spec: &ServerSpec<'_>, dir: &Path, port: u16) -> Result<Self> {
        process::ensure_not_stopped()?;
        let log = File::options().create(true).append(true).open(spec.log);
        let log = log.with_context(|| format!("cannot write {}", spec.log.display()))?;
        let mut command = (spec.command)(port);
        command
            .current_dir(dir)
            .process_group(0) // Ctrl-C in the terminal is for us; we stop servers in order
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("cannot share a log file")?)
            .stderr(log);
        let mut child = command.spawn().with_context(|| format!("cannot start {}", spec.name))?;
        let server = Self { pid: child.id(), port, dir: dir.to_owned() };
        if let Err(error) = wait_until_ready(spec, &mut child, port) {
            server.kill();
            return Err(error);
        }
        Ok(server)
    }

    /// Whether this process still runs; another process with the same id does not count.
    pub fn is_alive(&self) -> bool {
        let Some(pid) = process::pid(self.pid) else { return false };
        // For a child process `waitpid` is reliable. A process with many threads keeps its port and locks for a while
        // after its main thread has ended.
        match waitpid(Some(pid), WaitOptions::NOHANG) {
            Ok(Some(_)) => return false,
            Ok(None) => return true,
            Err(_not_ours) => {}
        }
        match fs::read_link(format!("/proc/{}/cwd", self.pid)) {
            Ok(cwd) => cwd.starts_with(&self.dir),
            Err(_) if Path::new("/proc/self").exists() => false,
            Err(_) => test_kill_process(pid).is_ok(), // a system without /proc
        }
    }

    /// Requests a stop and waits; kills the server after the timeout.
    pub fn stop(&self) {
        self.signal(Signal::TERM);
        let deadline = Instant::now() + STOP_TIMEOUT;
        while self.is_alive() && Instant::now() < deadline {
            thread::sleep(POLL_INTERVAL);
        }
        self.kill();
    }

    /// Kills the server, like a crash, and waits for its end.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
        while self.is_alive() {
            thread::sleep(POLL_INTERVAL);
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = process::pid(self.pid).filter(|_| self.is_alive()) {
            let _gone = kill_process(pid, signal);
        }
    }
}

fn wait_until_ready(spec: &ServerSpec<'_>, child: &mut Child, port: u16) -> Result<()> {
    let name = spec.name;
    let deadline = Instant::now() + READY_TIMEOUT;
    loop {
        if let Some(status) = child.try_wait().with_context(|| format!("cannot wait for {name}"))? {
            bail!("{name} ended at its start ({status}):\n{}", tail(spec.log));
        }
        if (spec.ready)(port) {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("{name} was not ready after {} s:\n{}", READY_TIMEOUT.as_secs(), tail(spec.log));
        }
        process::ensure_not_stopped()?;
        thread::sleep(POLL_INTERVAL);
    }
}

/// The last lines of a log.
pub(super) fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let last: Vec<String> =
        lines[lines.len().saturating_sub(15)..].iter().map(|line| format!("    {line}")).collect();
    last.join("\n")
}
