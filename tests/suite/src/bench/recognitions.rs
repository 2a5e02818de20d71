//! 10,000 recognitions in flight on one worker: memory per recognition, and lateness of polls.

use std::time::Duration;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use flysk_domain::{Clock as _, SystemClock};
use flysk_queue::{EphemeralQueue, RedisKeys, connect_redis};

use super::jobs::{CONCURRENCY, Poll};
use super::machine::memory_kib;
use super::role::Role;
use super::servers::Servers;
use super::table::{Table, at_most, budgets};
use super::times::{Sample, Times};
use super::workers::Workers;

const IN_FLIGHT: usize = 10_000;
/// Delay of the first polls after scheduling.
const FIRST_POLL_DELAY: chrono::Duration = chrono::Duration::seconds(6);
/// Interval between two first polls: 10,000 of them are spread over the 10 s polling interval.
const FIRST_POLL_SPACING: chrono::Duration = chrono::Duration::milliseconds(1);
/// Duration of the measurement: three polls of each recognition.
const MEASURE_TIME: Duration = Duration::from_secs(30);
const PREFIX: &str = "bench-recognitions";
const MAX_MEMORY_KIB: f64 = 50.0;

/// Runs the benchmark.
pub(super) async fn run(servers: &Servers) -> anyhow::Result<String> {
    let (database_url, _pool) = servers.fresh_database().await?;
    let idle_redis = redis_memory(servers).await?;
    let start = SystemClock.now() + FIRST_POLL_DELAY;
    let role = Role::Count {
        database_url,
        redis_url: servers.redis_url.clone(),
        prefix: PREFIX.to_owned(),
        polls_from: Some(start),
    };
    let workers = Workers::start(servers, &role, 1)?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let pid = workers.pid()?;
    let idle = memory_kib(pid, "VmRSS").context("memory can be measured on Linux only")?;
    set(servers, &first_looks(start)).await?;
    let redis = redis_memory(servers).await?.saturating_sub(idle_redis);
    let until = (start - SystemClock.now()).to_std().unwrap_or_default();
    tokio::time::sleep(until + MEASURE_TIME).await;
    let peak = memory_kib(pid, "VmHWM").context("memory can be measured on Linux only")?;
    let samples = workers.stop()?;
    let late = Times::new(samples.into_iter().map(Sample::late)).context("no poll was recorded")?;
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
    put("worker, per recognition", format!("{worker:.0} bytes"));
    put("Redis, per recognition", format!("{redis:.0} bytes"));
    put("polls", late.count().to_string());
    for percent in [50, 99, 100] {
        put(&format!("lateness of polls, p{percent}"), format!("{:.1} ms", late.ms(percent)));
    }
    let together = (worker + redis) / 1024.0;
    let mut verdicts = budgets();
    verdicts.row(vec![
        "10,000 recognitions in flight on one worker, < 50 KiB each".to_owned(),
        format!("{together:.2} KiB, worker and Redis together"),
        at_most(together, MAX_MEMORY_KIB, "the worker's memory grew by more than the jobs themselves"),
    ]);
    format!(
        "{table}\n{verdicts}\nThe real queue of ephemeral jobs, {CONCURRENCY} at once, with a poll that makes no request and repeats after 10 s: 1,000 polls per second. A\n\
         recognition in flight is a row in MySQL and a timer in Redis; the worker holds nothing, its growth is buffers. Lateness is the time from\n\
         a job's scheduled time to the first line of its handler. Due jobs are moved every 50 ms.\n"
    )
}

/// Times of the first polls, spread evenly over the polling interval.
pub(super) fn first_looks(start: DateTime<Utc>) -> Vec<DateTime<Utc>> {
    let start = DateTime::from_timestamp_millis(start.timestamp_millis()).unwrap_or(start);
    std::iter::successors(Some(start), |at| Some(*at + FIRST_POLL_SPACING)).take(IN_FLIGHT).collect()
}

async fn set(servers: &Servers, polls: &[DateTime<Utc>]) -> anyhow::Result<()> {
    let ephemeral = EphemeralQueue::new(connect_redis(&servers.redis_url).await?, RedisKeys::new(PREFIX));
    let all: Vec<_> = polls.iter().enumerate().map(|(number, at)| (Poll::key(number), *at)).collect();
    for batch in all.chunks(1_000) {
        ephemeral.schedule_missing::<Poll>(batch).await?;
    }
    Ok(())
}

/// Memory used by Redis, in bytes.
async fn redis_memory(servers: &Servers) -> anyhow::Result<u64> {
    let info: String = redis::cmd("INFO").arg("memory").query_async(&mut servers.redis().await?).await?;
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory:")).context("no used_memory")?;
    Ok(used.trim().parse()?)
}
