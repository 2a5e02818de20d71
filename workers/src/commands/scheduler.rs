//! `flysk-worker scheduler`.

use flysk_jobs::Outbox;
use flysk_jobs::runtime::cron::Scheduler;
use flysk_runtime::{Shutdown, metrics};
use flysk_workers::config::Config;
use flysk_workers::process::open_outbox;
use flysk_workers::schedule;

/// The schedule of this deployment on `outbox`.
pub(super) fn scheduler(outbox: Outbox, config: &Config) -> anyhow::Result<Scheduler> {
    Ok(Scheduler::new(outbox, schedule::entries(config.flysense.is_some())?))
}

/// Keeps the schedule until SIGTERM.
pub(super) async fn run(config: Config) -> anyhow::Result<()> {
    let shutdown = Shutdown::install(config.worker.grace)?;
    if let Some(listen) = config.telemetry.metrics_listen {
        metrics::install(listen, "scheduler")?;
    }
    let scheduler = scheduler(open_outbox(&config).await?, &config)?;
    tracing::info!("ready");
    scheduler.run(shutdown.token()).await;
    Ok(())
}
