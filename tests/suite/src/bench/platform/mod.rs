//! The platform's HTTP API and events: handshake and `PAuth` compared with a bare handler, the cost of rate limiting and of
//! the delivery log, amoCRM's webhook, deliveries to vendors' backends, and idle processes.

pub(super) mod authentication;
mod events;
mod hooks;
mod idle;
mod overhead;
pub(super) mod pace;
mod sink;
pub(super) mod wrk;

use std::time::Duration;

use anyhow::Context as _;

use super::servers::Servers;
use super::table::budgets;
use crate::environment::{DEFAULT_WELCOME_BONUS, Environment, Options};
use sink::Sink;

/// Extent of the measurement.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    /// Duration of each round.
    pub(super) load_time: Duration,
    /// Handshakes after which the memory of `web` is read.
    pub(super) handshakes: u64,
}

/// Runs the benchmark.
pub(super) async fn run(servers: &Servers, scale: Scale) -> anyhow::Result<String> {
    let sink = Sink::start().await?;
    let mut env =
        Environment::start(options(servers, &sink)).await.context("the environment does not start")?;
    env.install().await.context("FlySense cannot be installed")?;
    let mut verdicts = budgets();
    let idle = idle::run(servers, &env, &mut verdicts).await?;
    let events = events::run(&env, &sink, scale.load_time, &mut verdicts).await?;
    // The following parts measure `web` alone.
    env.kill(1)?;
    let authentication = authentication::run(servers, &env, scale.load_time, &mut verdicts).await?;
    let overhead = overhead::run(&mut env, scale.load_time, &mut verdicts).await?;
    let hooks = hooks::run(&env, scale.load_time, &mut verdicts).await?;
    let memory = authentication::memory(&env, scale.handshakes, &mut verdicts)?;
    env.stop()?;
    Ok(format!("{authentication}\n{overhead}\n{hooks}\n{events}\n{memory}\n{idle}\n{verdicts}"))
}

fn options(servers: &Servers, sink: &Sink) -> Options {
    Options {
        welcome_bonus: Some(DEFAULT_WELCOME_BONUS),
        more: [
            ("FLYSK_OUTBOUND_ALLOW".to_owned(), sink.addr.clone()),
            // The largest: the load is far above the usual limit, and a refused request would measure nothing.
            ("FLYSK_BACKEND_REQUESTS_PER_MINUTE".to_owned(), "100000000".to_owned()),
            ("FLYSK_HOOKS_PER_HOUR".to_owned(), "10000000".to_owned()),
        ]
        .into(),
        ..servers.environment()
    }
}
