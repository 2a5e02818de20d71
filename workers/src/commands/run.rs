//! `flysk-worker run`.

use clap::Args;
use flysk_jobs::Queue;
use flysk_jobs::runtime::engine::LeaseTerms;
use flysk_runtime::{Shutdown, metrics};
use flysk_workers::config::Config;
use flysk_workers::process::WorkerProcess;

/// What to work on.
#[derive(Debug, Args)]
pub(super) struct Run {
    /// Queues to take jobs from, all of them if none is named: oauth (and with it `oauth_unvouched`), lifecycle, calls, audio,
    /// billing, upkeep.
    queues: Vec<Queue>,
    /// Enqueue the jobs of the schedule too, instead of a scheduler of its own; for small deployments and development.
    #[arg(long)]
    with_scheduler: bool,
}

impl Run {
    /// Works until SIGTERM, then stops within the grace time.
    pub(super) async fn run(self, config: Config) -> anyhow::Result<()> {
        hide_from_children()?;
        let shutdown = Shutdown::install(config.worker.grace)?;
        if let Some(listen) = config.telemetry.metrics_listen {
            metrics::install(listen, "worker")?;
        }
        let process = WorkerProcess::start(config, &self.queues, LeaseTerms::default()).await?;
        tracing::info!("ready");
        if self.with_scheduler {
            let outbox = process.engine.outbox().clone();
            let scheduler = super::scheduler::scheduler(outbox, process.engine.app().config())?;
            tokio::join!(process.run(shutdown.token()), scheduler.run(shutdown.token()));
        } else {
            process.run(shutdown.token()).await;
        }
        Ok(())
    }
}

/// What decodes a stranger's recording runs as the same user, which may otherwise read this process's environment, and the
/// secrets in it, under `/proc`.
#[cfg(target_os = "linux")]
fn hide_from_children() -> std::io::Result<()> {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

#[cfg(not(target_os = "linux"))]
fn hide_from_children() -> std::io::Result<()> {
    Ok(())
}
