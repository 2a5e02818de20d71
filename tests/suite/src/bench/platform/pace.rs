//! Load at a steady rate, independent of the responses (open loop).

use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;

use crate::bench::times::Times;

/// Calls `ask` `per_second` times a second during `time`. Latency is measured from the scheduled send time, so
/// that delayed requests count with their delay.
pub(in crate::bench) async fn steadily<F>(
    per_second: u32,
    time: Duration,
    ask: impl Fn(u32) -> F,
) -> anyhow::Result<Times>
where
    F: Future<Output = anyhow::Result<()>> + Send + 'static,
{
    let apart = Duration::from_secs(1) / per_second.max(1);
    let number = u32::try_from(time.as_millis() * u128::from(per_second) / 1_000)?;
    let mut every = tokio::time::interval(apart);
    every.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut asking = JoinSet::new();
    let first = Instant::now();
    for n in 0..number {
        every.tick().await;
        let (due, asked) = (first + apart * n, ask(n));
        asking.spawn(async move { asked.await.map(|()| due.elapsed()) });
    }
    let mut times = Vec::new();
    while let Some(asked) = asking.join_next().await {
        times.push(asked??);
    }
    Times::new(times).context("no request was sent")
}
