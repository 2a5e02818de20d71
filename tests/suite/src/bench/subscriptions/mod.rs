//! Benchmark of subscriptions: renewals beside a naive loop, previews beside a bare handler, the tick that finds what is
//! due among many, and years of renewals.

mod crowd;
mod naive;
mod preview;
mod renewals;
mod ticks;
mod year;

use std::time::Duration;

pub(in crate::bench) use naive::NaiveRenewals;
pub(in crate::bench) use preview::{BARE_PATH, bare_quote};

use super::servers::Servers;
use super::table::budgets;

/// Test card that pays and can be charged.
const CARD: &str = "2200000000000004";

/// Runs the benchmark; `turn` is the duration of a round of previews.
pub(super) async fn run(servers: &Servers, turn: Duration) -> anyhow::Result<String> {
    let mut verdicts = budgets();
    let renewals = renewals::run(servers, &mut verdicts).await?;
    let preview = preview::run(servers, turn, &mut verdicts).await?;
    let ticks = ticks::run(servers, &mut verdicts).await?;
    year::run(servers, &mut verdicts).await?;
    Ok(format!("{renewals}\n{preview}\n{ticks}\n{verdicts}"))
}
