//! Ten thousand recognitions in flight on one worker: what each costs in memory, and how late it is looked at.

use std::time::Duration;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use flysk_domain::{Clock as _, SystemClock};
use flysk_jobs::{Keys, Ticks, connect_redis};

use super::jobs::role::Role;
use super::jobs::workers::Workers;
use super::jobs::{CONCURRENCY, Poll};
use super::machine::memory_kib;
use super::servers::Servers;
use super::table::{Table, at_most, budgets};
use super::times::{Sample, Times};

const IN_FLIGHT: usize = 10_000;
/// How long the first looks are away when they are set.
const LEAD: chrono::Duration = chrono::Duration::seconds(6);
/// Between two first looks: 10,000 of them take the 10 s after which each comes again.
const APART: chrono::Duration = chrono::Duration::milliseconds(1);
/// How long is measured: three looks at each.
const WATCH: Duration = Duration::from_secs(30);
const PREFIX: &str = "bench-recognitions";
const BUDGET_KIB: f64 = 50.0;

/// Runs the part.
pub(super) async fn run(servers: &Servers) -> anyhow::Result<String> {
    let (database_url, _pool) = servers.fresh_database().await?;
    let idle_redis = redis_memory(servers).await?;
    let start = SystemClock.now() + LEAD;
    let role = Role::Count {
        database_url,
        redis_url: servers.redis_url.clone(),
        prefix: PREFIX.to_owned(),
        polls_from: Some(start),
    };
    let workers = Workers::start(servers, &role, 1)?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let pid = workers.pid()?;
    let idle = memory_kib(pid, "VmRSS").context("memory is known on Linux only")?;
    set(servers, &first_looks(start)).await?;
    let redis = redis_memory(servers).await?.saturating_sub(idle_redis);
    let until = (start - SystemClock.now()).to_std().unwrap_or_default();
    tokio::time::sleep(until + WATCH).await;
    let peak = memory_kib(pid, "VmHWM").context("memory is known on Linux only")?;
    let samples = workers.stop()?;
    let late = Times::new(samples.into_iter().map(Sample::late)).context("nothing was looked at")?;
    Ok(report(idle, peak, redis, &late))
}

fn report(idle_kib: u64, peak_kib: u64, redis_bytes: u64, late: &Times) -> String {
    let each = |bytes: u64| f64::from(u32::try_from(bytes).unwrap_or(u32::MAX)) / 10_000.0;
    let worker = each(peak_kib.saturating_sub(idle_kib) * 1024);
    let redis = each(redis_bytes);
    let mut table = Table::new(&["10,000 in flight", "measured"]);
    let mut put = |name: &str, value: String| table.row(vec![name.to_owned(), value]);
    put("the worker's memory, idle", format!("{idle_kib} KiB"));
    put("the worker's memory, at its peak", format!("{peak_kib} KiB"));
    put("worker, each", format!("{worker:.0} bytes"));
    put("Redis, each", format!("{redis:.0} bytes"));
    put("looks", late.count().to_string());
    for percent in [50, 99, 100] {
        put(&format!("lateness of looks, p{percent}"), format!("{:.1} ms", late.ms(percent)));
    }
    let together = (worker + redis) / 1024.0;
    let mut verdicts = budgets();
    verdicts.row(vec![
        "10,000 recognitions in flight on one worker, < 50 KiB each".to_owned(),
        format!("{together:.2} KiB, worker and Redis together"),
        at_most(together, BUDGET_KIB, "the growth of the worker's memory is more than the ticks themselves"),
    ]);
    format!(
        "{table}\n{verdicts}\nThe real lane of ticks, {CONCURRENCY} at once, around a look that asks nobody and comes again after 10 s: 1,000 looks a second. A\n\
         recognition in flight is a row of MySQL and a tick in Redis, nothing in the worker, whose growth is that of buffers. Lateness is\n\
         from the time a tick was set to until its handler's first line; due ticks are moved every 50 ms.\n"
    )
}

/// Evenly over the time after which each comes again.
pub(super) fn first_looks(start: DateTime<Utc>) -> Vec<DateTime<Utc>> {
    let start = DateTime::from_timestamp_millis(start.timestamp_millis()).unwrap_or(start);
    std::iter::successors(Some(start), |at| Some(*at + APART)).take(IN_FLIGHT).collect()
}

async fn set(servers: &Servers, polls: &[DateTime<Utc>]) -> anyhow::Result<()> {
    let ticks = Ticks::new(connect_redis(&servers.redis_url).await?, Keys::new(PREFIX));
    let all: Vec<_> = polls.iter().enumerate().map(|(number, at)| (Poll::key(number), *at)).collect();
    for batch in all.chunks(1_000) {
        ticks.set_missing::<Poll>(batch).await?;
    }
    Ok(())
}

/// What Redis holds, in bytes.
async fn redis_memory(servers: &Servers) -> anyhow::Result<u64> {
    let info: String = redis::cmd("INFO").arg("memory").query_async(&mut servers.redis().await?).await?;
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory:")).context("no used_memory")?;
    Ok(used.trim().parse()?)
}
