//! Jobs that are claimed together and ahead of their start, and ends that are written together.

use std::sync::Arc;
use std::time::{Duration, Instant};

use flysk_store::jobs::JobState;
use flysk_suite::chaos::fleet::Fleet;
use flysk_suite::chaos::work::{DoNothing, KillWorker};

use crate::in_process::{
    CONCURRENCY, InProcessWorker, LIMIT_PERMITS, LeaveLocked, Limited, LoseLease, Quick, Stage, Wait,
    enqueue, only_job,
};
use crate::marks;

/// More than wait in Redis at once, however many were let pass: the consumer looks ahead only while its fetches are full.
const ALL_JOBS: usize = 2_500;
/// Jobs that are let pass in a round.
const SHORT_JOBS: usize = 200;
const MAX_ROUNDS: usize = 6;

const RUNNING: &str = "SELECT COUNT(*) FROM jobs WHERE state = 'running'";
const DONE: &str = "SELECT COUNT(*) FROM jobs WHERE state = 'done'";

async fn count(fleet: &Fleet, query: &'static str) -> anyhow::Result<i64> {
    Ok(sqlx::query_scalar(query).fetch_one(&fleet.pool).await?)
}

/// A worker that runs as many jobs as it may, which wait at the gate, and has claimed more jobs ahead because those before them
/// were short.
struct AheadOfGate {
    stage: Arc<Stage>,
    worker: InProcessWorker,
    /// Jobs that were let pass. All of them are done.
    passed: usize,
}

impl AheadOfGate {
    /// Lets jobs pass until more are claimed than run. They are released after a second: a busy machine may look too late, and lets
    /// further ones pass then.
    async fn reach(fleet: &Fleet) -> anyhow::Result<Self> {
        enqueue(fleet, 0..u64::try_from(ALL_JOBS)?, |key| Wait { key }).await?;
        let stage = Stage::new();
        let worker = InProcessWorker::start(fleet, &stage)?;
        for round in 1..=MAX_ROUNDS {
            stage.let_pass(SHORT_JOBS);
            let passed = round * SHORT_JOBS;
            fleet.wait_for(DONE, i64::try_from(passed)?).await?;
            stage.wait_for_starts::<Wait>(passed + CONCURRENCY).await?;
            if count(fleet, RUNNING).await? > i64::try_from(CONCURRENCY)? {
                return Ok(Self { stage, worker, passed });
            }
        }
        anyhow::bail!("nothing was claimed ahead")
    }
}

/// At SIGTERM, jobs claimed ahead return to the queue as if they had not been claimed.
#[tokio::test(flavor = "multi_thread")]
async fn jobs_claimed_ahead_are_released_when_the_worker_stops() -> anyhow::Result<()> {
    let fleet = Fleet::start(Duration::from_mins(1)).await?;
    let AheadOfGate { stage, worker, passed } = AheadOfGate::reach(&fleet).await?;
    worker.terminate().await?;
    let begun = passed + CONCURRENCY;
    assert_eq!(stage.starts::<Wait>(), begun, "a job was started without a permit");
    let untouched = "SELECT COUNT(*) FROM jobs WHERE state = 'queued' AND attempt = 0 AND started_at IS NULL
         AND lease_owner IS NULL AND run_at <= created_at";
    assert_eq!(count(&fleet, untouched).await?, i64::try_from(ALL_JOBS - begun)?);
    let released =
        "SELECT COUNT(*) FROM jobs WHERE state = 'queued' AND attempt = 0 AND started_at IS NOT NULL";
    assert_eq!(count(&fleet, released).await?, i64::try_from(CONCURRENCY)?);
    Ok(())
}

