//! Performs `upkeep.prune_jobs`. Harmless when run twice: deleted rows stay deleted.

use chrono::{DateTime, TimeDelta, Utc};
use flysk_jobs::platform::upkeep::PruneJobs;
use flysk_queue::{JobContext, JobHandler, JobOutcome, JobResult};
use flysk_store::admin::{act_as, bulk_acts, exports, login_attempts, passkey_challenges, sessions};
use flysk_store::flysense::activation;
use flysk_store::jobs::JobState;
use flysk_store::platform::{cache_invalidations, connect_states, mail, oauth_codes, unvouched_codes};
use flysk_store::{Conn, StoreResult, cron_ticks, flysense, jobs, platform::ledger, retention};

use crate::App;

/// Rows per statement, so that locks are short.
const PRUNE_BATCH_SIZE: u32 = 2_000;

/// Ended jobs by their state.
const JOB_RETENTION: [(JobState, TimeDelta); 3] = [
    (JobState::Done, retention::ENDED_JOB_RETENTION),
    (JobState::Cancelled, retention::ENDED_JOB_RETENTION),
    (JobState::Dead, retention::DEAD_JOB_RETENTION),
];

impl JobHandler<App> for PruneJobs {
    async fn handle(&self, run: &JobContext, _app: &App) -> JobResult {
        let now = run.now();
        let mut conn = run.pool().acquire().await?;
        for (state, kept_for) in JOB_RETENTION {
            while jobs::prune(&mut conn, state, now - kept_for, PRUNE_BATCH_SIZE).await?
                == u64::from(PRUNE_BATCH_SIZE)
            {}
        }
        let forgotten = now - retention::CONNECT_STATE_RETENTION;
        while connect_states::prune(&mut conn, forgotten, PRUNE_BATCH_SIZE).await?
            == u64::from(PRUNE_BATCH_SIZE)
        {}
        while oauth_codes::prune(&mut conn, now - retention::OAUTH_CODE_RETENTION, PRUNE_BATCH_SIZE).await?
            >= u64::from(PRUNE_BATCH_SIZE)
        {}
        let dead = now - retention::WAITING_UNVOUCHED_CODE_RETENTION;
        let forgotten = now - retention::ENDED_UNVOUCHED_CODE_RETENTION;
        while unvouched_codes::prune(&mut conn, dead, forgotten, now, PRUNE_BATCH_SIZE).await?
            >= u64::from(PRUNE_BATCH_SIZE)
        {}
        let forgotten = now - retention::CACHE_INVALIDATION_RETENTION;
        while cache_invalidations::prune(&mut conn, forgotten, PRUNE_BATCH_SIZE).await?
            == u64::from(PRUNE_BATCH_SIZE)
        {}
        let forgotten = now - retention::CRON_TICK_RETENTION;
        while cron_ticks::prune(&mut conn, forgotten, PRUNE_BATCH_SIZE).await? >= u64::from(PRUNE_BATCH_SIZE)
        {
        }
        let forgotten = now - retention::HOOK_RETENTION;
        while flysense::hooks::prune(&mut conn, forgotten, PRUNE_BATCH_SIZE).await?
            >= u64::from(PRUNE_BATCH_SIZE)
        {}
        prune_messages(&mut conn, now).await?;
        prune_operator_rows(&mut conn, now).await?;
        let forgotten = now - retention::IDEMPOTENCY_KEY_RETENTION;
        while ledger::prune_idempotency_keys(&mut conn, forgotten, PRUNE_BATCH_SIZE).await?
            == u64::from(PRUNE_BATCH_SIZE)
        {}
        Ok(JobOutcome::Done)
    }
}

/// Deletes updates and messages of bots, activation links, and notices.
async fn prune_messages(conn: &mut Conn, now: DateTime<Utc>) -> StoreResult<()> {
    let forgotten = now - retention::BOT_UPDATE_RETENTION;
    while activation::updates::prune(conn, forgotten, PRUNE_BATCH_SIZE).await? == u64::from(PRUNE_BATCH_SIZE)
    {
    }
    while activation::links::prune(conn, forgotten, PRUNE_BATCH_SIZE).await? == u64::from(PRUNE_BATCH_SIZE) {}
    let forgotten = now - retention::BOT_MESSAGE_RETENTION;
    while activation::messages::prune(conn, forgotten, PRUNE_BATCH_SIZE).await? == u64::from(PRUNE_BATCH_SIZE)
    {
    }
    while activation::notices::prune(conn, forgotten, PRUNE_BATCH_SIZE).await? == u64::from(PRUNE_BATCH_SIZE)
    {
    }
    let forgotten = now - retention::MAIL_NOTICE_RETENTION;
    while mail::prune_notices(conn, forgotten, PRUNE_BATCH_SIZE).await? == u64::from(PRUNE_BATCH_SIZE) {}
    Ok(())
}

/// Deletes rows of the admin panel.
async fn prune_operator_rows(conn: &mut Conn, now: DateTime<Utc>) -> StoreResult<()> {
    let forgotten = now - retention::OPERATOR_ROW_RETENTION;
    while act_as::prune(conn, forgotten, PRUNE_BATCH_SIZE).await? == u64::from(PRUNE_BATCH_SIZE) {}
    while sessions::prune(conn, forgotten, PRUNE_BATCH_SIZE).await? == u64::from(PRUNE_BATCH_SIZE) {}
    while exports::prune(conn, forgotten, PRUNE_BATCH_SIZE).await? == u64::from(PRUNE_BATCH_SIZE) {}
    while bulk_acts::prune(conn, forgotten, PRUNE_BATCH_SIZE).await? {}
    let counted = now - retention::LOGIN_ATTEMPT_RETENTION;
    while login_attempts::prune(conn, counted, PRUNE_BATCH_SIZE).await? == u64::from(PRUNE_BATCH_SIZE) {}
    while passkey_challenges::prune(conn, counted, PRUNE_BATCH_SIZE).await? == u64::from(PRUNE_BATCH_SIZE) {}
    Ok(())
}
