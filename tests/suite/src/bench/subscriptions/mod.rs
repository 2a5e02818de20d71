//! Benchmark of subscriptions: renewals beside a naive loop, previews beside a bare handler, the tick that finds what is
//! due among many, and years of renewals.

mod crowd;
mod naive;
mod preview;
mod renewals;
mod ticks;
mod year;

use std::time::Duration;

pub(in crate::bench) use crowd::Crowd;

use super::servers::Servers;
use super::table::budgets;

/// Test card that pays and can be charged.
const CARD: &str = "2200000000000004";

/// Runs the benchmark; `load_time` is the duration of a round of previews.
pub(super) async fn run(servers: &Servers, load_time: Duration) -> anyhow::Result<String> {
    let mut verdicts = budgets();
    let renewals = or_reason(renewals::run(servers, &mut verdicts).await);
    let preview = or_reason(preview::run(servers, load_time, &mut verdicts).await);
    let ticks = or_reason(ticks::run(servers, &mut verdicts).await);
    let years = or_reason(year::run(servers, &mut verdicts).await.map(|()| String::new()));
    Ok(format!("{renewals}\n{preview}\n{ticks}\n{years}\n{verdicts}"))
}

/// The text of a row, or why it was not measured: the others take long, and are not lost with it.
fn or_reason(measured: anyhow::Result<String>) -> String {
    measured.unwrap_or_else(|error| format!("**Not run**: {error:#}.\n"))
}