/// Jobs that take longer than those before them are released, so that an idle worker can start them.
#[tokio::test(flavor = "multi_thread")]
async fn jobs_claimed_ahead_of_long_ones_are_released() -> anyhow::Result<()> {
    let fleet = Fleet::start(Duration::from_mins(1)).await?;
    let AheadOfGate { stage, worker, passed } = AheadOfGate::reach(&fleet).await?;
    let released = "SELECT (SELECT COUNT(*) FROM jobs WHERE state = 'running') = 4
         AND (SELECT COUNT(*) FROM jobs WHERE state = 'queued' AND attempt = 0 AND fence > 0) > 0";
    fleet.wait_for(released, 1).await?;
    assert_eq!(stage.starts::<Wait>(), passed + CONCURRENCY);
    stage.open_gate();
    let once = "SELECT COUNT(*) FROM jobs WHERE state = 'done' AND attempt = 1";
    fleet.wait_for(once, i64::try_from(ALL_JOBS)?).await?;
    assert_eq!(stage.starts::<Wait>(), ALL_JOBS, "each is started once");
    worker.terminate().await
}

/// A worker dies between claim and start: the jobs run elsewhere, and keep the attempts of which nobody knows whether they began.
#[tokio::test(flavor = "multi_thread")]
async fn jobs_claimed_ahead_by_a_worker_that_dies_are_run_once_by_another() -> anyhow::Result<()> {
    let fleet = Fleet::start(Duration::from_secs(10)).await?;
    let AheadOfGate { stage, worker, passed } = AheadOfGate::reach(&fleet).await?;
    worker.kill();
    let held = count(&fleet, RUNNING).await?;
    anyhow::ensure!(held > i64::try_from(CONCURRENCY)?, "nothing was claimed ahead: {held}");
    let begun_at_once =
        count(&fleet, "SELECT COUNT(*) FROM jobs WHERE state = 'running' AND NOT ahead_fence <=> fence")
            .await?;
    anyhow::ensure!(begun_at_once <= i64::try_from(CONCURRENCY)?, "not claimed ahead: {begun_at_once}");
    let begun = stage.starts::<Wait>() - passed;
    let other = InProcessWorker::start(&fleet, &stage)?;
    stage.open_gate();
    fleet.wait_for(DONE, i64::try_from(ALL_JOBS)?).await?;
    assert_eq!(stage.starts::<Wait>(), ALL_JOBS + begun, "those that were begun, twice");
    assert_eq!(count(&fleet, "SELECT COUNT(*) FROM jobs WHERE attempt = 2").await?, begun_at_once);
    assert_eq!(count(&fleet, "SELECT COUNT(*) FROM jobs WHERE attempt > 2").await?, 0);
    other.terminate().await
}

