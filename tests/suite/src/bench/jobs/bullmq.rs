//! The peer: BullMQ on the same Redis, with empty jobs like ours.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::workers::Workers;
use super::{BUSY_PACE, CONCURRENCY, IDLE_PACE, Pace, REDIS_BACKLOG};
use crate::bench::servers::Servers;
use crate::bench::times::{Sample, Times, rate};

/// Version of BullMQ.
const RELEASE: &str = "6.7.0";
/// Redis client, the one most used with BullMQ.
const CLIENT: &str = "ioredis@5";
/// Node.js script of the peer. It is copied next to the installed package, where Node.js resolves imports.
const SCRIPT: &str = include_str!("../../../bench/bullmq.mjs");

/// Results of the peer.
pub(super) struct Peer {
    /// Name and version.
    pub(super) version: String,
    /// Latency from enqueue to start, idle.
    pub(super) idle: Times,
    /// Latency from enqueue to start, under load.
    pub(super) busy: Times,
    /// Starts per second with 1 and 4 processes.
    pub(super) throughput: [f64; 2],
}

/// Installs BullMQ if necessary and measures it.
pub(super) async fn run(servers: &Servers) -> anyhow::Result<Peer> {
    let script = Script { path: install()?, redis_url: servers.redis_url.clone() };
    Ok(Peer {
        version: format!("BullMQ {RELEASE}"),
        idle: script.latency("bench-idle", IDLE_PACE).await?,
        busy: script.latency("bench-busy", BUSY_PACE).await?,
        throughput: [script.throughput("bench-1", 1).await?, script.throughput("bench-4", 4).await?],
    })
}

/// Path of the script, with BullMQ installed next to it under `target/bench/bullmq`.
fn install() -> anyhow::Result<PathBuf> {
    let folder = xtask::workspace::target().join("bench").join("bullmq");
    std::fs::create_dir_all(&folder)?;
    let script = folder.join("bullmq.mjs");
    std::fs::write(&script, SCRIPT)?;
    let installed =
        std::fs::read_to_string(folder.join("node_modules/bullmq/package.json")).unwrap_or_default();
    if !folder.join("node_modules/ioredis").is_dir()
        || !installed.contains(&format!("\"version\": \"{RELEASE}\""))
    {
        let output = Command::new("npm")
            .args([
                "install",
                "--no-audit",
                "--no-fund",
                "--prefix",
                ".",
                &format!("bullmq@{RELEASE}"),
                CLIENT,
            ])
            .current_dir(&folder)
            .output()
            .context("npm is not installed")?;
        if !output.status.success() {
            bail!("`npm install bullmq` failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
    }
    Ok(script)
}

struct Script {
    path: PathBuf,
    redis_url: String,
}

impl Script {
    async fn latency(&self, queue: &str, pace: Pace) -> anyhow::Result<Times> {
        let workers = self.workers(queue, 1)?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        self.produce("rate", queue, &[pace.jobs, pace.per_second]).await?;
        workers.wait_for(pace.jobs).await?;
        Times::new(workers.stop()?.into_iter().map(Sample::late)).context("no job started")
    }

    async fn throughput(&self, queue: &str, processes: usize) -> anyhow::Result<f64> {
        self.produce("fill", queue, &[REDIS_BACKLOG]).await?;
        let workers = self.workers(queue, processes)?;
        workers.wait_for(REDIS_BACKLOG).await?;
        rate(&workers.stop()?).context("too few jobs started")
    }

    fn workers(&self, queue: &str, processes: usize) -> anyhow::Result<Workers> {
        Workers::spawn(processes, || {
            self.command("work", queue, &[u32::try_from(CONCURRENCY).unwrap_or(u32::MAX)])
        })
    }

    async fn produce(&self, what: &str, queue: &str, numbers: &[u32]) -> anyhow::Result<()> {
        let mut command = self.command(what, queue, numbers);
        let status =
            tokio::task::spawn_blocking(move || command.status()).await?.context("cannot start node")?;
        if status.success() { Ok(()) } else { bail!("`bullmq.mjs {what}` failed: {status}") }
    }

    fn command(&self, what: &str, queue: &str, numbers: &[u32]) -> Command {
        let mut command = Command::new("node");
        command.arg(&self.path).args([what, &self.redis_url, queue]).args(numbers.iter().map(u32::to_string));
        command
    }
}
