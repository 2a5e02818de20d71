//! Benchmark of `flysk-sandbox`: its start, and a year of a subscription that a vendor's test moves over HTTP.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use reqwest::Method;
use serde_json::json;

use super::servers::Servers;
use super::table::{Table, at_most, budgets};
use crate::environment::{ACCOUNT, ADMIN, SandboxProcess};

/// Starts on the ready database; the median counts.
const STARTS: usize = 5;
/// Test card that pays and can be charged.
const CARD: &str = "2200000000000004";
/// Budgets, seconds.
const MAX_BOOT_S: f64 = 2.0;
const MAX_YEAR_S: f64 = 5.0;
/// Charges of a year, after the purchase.
const CHARGES: usize = 12;

/// Runs the benchmark.
pub(super) async fn run(servers: &Servers) -> anyhow::Result<String> {
    let name = format!("sandbox_bench_{:016x}", rand::random::<u64>());
    let first = boot(servers, &["--database", &name, "--keep"])?;
    let mut ready = Vec::new();
    for _ in 0..STARTS {
        ready.push(boot(servers, &["--database", &name, "--keep"])?);
    }
    ready.sort_unstable();
    let median = *ready.get(STARTS / 2).context("there are starts")?;
    let year = measure_year(servers, &name).await?;

    let mut table = Table::new(&["`flysk-sandbox`", "seconds"]);
    for (what, took) in [
        ("start with a new database, which is migrated", first),
        ("start on a ready database (median of 5)", median),
        ("a year of one monthly subscription over HTTP, tokens renewed", year.took),
    ] {
        table.row(vec![what.to_owned(), format!("{:.2}", took.as_secs_f64())]);
    }
    let mut verdicts = budgets();
    let boot_s = median.as_secs_f64();
    verdicts.row(vec![
        "ready in < 2 s on a ready database".to_owned(),
        format!("{boot_s:.2} s"),
        at_most(boot_s, MAX_BOOT_S, "the widget is registered and installed through the product"),
    ]);
    let year_s = year.took.as_secs_f64();
    verdicts.row(vec![
        "a year of a monthly subscription in < 5 s".to_owned(),
        format!("{year_s:.2} s"),
        at_most(year_s, MAX_YEAR_S, "every stop of the clock waits for its jobs"),
    ]);
    Ok(format!(
        "{table}\nThe year has {} stops of the clock and {} jobs, and ends with one answer of {} entries.\n\n{verdicts}",
        year.stops, year.jobs, year.entries
    ))
}

/// Time from before the start to the line of JSON.
fn boot(servers: &Servers, args: &[&str]) -> anyhow::Result<Duration> {
    let sandbox = start(servers, args)?;
    let took = sandbox.booted_in;
    sandbox.stop()?;
    Ok(took)
}

fn start(servers: &Servers, args: &[&str]) -> anyhow::Result<SandboxProcess> {
    SandboxProcess::start_at(&servers.binaries, (&servers.database_url, &servers.redis_url), args)
}

struct Year {
    took: Duration,
    stops: u64,
    jobs: u64,
    entries: usize,
}

async fn measure_year(servers: &Servers, database: &str) -> anyhow::Result<Year> {
    let sandbox = start(servers, &["--database", database, "--starts-at", "2027-01-31T09:00:00Z"])?;
    sandbox.subscribe(ACCOUNT, ADMIN, CARD).await?;
    let began = Instant::now();
    let to = json!({ "to": "2028-02-01T09:00:00Z" });
    let moved = sandbox.control(Method::POST, "/clock/advance", Some(&to)).await?;
    let took = began.elapsed();
    let items = moved["items"].as_array().context("entries")?;
    let charges = items.iter().filter(|item| item["type"] == "charge" && item["outcome"] == "paid").count();
    ensure!(charges == CHARGES, "{charges} of {CHARGES} charges were paid");
    let number = |name: &str| moved[name].as_u64().unwrap_or_default();
    let year = Year { took, stops: number("stops"), jobs: number("jobs"), entries: items.len() };
    sandbox.stop()?;
    Ok(year)
}