/// A job that was claimed when another one killed their worker is not claimed ahead again. The job that kills its worker is started
/// three times, and once more if it was claimed ahead the first time.
#[tokio::test(flavor = "multi_thread")]
async fn jobs_claimed_ahead_of_one_that_kills_its_worker_are_not_claimed_ahead_again() -> anyhow::Result<()> {
    const KILLER: &str = "SELECT COUNT(*) FROM jobs WHERE state = 'dead' AND kind = 'chaos.kill_worker'";
    let grace = Duration::from_secs(10);
    let mut fleet = Fleet::start(Duration::from_secs(3)).await?;
    // Jobs that need no database are short on a busy machine too: jobs are claimed ahead of short ones only.
    let short: Vec<DoNothing> = (0..400).map(|key| DoNothing { key }).collect();
    fleet.enqueue(&short).await?;
    fleet.enqueue(&[KillWorker { key: 10_000 }]).await?;
    fleet.enqueue(&marks(0..400, 0)).await?;
    let mut starts = 0;
    loop {
        starts += 1;
        anyhow::ensure!(starts <= 5, "the job that kills its worker does not end");
        let worker = fleet.start_worker(CONCURRENCY, grace)?;
        let deadline = Instant::now() + Duration::from_mins(2);
        while fleet.is_running(worker) && count(&fleet, KILLER).await? == 0 {
            anyhow::ensure!(Instant::now() < deadline, "the worker was not killed");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        if count(&fleet, KILLER).await? > 0 {
            break;
        }
        let held = count(&fleet, "SELECT COUNT(*) FROM jobs WHERE state = 'running'").await?;
        assert!(starts > 1 || held > i64::try_from(CONCURRENCY)?, "nothing was claimed ahead: {held}");
        // Each claim and each rescue counts as one.
        let again =
            "SELECT COUNT(*) FROM jobs WHERE state = 'running' AND fence > 2 AND ahead_fence <=> fence";
        let again = count(&fleet, again).await?;
        assert_eq!(again, 0, "start {starts}: jobs were claimed ahead after their worker had died");
    }
    assert!(starts >= 4, "it was started three times: {starts}");
    fleet.wait_for("SELECT COUNT(*) FROM jobs WHERE state = 'done'", 800).await?;
    assert_eq!(count(&fleet, "SELECT COUNT(*) FROM chaos_marks").await?, 400, "each effect once");
    Ok(())
}

/// A job claimed ahead takes its limits when it starts, not when it is claimed.
#[tokio::test(flavor = "multi_thread")]
async fn limits_hold_for_jobs_claimed_ahead() -> anyhow::Result<()> {
    let fleet = Fleet::start(Duration::from_secs(30)).await?;
    for part in 0..5 {
        enqueue(&fleet, part * 100..part * 100 + 100, |key| Quick { key }).await?;
        enqueue(&fleet, part * 10..part * 10 + 10, |key| Limited { key }).await?;
    }
    let stage = Stage::new();
    let worker = InProcessWorker::start(&fleet, &stage)?;
    fleet.wait_for("SELECT COUNT(*) FROM jobs WHERE state = 'done'", 550).await?;
    let most = stage.most_limited();
    assert!(
        (1..=usize::try_from(LIMIT_PERMITS)?).contains(&most),
        "{most} jobs held a limit of {LIMIT_PERMITS}"
    );
    worker.terminate().await
}

/// After SIGTERM, the ends of all jobs whose handlers have returned are stored.
#[tokio::test(flavor = "multi_thread")]
async fn ends_in_flight_are_stored_before_the_worker_stops() -> anyhow::Result<()> {
    let fleet = Fleet::start(Duration::from_mins(1)).await?;
    enqueue(&fleet, 0..3_000, |key| Quick { key }).await?;
    let stage = Stage::new();
    let worker = InProcessWorker::start(&fleet, &stage)?;
    fleet.wait_for("SELECT COUNT(*) FROM jobs WHERE state = 'done'", 300).await?;
    worker.terminate().await?;
    let ended = count(&fleet, "SELECT COUNT(*) FROM jobs WHERE state = 'done' AND attempt = 1").await?;
    assert_eq!(stage.starts::<Quick>(), usize::try_from(ended)?, "started, and not ended");
    // Those that were claimed and had not started are released.
    let waiting = "SELECT COUNT(*) FROM jobs WHERE state = 'queued' AND attempt = 0 AND started_at IS NULL";
    assert_eq!(count(&fleet, waiting).await?, 3_000 - ended);
    Ok(())
}

/// Of ends that are written together, one whose lease was lost is not written, and one whose row is locked is written later. The
/// others do not wait for it.
#[tokio::test(flavor = "multi_thread")]
async fn an_end_that_cannot_be_written_keeps_no_other_from_being_written() -> anyhow::Result<()> {
    let mut fleet = Fleet::start(Duration::from_mins(1)).await?;
    enqueue(&fleet, 0..200, |key| Quick { key }).await?;
    enqueue(&fleet, 0..1, |key| LoseLease { key }).await?;
    enqueue(&fleet, 0..1, |key| LeaveLocked { key }).await?;
    enqueue(&fleet, 200..400, |key| Quick { key }).await?;
    let stage = Stage::new();
    let worker = InProcessWorker::start(&fleet, &stage)?;
    fleet.wait_for("SELECT COUNT(*) FROM jobs WHERE state = 'done'", 400).await?;
    assert_eq!(only_job::<LeaveLocked>(&fleet).await?.state, JobState::Running);
    stage.unlock_rows();
    fleet.wait_for("SELECT COUNT(*) FROM jobs WHERE state = 'done'", 401).await?;
    assert_eq!(only_job::<LoseLease>(&fleet).await?.state, JobState::Running, "it belongs to another worker");
    worker.terminate().await?;
    sqlx::query("UPDATE jobs SET state = 'done' WHERE state = 'running'").execute(&fleet.pool).await?;
    fleet.check_at_rest().await
}
