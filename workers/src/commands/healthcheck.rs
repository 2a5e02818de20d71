//! `flysk-worker healthcheck`.

use anyhow::Context as _;
use flysk_config::process::{health, metrics};
use flysk_config::{Env, Telemetry};

/// Calls the metrics listener, the one port that every process has.
pub(super) async fn healthcheck(env: &Env) -> anyhow::Result<()> {
    let listen = Telemetry::from_env(env)?.metrics_listen;
    let listen = listen.context("FLYSK_METRICS_LISTEN is not set, so there is no port to check")?;
    Ok(health::check(listen, metrics::HEALTH_PATH).await?)
}
