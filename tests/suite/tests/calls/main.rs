//! Calls from end to end: our real processes, the outside simulated over real HTTP.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what went wrong by failing"
)]

mod cancelling;
mod crashes;
mod decoding;
mod doors;
mod hook_repairs;
mod house;
mod leaving;
mod ledger_commands;
mod link_failures;
mod links;
mod listening;
mod lost_calls;
mod notes;
mod operating;
mod payments;
mod providers;
mod quotas;
mod recognitions;
mod recordings;
mod runs;
mod scratch;
mod summaries;
mod till;
mod unfinished;
mod watching;

use flysk_suite::stand::{Options, Stand};

/// The product with FlySense installed; recognition is quick.
async fn stand() -> anyhow::Result<Stand> {
    let stand = Stand::start(Options::with_fixtures(0.02)?).await?;
    stand.install().await?;
    Ok(stand)
}
