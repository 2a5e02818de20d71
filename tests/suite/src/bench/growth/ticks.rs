//! Jobs of the schedule, performed by a worker on each database: the time from the claim to the end.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use flysk_domain::id::JobId;
use flysk_domain::trace::Trace;
use flysk_jobs::flysense::calls::{ResumePolls, RetryUnpaid, SweepPlayback};
use flysk_jobs::platform::billing::{ReconcileDue, VerifySubscriptions};
use flysk_jobs::platform::flycoins::{ExpireHolds, PublishWalletEvents};
use flysk_jobs::platform::oauth::RefreshDue;
use flysk_jobs::platform::panel::SweepExports;
use flysk_jobs::platform::subscriptions::{AnnouncePrices, SubscriptionsDue};
use flysk_jobs::platform::transfers::{ExpireTransferInvoices, ReadStatements, TransfersDue};
use flysk_jobs::platform::upkeep::{RollUpFigures, RollUpWidgets, SealAuditLog};
use flysk_queue::{Job, Outbox};

use super::bench_env::BenchEnv;
use super::{Pair, alternate};

/// Rounds of each side, and jobs of a round.
const ROUNDS: (u32, u32) = (8, 5);
/// The same of jobs that take long.
const SLOW_ROUNDS: (u32, u32) = (2, 2);
/// A job that takes longer is an error.
const WAIT_TIMEOUT: Duration = Duration::from_mins(2);
/// Jobs that are due or run. Those that wait for years, and for the measurement of other tenants, are neither.
const OPEN_JOBS: &str = "SELECT CAST(
     (SELECT COUNT(*) FROM jobs WHERE state = 'queued' AND push_at < NOW(6) + INTERVAL 10 MINUTE)
     + (SELECT COUNT(*) FROM jobs WHERE state = 'running' AND lease_until < NOW(6) + INTERVAL 10 MINUTE) AS SIGNED)";

/// Jobs of the schedule.
#[derive(Debug)]
pub(super) struct Ticks {
    /// Those that look for what is due.
    pub(super) due: Vec<Pair>,
    /// Those whose work grows with the customers, or with the calls of a day.
    pub(super) slow: Vec<Pair>,
}

/// A kind of job, and how it is enqueued.
macro_rules! measured {
    ($rounds:expr, $outboxes:ident, $benches:ident, $($job:expr),+ $(,)?) => {{
        let ((rounds, per_round), mut pairs) = ($rounds, Vec::new());
        $({
            let ran = alternate(rounds, per_round, async |side, _| {
                run($benches[side], &$outboxes[side], &$job).await
            });
            let [empty, full] = ran.await.with_context(|| name_of(&$job))?;
            pairs.push(Pair { name: format!("`{}`", name_of(&$job)), empty, full });
        })+
        pairs
    }};
}

/// Measures jobs of the schedule by a worker process on each database.
pub(super) async fn measure(empty: &mut BenchEnv, full: &mut BenchEnv) -> anyhow::Result<Ticks> {
    let workers = [
        empty.env.spawn("flysk-worker", &["run"], "ticks")?,
        full.env.spawn("flysk-worker", &["run"], "ticks")?,
    ];
    let measured = Box::pin(measure_all(empty, full)).await;
    empty.env.terminate(workers[0])?;
    full.env.terminate(workers[1])?;
    measured
}

async fn measure_all(empty: &BenchEnv, full: &BenchEnv) -> anyhow::Result<Ticks> {
    let outboxes = [empty.outbox().await?, full.outbox().await?];
    let benches = [empty, full];
    for (bench, outbox) in benches.into_iter().zip(&outboxes) {
        end_earlier_work(bench, outbox).await.context("what the charges have left")?;
    }
    let due = measured!(
        ROUNDS,
        outboxes,
        benches,
        RefreshDue {},
        ReconcileDue {},
        SubscriptionsDue {},
        AnnouncePrices {},
        ExpireHolds {},
        PublishWalletEvents {},
        SweepExports {},
        TransfersDue {},
        ExpireTransferInvoices {},
        ReadStatements {},
        SealAuditLog {},
        ResumePolls {},
        RetryUnpaid {},
        SweepPlayback {},
    );
    let slow =
        measured!(SLOW_ROUNDS, outboxes, benches, RollUpFigures {}, RollUpWidgets {}, VerifySubscriptions {});
    Ok(Ticks { due, slow })
}

/// Performs what the measurements before have left: events of charges and their deliveries. They would run beside the jobs.
async fn end_earlier_work(bench: &BenchEnv, outbox: &Outbox) -> anyhow::Result<()> {
    run(bench, outbox, &PublishWalletEvents {}).await?;
    let deadline = Instant::now() + WAIT_TIMEOUT;
    loop {
        let open: i64 = sqlx::query_scalar(OPEN_JOBS).fetch_one(&bench.env.pool).await?;
        // A job that is repeated for longer disturbs the measurement, and does not prevent it.
        if open == 0 || Instant::now() > deadline {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn name_of<J: Job>(_job: &J) -> &'static str {
    J::KIND
}

/// Enqueues a job, waits for its end, and returns how long it ran.
async fn run<J: Job>(bench: &BenchEnv, outbox: &Outbox, job: &J) -> anyhow::Result<Duration> {
    let trace = Trace { correlation_id: format!("bench-{:016x}", rand::random::<u64>()), traceparent: None };
    let mut unit = outbox.begin(trace).await?;
    let id = unit.enqueue(job).await?.context("a job of the kind waits already")?;
    unit.commit().await?;
    wait_for_end(bench, id).await
}

/// Waits until a job is done; returns the time from its start to its end.
pub(super) async fn wait_for_end(bench: &BenchEnv, id: JobId) -> anyhow::Result<Duration> {
    let deadline = Instant::now() + WAIT_TIMEOUT;
    loop {
        let (state, took_us): (String, Option<i64>) = sqlx::query_as(
            "SELECT state, CAST(TIMESTAMPDIFF(MICROSECOND, started_at, finished_at) AS SIGNED) FROM jobs WHERE id = ?",
        )
        .bind(id.to_string())
        .fetch_one(&bench.env.pool)
        .await?;
        match (state.as_str(), took_us) {
            ("done", Some(took_us)) => {
                return Ok(Duration::from_micros(u64::try_from(took_us).unwrap_or_default()));
            }
            ("dead", _) => bail!("the job is dead\n{}", bench.env.logs()),
            _ if Instant::now() > deadline => bail!("the job is {state}\n{}", bench.env.logs()),
            _ => tokio::time::sleep(Duration::from_millis(2)).await,
        }
    }
}
