//! Benchmark of `flysk-sandbox`: its start, and years of one and of many subscriptions that a vendor's test moves over HTTP.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use flysk_crypto::Keyring;
use flysk_sandbox::KEYRING;
use flysk_simulators::SimClock;
use reqwest::Method;
use serde_json::{Value, json};

use super::servers::Servers;
use super::subscriptions::Crowd;
use super::table::{Table, at_most, budgets};
use crate::environment::{ACCOUNT, ADMIN, SandboxProcess};

/// Starts on the ready database; the median counts.
const STARTS: usize = 5;
/// Test card that pays and can be charged.
const CARD: &str = "2200000000000004";
/// Budgets, seconds.
const MAX_BOOT_S: f64 = 2.0;
const MAX_YEAR_S: f64 = 5.0;
const MAX_YEARS_S: f64 = 180.0;
/// Charges of a year, after the purchase.
const CHARGES: usize = 12;
/// Subscriptions of the year of many.
const SUBSCRIPTIONS: u32 = 1_000;
/// Value of `innodb_flush_log_at_trx_commit`.
const ONCE_A_SECOND: u64 = 0;
/// Beginning and end of a year.
const STARTS_AT: &str = "2027-01-31T09:00:00Z";
const ENDS_AT: &str = "2028-02-01T09:00:00Z";

/// Runs the benchmark. The database does not wait for its disk: in the CI of a vendor it is in memory
/// (`docs/examples/sandbox-ci.yml`). It is reached over its Unix socket where there is one, as `docs/sandbox.md` advises.
pub(super) async fn run(servers: &Servers) -> anyhow::Result<String> {
    let usual = set_flushes(servers, ONCE_A_SECOND).await?;
    let measured = match servers.over_socket().await {
        Ok(Some(local)) => Box::pin(measure(&local, "its Unix socket")).await,
        Ok(None) => Box::pin(measure(servers, "TCP")).await,
        Err(error) => Err(error),
    };
    set_flushes(servers, usual).await?;
    measured
}

/// Sets when the server writes its log: 0 once a second, 1 at each commit, to the disk, 2 at each commit, to the operating system.
/// Returns the former value.
async fn set_flushes(servers: &Servers, value: u64) -> anyhow::Result<u64> {
    let pool = flysk_store::connect(&servers.database_url, 1).await?;
    let former: u64 = sqlx::query_scalar("SELECT CAST(@@innodb_flush_log_at_trx_commit AS UNSIGNED)")
        .fetch_one(&pool)
        .await?;
    let set = format!("SET GLOBAL innodb_flush_log_at_trx_commit = {value}");
    sqlx::raw_sql(sqlx::AssertSqlSafe(set)).execute(&pool).await?;
    pool.close().await;
    Ok(former)
}

/// `way`: how the database is reached.
async fn measure(servers: &Servers, way: &str) -> anyhow::Result<String> {
    let name = format!("sandbox_bench_{:016x}", rand::random::<u64>());
    let first = boot(servers, &["--database", &name, "--keep"])?;
    let mut ready = Vec::new();
    for _ in 0..STARTS {
        ready.push(boot(servers, &["--database", &name, "--keep"])?);
    }
    ready.sort_unstable();
    let median = *ready.get(STARTS / 2).context("there are starts")?;
    let many = measure_crowd(servers, &name).await?;
    let year = measure_year(servers, &name).await?;

    let mut table = Table::new(&["`flysk-sandbox`", "seconds"]);
    for (what, took) in [
        ("start with a new database, which is migrated", first),
        ("start on a ready database (median of 5)", median),
        ("a year of one monthly subscription over HTTP, tokens renewed", year.took),
        ("a year of 1,000 monthly subscriptions over HTTP, every due date a stop", many.took),
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
    let many_s = many.took.as_secs_f64();
    verdicts.row(vec![
        format!("a year of {SUBSCRIPTIONS} monthly subscriptions in < 3 min"),
        format!("{many_s:.0} s"),
        at_most(
            many_s,
            MAX_YEARS_S,
            "a renewal is about ten jobs, and its events and entries of the timeline",
        ),
    ]);
    Ok(format!(
        "{table}\nThe year of one has {} stops of the clock and {} jobs, and ends with one answer of {} entries; that of many has \
         {} stops and {} jobs. The database is reached over {way}, and writes its log once a second, not at each commit: in the \
         CI of a vendor it is in memory.\n\n{verdicts}",
        year.stops, year.jobs, year.entries, many.stops, many.jobs
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
    let sandbox = start(servers, &["--database", database, "--starts-at", STARTS_AT])?;
    sandbox.subscribe(ACCOUNT, ADMIN, CARD).await?;
    let (year, moved) = advance(&sandbox).await?;
    let items = moved["items"].as_array().context("entries")?;
    let charges = items.iter().filter(|item| item["type"] == "charge" && item["outcome"] == "paid").count();
    ensure!(charges == CHARGES, "{charges} of {CHARGES} charges were paid");
    sandbox.stop()?;
    Ok(year)
}

/// A year of many subscriptions, copied from one that was bought through the product.
async fn measure_crowd(servers: &Servers, database: &str) -> anyhow::Result<Year> {
    let sandbox = start(servers, &["--database", database, "--keep", "--starts-at", STARTS_AT])?;
    sandbox.subscribe(ACCOUNT, ADMIN, CARD).await?;
    let mut url: url::Url = servers.database_url.parse()?;
    url.set_path(database);
    let pool = flysk_store::connect(url.as_str(), 2).await?;
    let (keyring, clock) = (Keyring::parse(KEYRING)?, SimClock::frozen(STARTS_AT.parse()?));
    Crowd::of_database(&pool, &keyring, &clock).await?.add_active(SUBSCRIPTIONS - 1).await?;
    let (year, _) = advance(&sandbox).await?;
    let paid: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM subscription_invoices WHERE state = 'paid'")
        .fetch_one(&pool)
        .await?;
    let wanted = i64::from(SUBSCRIPTIONS) * (i64::try_from(CHARGES)? + 1);
    ensure!(paid == wanted, "{paid} of {wanted} invoices were paid in a year");
    pool.close().await;
    sandbox.stop()?;
    Ok(year)
}

/// Moves the clock by a year; returns the answer, too.
async fn advance(sandbox: &SandboxProcess) -> anyhow::Result<(Year, Value)> {
    let began = Instant::now();
    let to = json!({ "to": ENDS_AT });
    let moved = sandbox.control(Method::POST, "/clock/advance", Some(&to)).await?;
    let took = began.elapsed();
    let number = |name: &str| moved[name].as_u64().unwrap_or_default();
    let entries = moved["items"].as_array().map_or(0, Vec::len);
    Ok((Year { took, stops: number("stops"), jobs: number("jobs"), entries }, moved))
}
