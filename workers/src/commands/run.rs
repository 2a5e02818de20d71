//! `flysk-worker run`.

use clap::Args;
use flysk_config::process::{Shutdown, metrics};
use flysk_jobs::queues;
use flysk_queue::QueueName;
use flysk_queue::executor::LeaseConfig;
use flysk_workers::config::Config;
use flysk_workers::process::WorkerProcess;

/// Work of the process.
#[derive(Debug, Args)]
pub(super) struct Run {
    /// Queues to take jobs from; all by default: oauth (includes `oauth_unvouched`), lifecycle, calls, audio, billing, activation, telegram, max, mail, panel, upkeep.
    #[arg(value_parser = queues::parse)]
    queues: Vec<QueueName>,
    /// Also enqueue the jobs of the schedule, instead of a separate scheduler; for small deployments and development.
    #[arg(long)]
    with_scheduler: bool,
}

impl Run {
    /// Works until SIGTERM, then stops within the grace period.
    pub(super) async fn run(self, config: Config) -> anyhow::Result<()> {
        hide_from_children()?;
        let shutdown = Shutdown::install(config.worker.grace)?;
        if let Some(listen) = config.telemetry.metrics_listen {
            metrics::install(listen, "worker")?;
        }
        let process = WorkerProcess::start(config, &self.queues, LeaseConfig::default()).await?;
        tracing::info!("ready");
        if self.with_scheduler {
            let outbox = process.executor.outbox().clone();
            let scheduler = super::scheduler::scheduler(outbox, process.executor.app().config())?;
            tokio::join!(process.run(shutdown.token()), scheduler.run(shutdown.token()));
        } else {
            process.run(shutdown.token()).await;
        }
        Ok(())
    }
}

/// Makes `/proc/<pid>/environ`, which contains secrets, unreadable to child processes. They decode untrusted recordings
/// under the same user.
#[cfg(target_os = "linux")]
fn hide_from_children() -> std::io::Result<()> {
    use rustix::process::{DumpableBehavior, set_dumpable_behavior};
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

#[cfg(not(target_os = "linux"))]
fn hide_from_children() -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_names_every_queue() {
        let command = Run::augment_args(clap::Command::new("run"));
        let queues = command.get_arguments().find(|argument| argument.get_id() == "queues");
        let help = queues.and_then(clap::Arg::get_help).unwrap().to_string();
        let words: Vec<&str> = help.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).collect();
        for queue in flysk_jobs::queues::ALL {
            assert!(words.contains(&queue.as_str()), "{queue:?} is not in: {help}");
        }
    }
}
