//! `flysk-worker healthcheck`.

use anyhow::Context as _;
use flysk_runtime::config::{Env, Telemetry};
use flysk_runtime::{health, metrics};

/// Asks the listener of metrics, the one port that every process has.
pub(super) async fn healthcheck(env: &Env) -> anyhow::Result<()> {
    let listen = Telemetry::from_env(env)?.metrics_listen;
    let listen = listen.context("FLYSK_METRICS_LISTEN is not set, so there is no port to ask")?;
    Ok(health::ask(listen, metrics::HEALTH).await?)
}
