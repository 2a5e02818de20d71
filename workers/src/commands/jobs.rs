//! `flysk-worker jobs:*`.

use std::io::Write as _;

use anyhow::{Context as _, bail};
use clap::Args;
use flysk_domain::id::JobId;
use flysk_domain::trace::Trace;
use flysk_jobs::catalogue;
use flysk_jobs::replay::{Replayed, replay};
use flysk_store::jobs::{self, JobState};
use flysk_workers::config::Config;
use flysk_workers::process::open_outbox;

use super::transaction::transact;

/// Prints `docs/jobs.md`.
pub(super) fn print_catalogue() -> anyhow::Result<()> {
    Ok(std::io::stdout().write_all(catalogue::page().as_bytes())?)
}

/// Which jobs to list.
#[derive(Debug, Args)]
pub(super) struct List {
    /// Only jobs of this state: queued, running, done, dead or cancelled.
    #[arg(long)]
    state: Option<String>,
    /// Only jobs of this kind, such as `calls.fetch_recording`; docs/jobs.md has them all.
    #[arg(long)]
    kind: Option<String>,
    /// Only jobs that one request caused, by the X-Request-Id of its answer.
    #[arg(long, conflicts_with_all = ["state", "kind"])]
    correlation: Option<String>,
    /// The largest number of jobs to list.
    #[arg(long, default_value_t = 50)]
    limit: u32,
}

impl List {
    /// One line a job: id, kind, state, starts, when, why.
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let state: Option<JobState> = self.state.as_deref().map(str::parse).transpose()?;
        let outbox = open_outbox(config).await?;
        let mut conn = outbox.pool().acquire().await?;
        let rows = match &self.correlation {
            Some(correlation) => jobs::list_by_correlation(&mut conn, correlation).await?,
            None => jobs::list(&mut conn, state, self.kind.as_deref(), self.limit).await?,
        };
        let mut out = std::io::stdout().lock();
        if rows.is_empty() {
            writeln!(out, "No such jobs.")?;
        }
        for job in rows {
            let when = job.finished_at.or(job.started_at).unwrap_or(job.run_at);
            writeln!(
                out,
                "{}  {:<28} {:<9} {}/{}  {}  {}",
                job.id,
                job.kind,
                job.state,
                job.attempt,
                job.max_attempts,
                when.format("%Y-%m-%d %H:%M:%S"),
                job.last_error.unwrap_or_default()
            )?;
        }
        Ok(())
    }
}

/// One job.
#[derive(Debug, Args)]
pub(super) struct One {
    /// The job's id, as jobs:list shows it.
    id: JobId,
}

impl One {
    /// Lets it start afresh.
    pub(super) async fn replay(self, config: &Config) -> anyhow::Result<()> {
        let outbox = open_outbox(config).await?;
        let trace = Trace { correlation_id: format!("replay.{}", self.id), traceparent: None };
        let replay = || async {
            let mut unit = outbox.begin(trace.clone()).await?;
            let replayed = replay(&mut unit, self.id).await.with_context(|| self.id.to_string())?;
            unit.commit().await?;
            Ok(replayed)
        };
        let replayed = transact(replay).await?;
        let mut out = std::io::stdout().lock();
        match replayed {
            Replayed::Queued => writeln!(out, "{} will run again.", self.id)?,
            Replayed::CallStartedAgain { transcription_id, run } => writeln!(
                out,
                "{transcription_id} starts anew, run {run}; follow it with jobs:list --correlation replay.{}",
                self.id
            )?,
        }
        Ok(())
    }

    /// Takes it out.
    pub(super) async fn cancel(self, config: &Config) -> anyhow::Result<()> {
        let outbox = open_outbox(config).await?;
        let mut conn = outbox.pool().acquire().await?;
        if !jobs::cancel(&mut conn, self.id, "cancelled by an operator", outbox.clock().now()).await? {
            bail!("{} does not wait: a running job cannot be stopped half-way", self.id);
        }
        tracing::info!(job.id = %self.id, "cancelled");
        Ok(())
    }
}
