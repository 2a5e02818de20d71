//! Exports of all calls by a worker process: time, and memory above idle.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};

use super::panel::SignedPanel;
use crate::bench::machine::memory_kib;
use crate::environment::Environment;

/// The list with the most columns among those with the most rows.
const LIST: &str = "/calls";
const FORMATS: [&str; 2] = ["csv", "xlsx"];
/// Time between readiness and the memory reading.
const IDLE_TIME: Duration = Duration::from_secs(2);
/// Interval of the memory readings.
const SAMPLE_INTERVAL: Duration = Duration::from_millis(50);
const START_TIMEOUT: Duration = Duration::from_secs(30);
const EXPORT_TIMEOUT: Duration = Duration::from_mins(30);

/// A measured export.
#[derive(Debug)]
pub(super) struct Export {
    /// Format of the file.
    pub(super) format: &'static str,
    /// Rows in the file.
    pub(super) rows: u64,
    /// Size of the file, in bytes.
    pub(super) bytes: u64,
    /// Time from the request until the file is stored.
    pub(super) took: Duration,
    /// Memory of the worker before the export, and the most during it, in KiB.
    pub(super) memory_kib: (u64, u64),
}

/// Exports all calls in each format, one after the other.
pub(super) async fn run(env: &mut Environment, panel: &SignedPanel) -> anyhow::Result<Vec<Export>> {
    let worker = env.spawn("flysk-worker", &["run"], "export-worker")?;
    wait_until_ready(&env.scratch().join("export-worker.log")).await?;
    let mut exports = Vec::new();
    for format in FORMATS {
        tokio::time::sleep(IDLE_TIME).await;
        exports.push(measure(env, panel, env.pid(worker)?, format).await.with_context(|| format.to_owned())?);
    }
    env.terminate(worker)?;
    Ok(exports)
}

async fn measure(
    env: &Environment,
    panel: &SignedPanel,
    worker: u32,
    format: &'static str,
) -> anyhow::Result<Export> {
    let memory = || memory_kib(worker, "VmRSS").context("the worker has ended, or this is not Linux");
    let idle = memory()?;
    let began = Instant::now();
    let id = panel.export(LIST, format).await?;
    let mut most = idle;
    loop {
        most = most.max(memory()?);
        let (state, rows, bytes): (String, u64, Option<u64>) =
            sqlx::query_as("SELECT state, rows_written, file_bytes FROM list_exports WHERE id = ?")
                .bind(&id)
                .fetch_one(&env.pool)
                .await?;
        if state != "writing" {
            ensure!(state == "ready", "the export is {state}\n{}", env.logs());
            let (bytes, took) = (bytes.unwrap_or_default(), began.elapsed());
            return Ok(Export { format, rows, bytes, took, memory_kib: (idle, most) });
        }
        ensure!(began.elapsed() < EXPORT_TIMEOUT, "the export has written {rows} rows\n{}", env.logs());
        tokio::time::sleep(SAMPLE_INTERVAL).await;
    }
}

async fn wait_until_ready(log: &Path) -> anyhow::Result<()> {
    let began = Instant::now();
    while !std::fs::read_to_string(log)?.lines().any(|line| line.contains("ready")) {
        ensure!(began.elapsed() < START_TIMEOUT, "not ready: {}", std::fs::read_to_string(log)?);
        tokio::time::sleep(SAMPLE_INTERVAL).await;
    }
    Ok(())
}
