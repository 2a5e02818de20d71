//! `flysk-worker scheduler`.

use flysk_config::process::{Shutdown, metrics};
use flysk_queue::Outbox;
use flysk_queue::cron::Scheduler;
use flysk_workers::config::Config;
use flysk_workers::process::open_outbox;
use flysk_workers::schedule;

/// Creates the scheduler of this deployment.
pub(super) fn scheduler(outbox: Outbox, config: &Config) -> anyhow::Result<Scheduler> {
    Ok(Scheduler::new(outbox, schedule::entries(config.flysense.is_some())?))
}

/// Enqueues scheduled jobs until SIGTERM.
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
