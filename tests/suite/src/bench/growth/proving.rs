//! `ledger:verify`: the first time, of what is new, and of the whole ledger.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::bench_env::BenchEnv;
use crate::bench::child::measure as run_measured;

/// Charges between the first verification and the next one.
const NEW_CHARGES: u32 = 200;

/// A run of the command.
#[derive(Debug)]
pub(super) struct Verified {
    /// Time of the process.
    pub(super) took: Duration,
    /// Most memory of the process, in KiB.
    pub(super) peak_kib: u64,
    /// Number of entries that were checked.
    pub(super) entries: u64,
}

/// Runs of the command on one database.
#[derive(Debug)]
pub(super) struct Proving {
    /// The first one, which proves all entries but the youngest.
    pub(super) first: Verified,
    pub(super) next: Verified,
    /// With `--all`.
    pub(super) all: Verified,
}

/// Runs the command on both databases.
pub(super) async fn measure(empty: &BenchEnv, full: &BenchEnv) -> anyhow::Result<[Proving; 2]> {
    let empty = prove(empty).await.context("of the empty ledger")?;
    Ok([empty, prove(full).await.context("of the full ledger")?])
}

/// Runs the command three times. A mismatch is an error.
async fn prove(bench: &BenchEnv) -> anyhow::Result<Proving> {
    let first = verify(bench, &[])?;
    for number in 0..NEW_CHARGES {
        bench.charge(&format!("proof-{number}")).await?;
    }
    Ok(Proving { first, next: verify(bench, &[])?, all: verify(bench, &["--all"])? })
}

fn verify(bench: &BenchEnv, options: &[&str]) -> anyhow::Result<Verified> {
    let mut command = Command::new(bench.env.binaries().join("flysk-worker"));
    command.arg("ledger:verify").args(options).envs(bench.env.variables());
    let began = Instant::now();
    let cost = run_measured(&mut command)?;
    let took = began.elapsed();
    let entries = cost.stdout.lines().find_map(|line| line.split_once(" entries in ")?.0.parse().ok());
    Ok(Verified { took, peak_kib: cost.peak_kib, entries: entries.context("the command names no entries")? })
}
