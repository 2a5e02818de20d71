//! A relay's look for due jobs, and the counting of queues for the metrics.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::{Clock as _, SystemClock};
use flysk_jobs::queues;
use flysk_queue::DueSelector;
use flysk_store::Pool;
use flysk_store::jobs::{self, JobState};

use super::bench_env::BenchEnv;
use super::{Pair, alternate};
use crate::bench::times::Times;

/// Jobs of each queue that a look asks for, as a relay does.
const SELECTED_PER_QUEUE: usize = 500;
const ROUNDS: u32 = 6;
const PER_ROUND: u32 = 30;
/// Jobs of a slice of a count, as in a worker.
const COUNTED_PER_SLICE: u32 = 50_000;
/// Slices.
const QUEUE_COUNTS: usize = 10;

/// Looks with nothing due, on both databases.
pub(super) async fn without_waiting(empty: &BenchEnv, full: &BenchEnv) -> anyhow::Result<Pair> {
    let pools = [&empty.env.pool, &full.env.pool];
    let mut selectors = [DueSelector::default(), DueSelector::default()];
    let looked = alternate(ROUNDS, PER_ROUND, async |side, _| {
        look(pools[side], &mut selectors[side], SystemClock.now()).await
    });
    let [empty, full] = looked.await.context("looks of the relay")?;
    Ok(Pair { name: "look of a relay, nothing due".to_owned(), empty, full })
}

/// Looks at a time when all waiting jobs are due.
pub(super) async fn with_waiting(full: &BenchEnv) -> anyhow::Result<Times> {
    let then = SystemClock.now() + TimeDelta::days(2);
    let mut selector = DueSelector::default();
    let mut taken = Vec::new();
    for number in 0..(ROUNDS + 1) * PER_ROUND {
        let took = look(&full.env.pool, &mut selector, then).await?;
        if number >= PER_ROUND {
            taken.push(took);
        }
    }
    Times::new(taken).context("no look was measured")
}

async fn look(pool: &Pool, selector: &mut DueSelector, now: DateTime<Utc>) -> anyhow::Result<Duration> {
    let wanted: Vec<(&str, usize)> =
        queues::ALL.iter().map(|queue| (queue.as_str(), SELECTED_PER_QUEUE)).collect();
    let mut conn = pool.acquire().await?;
    let began = Instant::now();
    selector.select(&mut conn, &wanted, now).await?;
    Ok(began.elapsed())
}

/// Times of counting a slice of the queues, as a worker does every ten seconds.
pub(super) async fn counting(full: &BenchEnv) -> anyhow::Result<Times> {
    let mut conn = full.env.pool.acquire().await?;
    let mut taken = Vec::new();
    for _ in 0..QUEUE_COUNTS {
        let began = Instant::now();
        let (from, now) = (DateTime::UNIX_EPOCH, SystemClock.now());
        jobs::count_slice(&mut conn, JobState::Queued, from, COUNTED_PER_SLICE, now).await?;
        taken.push(began.elapsed());
    }
    Times::new(taken).context("nothing was counted")
}
