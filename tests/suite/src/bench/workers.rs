//! Control of measured processes, both ours and the peer's.
//!
//! Each prints `ready`, then `count N` as it progresses, and on SIGTERM `samples [[scheduled, started], …]` in µs
//! since 1970.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};

use super::role::Role;
use super::servers::Servers;
use super::times::Sample;

/// Timeout for every wait.
const WAIT_TIMEOUT: Duration = Duration::from_mins(3);

/// Processes that record job starts.
#[derive(Debug, Default)]
pub(super) struct Workers {
    processes: Vec<Process>,
}

#[derive(Debug)]
struct Process {
    child: Child,
    count: Arc<AtomicU64>,
    reader: Option<JoinHandle<anyhow::Result<Vec<Sample>>>>,
}

impl Workers {
    /// Starts `number` processes of ours in one role and waits until they are ready.
    pub(super) fn start(servers: &Servers, role: &Role, number: usize) -> anyhow::Result<Self> {
        let role = serde_json::to_string(role)?;
        Self::spawn(number, || {
            let mut command = Command::new(servers.binaries.join("flysk-bench"));
            command.args(["--role", &role]);
            command
        })
    }

    /// Starts `number` processes with this command and waits until they are ready.
    pub(super) fn spawn(number: usize, command: impl Fn() -> Command) -> anyhow::Result<Self> {
        let mut workers = Self::default();
        for _ in 0..number {
            let mut child = command().stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
            let mut lines = BufReader::new(child.stdout.take().context("stdout")?);
            let count = Arc::new(AtomicU64::new(0));
            let mut process = Process { child, count: Arc::clone(&count), reader: None };
            let mut first = String::new();
            lines.read_line(&mut first)?;
            if first.trim() == "ready" {
                process.reader = Some(std::thread::spawn(move || listen(lines, &count)));
                workers.processes.push(process);
            } else {
                process.end();
                bail!("a measured process did not start: {}", first.trim());
            }
        }
        Ok(workers)
    }

    /// Process id of the first process.
    pub(super) fn pid(&self) -> anyhow::Result<u32> {
        Ok(self.processes.first().context("no process")?.child.id())
    }

    /// Total number of recorded starts.
    pub(super) fn count(&self) -> u64 {
        self.processes.iter().map(|process| process.count.load(Ordering::Relaxed)).sum()
    }

    /// Waits until `wanted` starts are recorded.
    pub(super) async fn wait_for(&self, wanted: u32) -> anyhow::Result<()> {
        let deadline = Instant::now() + WAIT_TIMEOUT;
        while self.count() < u64::from(wanted) {
            if Instant::now() > deadline {
                bail!("{} of {wanted} jobs started in {} s", self.count(), WAIT_TIMEOUT.as_secs());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }

    /// Stops the processes and returns all recorded starts.
    pub(super) fn stop(mut self) -> anyhow::Result<Vec<Sample>> {
        for process in &self.processes {
            let _ = Command::new("kill").arg("-TERM").arg(process.child.id().to_string()).status()?;
        }
        let mut samples = Vec::new();
        for process in &mut self.processes {
            let reader = process.reader.take().context("stopped twice")?;
            samples.extend(reader.join().map_err(|_| anyhow::anyhow!("a reader panicked"))??);
        }
        Ok(samples)
    }
}

impl Process {
    fn end(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        self.processes.iter_mut().for_each(Process::end);
    }
}

/// Reads the output of a process to its end.
fn listen(lines: BufReader<ChildStdout>, count: &AtomicU64) -> anyhow::Result<Vec<Sample>> {
    for line in lines.lines() {
        let line = line?;
        match line.split_once(' ') {
            Some(("count", number)) => count.store(number.trim().parse()?, Ordering::Relaxed),
            Some(("samples", samples)) => return Ok(serde_json::from_str(samples)?),
            _ => {} // libraries may print, too
        }
    }
    bail!("a measured process ended without printing its samples")
}
