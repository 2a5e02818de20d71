//! End-to-end tests of calls: real Flysk processes, outside services simulated over HTTP.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a failing test panics with the reason")]

mod authentication;
mod cancelling;
mod card_data;
mod charging;
mod cleanup;
mod cluster;
mod crashes;
mod decoding;
mod failovers;
mod growth;
mod harness;
mod hook_repairs;
mod ledger_commands;
mod link_failures;
mod links;
mod listening;
mod lost_calls;
mod notes;
mod observability;
mod operating;
mod payments;
mod playback;
mod providers;
mod quotas;
mod recognitions;
mod recordings;
mod records;
mod runs;
mod scratch;
mod summaries;
mod sweeping;
mod unfinished;
mod unpaid;

use flysk_suite::environment::{Environment, Options};

/// The product with FlySense installed, and fast recognition.
async fn start_env() -> anyhow::Result<Environment> {
    let env = Environment::start(Options::with_fixtures(0.02)?).await?;
    env.install().await?;
    Ok(env)
}
