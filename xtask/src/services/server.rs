//! One server process of ours: started, recognised later, stopped.

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

/// A server that has not answered by then will not (a cold disk makes MySQL slow to create its files).
const READY_WITHIN: Duration = Duration::from_secs(90);
/// How long a server may take to write down what it holds; then it is killed.
const STOP_WITHIN: Duration = Duration::from_secs(30);
const TICK: Duration = Duration::from_millis(20);
/// Ports can be snatched between picking and binding.
const TRIES: usize = 3;

/// A running server of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// Its process.
    pub pid: u32,
    /// Its port on 127.0.0.1.
    pub port: u16,
    /// Its directory: data, log, and the process's working directory.
    pub dir: PathBuf,
}

/// How one kind of server is started and asked whether it is ready.
pub(super) struct Recipe<'a> {
    /// For messages.
    pub(super) name: &'a str,
    /// Its log file, shown when it does not start.
    pub(super) log: &'a Path,
    /// The command for a port.
    pub(super) command: &'a dyn Fn(u16) -> Command,
    /// Whether it takes connections.
    pub(super) ready: &'a dyn Fn(u16) -> bool,
}

impl Server {
    pub(super) fn start(recipe: &Recipe<'_>, dir: &Path, last_port: Option<u16>) -> Result<Self> {
        fs::create_dir_all(dir).with_context(|| format!("cannot create {}", dir.display()))?;
        let dir = dir.canonicalize().with_context(|| format!("cannot resolve {}", dir.display()))?;
        let mut last_port = last_port;
        for _ in 1..TRIES {
            let port = port::pick(last_port.take())?;
            match Self::try_start(recipe, &dir, port) {
                Err(error) if port::is_free(port) => return Err(error),
                Err(_) => {} // somebody else took the port
                Ok(server) => return Ok(server),
            }
        }
        Self::try_start(recipe, &dir, port::pick(None)?)
    }

    fn try_start(recipe: &Recipe<'_>, dir: &Path, port: u16) -> Result<Self> {
        process::go_on()?;
        let log = File::options().create(true).append(true).open(recipe.log);
        let log = log.with_context(|| format!("cannot write {}", recipe.log.display()))?;
        let mut command = (recipe.command)(port);
        command
            .current_dir(dir)
            .process_group(0) // Ctrl-C in the terminal is for us; we stop servers in order
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("cannot share a log file")?)
            .stderr(log);
        let mut child = command.spawn().with_context(|| format!("cannot start {}", recipe.name))?;
        let server = Self { pid: child.id(), port, dir: dir.to_owned() };
        if let Err(error) = wait_until_ready(recipe, &mut child, port) {
            server.kill();
            return Err(error);
        }
        Ok(server)
    }

    /// Whether this very process still runs; another one that got its number does not count.
    pub fn is_alive(&self) -> bool {
        let Some(pid) = process::pid(self.pid) else { return false };
        // Of a child the system tells for sure; one with many threads holds its port and locks for a while
        // after its first thread is gone.
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

    /// Asks it to stop and waits; kills it when it does not.
    pub fn stop(&self) {
        self.signal(Signal::TERM);
        let deadline = Instant::now() + STOP_WITHIN;
        while self.is_alive() && Instant::now() < deadline {
            thread::sleep(TICK);
        }
        self.kill();
    }

    /// Kills it, as a crash would, and waits until it is gone.
    pub fn kill(&self) {
        self.signal(Signal::KILL);
        while self.is_alive() {
            thread::sleep(TICK);
        }
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = process::pid(self.pid).filter(|_| self.is_alive()) {
            let _gone = kill_process(pid, signal);
        }
    }
}

fn wait_until_ready(recipe: &Recipe<'_>, child: &mut Child, port: u16) -> Result<()> {
    let name = recipe.name;
    let deadline = Instant::now() + READY_WITHIN;
    loop {
        if let Some(status) = child.try_wait().with_context(|| format!("cannot wait for {name}"))? {
            bail!("{name} ended at its start ({status}):\n{}", tail(recipe.log));
        }
        if (recipe.ready)(port) {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("{name} did not get ready in {} s:\n{}", READY_WITHIN.as_secs(), tail(recipe.log));
        }
        process::go_on()?;
        thread::sleep(TICK);
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
