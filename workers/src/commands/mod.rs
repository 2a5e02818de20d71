//! The command line.

mod jobs;
mod migrate;
mod run;
mod scheduler;

use clap::{Parser, Subcommand};
use flysk_runtime::config::Env;
use flysk_runtime::telemetry;
use flysk_workers::config::Config;

/// Performs Flysk's jobs and operates them. Configured by the environment; see `.env.example`.
#[derive(Debug, Parser)]
#[command(name = "flysk-worker", version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Bring the database to this release's schema.
    Migrate,
    /// Perform jobs until SIGTERM.
    Run(run::Run),
    /// Turn ticks of the schedule into jobs until SIGTERM; any number may run.
    Scheduler,
    /// Print the catalogue of jobs (docs/jobs.md).
    #[command(name = "jobs:catalogue")]
    JobsCatalogue,
    /// List jobs, youngest first.
    #[command(name = "jobs:list")]
    JobsList(jobs::List),
    /// Let a dead or cancelled job start afresh.
    #[command(name = "jobs:replay")]
    JobsReplay(jobs::One),
    /// Take a waiting job out.
    #[command(name = "jobs:cancel")]
    JobsCancel(jobs::One),
}

impl Cli {
    /// Runs the command to its end.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        if let Command::JobsCatalogue = self.command {
            return jobs::print_catalogue();
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(async {
            let env = Env::from_process();
            let config = Config::from_env(&env)?;
            telemetry::install(&config.telemetry)?;
            match self.command {
                Command::Migrate => migrate::migrate(&config).await,
                Command::Run(run) => run.run(config).await,
                Command::Scheduler => scheduler::run(config).await,
                Command::JobsList(list) => list.run(&config).await,
                Command::JobsReplay(one) => one.replay(&config).await,
                Command::JobsCancel(one) => one.cancel(&config).await,
                Command::JobsCatalogue => Ok(()),
            }
        })
    }
}
