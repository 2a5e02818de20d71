//! The platform's HTTP API and its events: handshake and `PAuth` beside a bare handler, amoCRM's hook, deliveries to
//! vendors' backends, and processes that idle.

pub(super) mod bare;
mod doors;
mod events;
mod hooks;
mod idle;
mod pace;
mod sink;
mod wrk;

use std::time::Duration;

use anyhow::Context as _;

use super::servers::Servers;
use super::table::budgets;
use crate::stand::{Options, RECORDINGS, Stand, USUAL_BONUS};
use sink::Sink;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    /// Of each turn.
    pub(super) turn: Duration,
    /// After which the memory of `web` is looked at.
    pub(super) handshakes: u64,
}

/// Runs the part.
pub(super) async fn run(servers: &Servers, extent: Extent) -> anyhow::Result<String> {
    let sink = Sink::start().await?;
    let mut stand = Stand::start(options(servers, &sink)).await.context("the stand does not start")?;
    stand.install().await.context("FlySense cannot be installed")?;
    let mut verdicts = budgets();
    let idle = idle::run(servers, &stand, &mut verdicts).await?;
    let events = events::run(&stand, &sink, extent.turn, &mut verdicts).await?;
    // What follows is about `web` alone.
    stand.kill(1)?;
    let doors = doors::run(servers, &stand, extent.turn, &mut verdicts).await?;
    let hooks = hooks::run(&stand, extent.turn, &mut verdicts).await?;
    let memory = doors::memory(&stand, extent.handshakes, &mut verdicts)?;
    stand.stop()?;
    Ok(format!("{doors}\n{hooks}\n{events}\n{memory}\n{idle}\n{verdicts}"))
}

fn options(servers: &Servers, sink: &Sink) -> Options {
    let recordings = xtask::workspace::root().join(RECORDINGS);
    Options {
        database_url: servers.database_url.clone(),
        redis_url: servers.redis_url.clone(),
        binaries: servers.binaries.clone(),
        pace: 0.0,
        manifest: recordings.join("manifest.json"),
        recordings,
        welcome_bonus: Some(USUAL_BONUS),
        kept: None,
        more: [("FLYSK_OUTBOUND_ALLOW".to_owned(), sink.addr.clone())].into(),
    }
}
