//! A peer that is a package of npm: its script, and the processes that run it.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::{CONCURRENCY, Pace};
use crate::bench::times::{Sample, Times, rate};
use crate::bench::workers::Workers;

/// A package of npm.
pub(super) struct Package {
    pub(super) name: &'static str,
    /// Version, or the first numbers of it.
    pub(super) version: &'static str,
}

/// An installed peer and the server that it uses.
pub(super) struct NodePeer {
    script: PathBuf,
    url: String,
}

impl NodePeer {
    /// Installs the packages below `target/bench/<name>` if necessary, with the script next to them, where Node.js resolves
    /// imports.
    pub(super) fn install(name: &str, script: &str, packages: &[Package], url: &str) -> anyhow::Result<Self> {
        let folder = xtask::workspace::target().join("bench").join(name);
        std::fs::create_dir_all(&folder)?;
        let path = folder.join(format!("{name}.mjs"));
        std::fs::write(&path, script)?;
        let is_installed = packages.iter().all(|package| {
            let about = folder.join("node_modules").join(package.name).join("package.json");
            std::fs::read_to_string(about)
                .is_ok_and(|about| about.contains(&format!("\"version\": \"{}", package.version)))
        });
        if !is_installed {
            let names = packages.iter().map(|package| format!("{}@{}", package.name, package.version));
            let output = Command::new("npm")
                .args(["install", "--no-audit", "--no-fund", "--prefix", "."])
                .args(names)
                .current_dir(&folder)
                .output()
                .context("npm is not installed")?;
            if !output.status.success() {
                bail!("`npm install` failed: {}", String::from_utf8_lossy(&output.stderr).trim());
            }
        }
        Ok(Self { script: path, url: url.to_owned() })
    }

    /// Latency from enqueue to start at a pace, with one worker process.
    pub(super) async fn latency(&self, queue: &str, pace: Pace) -> anyhow::Result<Times> {
        let workers = self.workers(queue, 1, &[])?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        self.produce("rate", queue, &[pace.jobs, pace.per_second]).await?;
        workers.wait_for(pace.jobs).await?;
        Times::new(workers.stop()?.into_iter().map(Sample::late)).context("no job started")
    }

    /// Starts per second with a backlog. `options` are further numbers for the worker processes.
    pub(super) async fn throughput(
        &self,
        queue: &str,
        backlog: u32,
        processes: usize,
        options: &[u32],
    ) -> anyhow::Result<f64> {
        self.produce("fill", queue, &[backlog]).await?;
        let workers = self.workers(queue, processes, options)?;
        workers.wait_for(backlog).await?;
        rate(&workers.stop()?).context("too few jobs started")
    }

    fn workers(&self, queue: &str, processes: usize, options: &[u32]) -> anyhow::Result<Workers> {
        let concurrency = u32::try_from(CONCURRENCY).unwrap_or(u32::MAX);
        let numbers = [&[concurrency][..], options].concat();
        Workers::spawn(processes, || self.command("work", queue, &numbers))
    }

    async fn produce(&self, what: &str, queue: &str, numbers: &[u32]) -> anyhow::Result<()> {
        let mut command = self.command(what, queue, numbers);
        let status =
            tokio::task::spawn_blocking(move || command.status()).await?.context("cannot start node")?;
        if status.success() { Ok(()) } else { bail!("`{} {what}` failed: {status}", self.script.display()) }
    }

    fn command(&self, what: &str, queue: &str, numbers: &[u32]) -> Command {
        let mut command = Command::new("node");
        command.arg(&self.script).args([what, &self.url, queue]).args(numbers.iter().map(u32::to_string));
        command
    }
}
