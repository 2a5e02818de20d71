//! `flysk-worker jobs:*`.

use std::io::Write as _;

use anyhow::Context as _;
use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;
use flysk_domain::id::JobId;
use flysk_domain::trace::Trace;
use flysk_jobs::catalogue;
use flysk_queue::Outbox;
use flysk_services::cancel::cancel;
use flysk_services::replay::{ReplayOutcome, replay};
use flysk_services::reschedule::reschedule;
use flysk_store::jobs::{self, JobState};
use flysk_store::{Conn, StoreResult};
use flysk_workers::config::Config;
use flysk_workers::process::open_outbox;
use serde_json::{Value, json};

use super::by::{Author, By, OptionalBy};
use super::record::{Act, record};
use super::transaction::transact;

/// Prints `docs/jobs.md`.
pub(super) fn print_catalogue() -> anyhow::Result<()> {
    Ok(std::io::stdout().write_all(catalogue::render_page().as_bytes())?)
}

/// Selects the jobs to list.
#[derive(Debug, Args)]
pub(super) struct List {
    /// Only jobs in this state: queued, running, done, dead or cancelled.
    #[arg(long)]
    state: Option<String>,
    /// Only jobs of this kind, such as `calls.fetch_recording`; docs/jobs.md lists all kinds.
    #[arg(long)]
    kind: Option<String>,
    /// Only jobs caused by one API request, by the X-Request-Id of its response.
    #[arg(long, conflicts_with_all = ["state", "kind"])]
    correlation: Option<String>,
    /// Maximum number of jobs to list.
    #[arg(long, default_value_t = 50)]
    limit: u32,
}

impl List {
    /// Prints one line per job: id, kind, state, attempts, time and last error.
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        let state: Option<JobState> = self.state.as_deref().map(str::parse).transpose()?;
        let outbox = open_outbox(config).await?;
        let mut conn = outbox.pool().acquire().await?;
        let rows = match &self.correlation {
            Some(correlation) => jobs::list_by_correlation(&mut conn, correlation, self.limit).await?,
            None => jobs::list(&mut conn, state, self.kind.as_deref(), self.limit).await?,
        };
        let mut out = std::io::stdout().lock();
        if rows.is_empty() {
            writeln!(out, "No matching jobs.")?;
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

/// Selects one job.
#[derive(Debug, Args)]
pub(super) struct JobRef {
    /// Id of the job, as printed by jobs:list.
    id: JobId,
    #[command(flatten)]
    by: OptionalBy,
}

impl JobRef {
    /// Queues the job again with all its attempts.
    pub(super) async fn replay(self, config: &Config) -> anyhow::Result<()> {
        let by = self.by.author()?;
        let outbox = open_outbox(config).await?;
        let trace = Trace { correlation_id: format!("replay.{}", self.id), traceparent: None };
        let replay = || async {
            let mut unit = outbox.begin(trace.clone()).await?;
            let before = self.state(&mut unit).await?;
            let replayed = replay(&mut unit, self.id).await.with_context(|| self.id.to_string())?;
            let after = match &replayed {
                ReplayOutcome::Queued => json!({ "state": JobState::Queued.to_string() }),
                ReplayOutcome::CallRestarted { transcription_id, run } => {
                    json!({ "call": transcription_id, "run": run })
                }
            };
            let act = self.act("job.replay", by, (before, after));
            record(&mut unit, outbox.clock().as_ref(), act).await?;
            unit.commit().await?;
            Ok(replayed)
        };
        let replayed = transact(replay).await?;
        let mut out = std::io::stdout().lock();
        match replayed {
            ReplayOutcome::Queued => writeln!(out, "{} will run again.", self.id)?,
            ReplayOutcome::CallRestarted { transcription_id, run } => writeln!(
                out,
                "{transcription_id} restarts as run {run}; follow it with jobs:list --correlation replay.{}",
                self.id
            )?,
        }
        Ok(())
    }

    /// Cancels a queued job.
    pub(super) async fn cancel(self, config: &Config) -> anyhow::Result<()> {
        let by = self.by.author()?;
        let outbox = open_outbox(config).await?;
        let trace = Trace { correlation_id: format!("cancel.{}", self.id), traceparent: None };
        let cancel = || async {
            let mut unit = outbox.begin(trace.clone()).await?;
            let before = self.state(&mut unit).await?;
            cancel(&mut unit, self.id, "cancelled by an operator")
                .await
                .with_context(|| self.id.to_string())?;
            let after = json!({ "state": JobState::Cancelled.to_string() });
            let act = self.act("job.cancel", by, (before, after));
            record(&mut unit, outbox.clock().as_ref(), act).await?;
            Ok(unit.commit().await?)
        };
        transact(cancel).await?;
        tracing::info!(job.id = %self.id, "job cancelled");
        Ok(())
    }

    /// The job's state and kind for the audit log; null if there is no such job.
    async fn state(&self, conn: &mut Conn) -> StoreResult<Value> {
        let job = jobs::find(conn, self.id).await?;
        Ok(job.map_or(Value::Null, |job| json!({ "state": job.state.to_string(), "kind": job.kind })))
    }

    fn act<'a>(&self, action: &'a str, by: Author<'a>, (before, after): (Value, Value)) -> Act<'a> {
        let (subject, after) = (("job", self.id.to_string()), by.named(after));
        Act { action, subject, reason: by.reason, before, after }
    }
}

/// A waiting job, its new start, and who moves it.
#[derive(Debug, Args)]
pub(super) struct Reschedule {
    /// Id of the job, as printed by jobs:list.
    id: JobId,
    /// Minutes until the start, at most 43200 (30 days); 0 starts the job now.
    #[arg(long)]
    minutes: u32,
    #[command(flatten)]
    by: By,
}

impl Reschedule {
    /// Moves the start, and records that in the audit log.
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<()> {
        self.by.act()?;
        let outbox = open_outbox(config).await?;
        let run_at = outbox.clock().now() + TimeDelta::minutes(i64::from(self.minutes));
        transact(|| self.reschedule(&outbox, run_at)).await?;
        let start = run_at.format("%Y-%m-%d %H:%M:%S");
        writeln!(std::io::stdout().lock(), "{} starts at {start} UTC.", self.id)?;
        Ok(())
    }

    async fn reschedule(&self, outbox: &Outbox, run_at: DateTime<Utc>) -> anyhow::Result<()> {
        let act = self.by.act()?;
        let trace = Trace { correlation_id: format!("reschedule.{}", self.id), traceparent: None };
        let mut unit = outbox.begin(trace).await?;
        let former =
            reschedule(&mut unit, self.id, run_at).await.with_context(|| self.id.to_string())?.to_rfc3339();
        let told = Act {
            action: "job.reschedule",
            subject: ("job", self.id.to_string()),
            reason: act.reason,
            before: json!({ "run_at": former }),
            after: json!({ "run_at": run_at.to_rfc3339(), "operator": act.operator }),
        };
        record(&mut unit, outbox.clock().as_ref(), told).await?;
        Ok(unit.commit().await?)
    }
}
