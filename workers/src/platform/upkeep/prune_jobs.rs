//! Performs `upkeep.prune_jobs`. Harmless when run twice: deleted rows stay deleted.

use chrono::{DateTime, Duration, Utc};
use flysk_jobs::platform::upkeep::PruneJobs;
use flysk_queue::{JobContext, JobHandler, JobOutcome, JobResult};
use flysk_store::admin::{bulk_acts, exports, login_attempts, sessions};
use flysk_store::flysense::activation;
use flysk_store::jobs::JobState;
use flysk_store::platform::{cache_invalidations, connect_states, mail, oauth_codes, unvouched_codes};
use flysk_store::{Conn, StoreResult, cron_ticks, flysense, jobs, platform::ledger};

use crate::App;

/// Rows per statement, so that locks are short.
const PRUNE_BATCH_SIZE: u32 = 2_000;

/// Lifetime of idempotency keys, documented for vendors in `docs/flycoins.md`.
const IDEMPOTENCY_KEY_TTL: Duration = Duration::days(30);

/// Operators' sessions, exports and bulk acts are kept for this long after their end, for investigations.
const OPERATOR_ROW_RETENTION: Duration = Duration::days(90);

impl JobHandler<App> for PruneJobs {
    async fn handle(&self, run: &JobContext, _app: &App) -> JobResult {
        let now = run.now();
        let mut conn = run.pool().acquire().await?;
        for (state, days) in [(JobState::Done, 7), (JobState::Cancelled, 7), (JobState::Dead, 90)] {
            while jobs::prune(&mut conn, state, now - Duration::days(days), PRUNE_BATCH_SIZE).await?
                == u64::from(PRUNE_BATCH_SIZE)
            {}
        }
        while connect_states::prune(&mut conn, now - Duration::days(1), PRUNE_BATCH_SIZE).await?
            == u64::from(PRUNE_BATCH_SIZE)
        {}
        // Anybody can send codes, so their rows are kept for a limited time, for support.
        while oauth_codes::prune(&mut conn, now - Duration::days(30), PRUNE_BATCH_SIZE).await?
            >= u64::from(PRUNE_BATCH_SIZE)
        {}
        // There may be many unvouched codes: waiting ones are kept for an hour, ended ones for a day.
        let (dead, forgotten) = (now - Duration::hours(1), now - Duration::days(1));
        while unvouched_codes::prune(&mut conn, dead, forgotten, now, PRUNE_BATCH_SIZE).await?
            >= u64::from(PRUNE_BATCH_SIZE)
        {}
        while cache_invalidations::prune(&mut conn, now - Duration::hours(1), PRUNE_BATCH_SIZE).await?
            == u64::from(PRUNE_BATCH_SIZE)
        {}
        cron_ticks::prune(&mut conn, now - Duration::days(7), PRUNE_BATCH_SIZE).await?;
        while flysense::hooks::prune(&mut conn, now - Duration::days(3), PRUNE_BATCH_SIZE).await?
            == u64::from(PRUNE_BATCH_SIZE)
        {}
        // Updates and messages contain personal data; links are of no use after a quarter of an hour.
        let forgotten = now - Duration::days(2);
        while activation::updates::prune(&mut conn, forgotten, PRUNE_BATCH_SIZE).await?
            == u64::from(PRUNE_BATCH_SIZE)
        {}
        while activation::links::prune(&mut conn, forgotten, PRUNE_BATCH_SIZE).await?
            == u64::from(PRUNE_BATCH_SIZE)
        {}
        let forgotten = now - Duration::days(7);
        while activation::messages::prune(&mut conn, forgotten, PRUNE_BATCH_SIZE).await?
            == u64::from(PRUNE_BATCH_SIZE)
        {}
        prune_operator_rows(&mut conn, now).await?;
        while activation::notices::prune(&mut conn, forgotten, PRUNE_BATCH_SIZE).await?
            == u64::from(PRUNE_BATCH_SIZE)
        {}
        // Support looks up what a payer was told in the last quarter.
        while mail::prune_notices(&mut conn, now - Duration::days(90), PRUNE_BATCH_SIZE).await?
            == u64::from(PRUNE_BATCH_SIZE)
        {}
        let forgotten = now - IDEMPOTENCY_KEY_TTL;
        while ledger::prune_idempotency_keys(&mut conn, forgotten, PRUNE_BATCH_SIZE).await?
            == u64::from(PRUNE_BATCH_SIZE)
        {}
        Ok(JobOutcome::Done)
    }
}

/// Deletes rows of the admin panel.
async fn prune_operator_rows(conn: &mut Conn, now: DateTime<Utc>) -> StoreResult<()> {
    let forgotten = now - OPERATOR_ROW_RETENTION;
    while sessions::prune(conn, forgotten, PRUNE_BATCH_SIZE).await? == u64::from(PRUNE_BATCH_SIZE) {}
    while exports::prune(conn, forgotten, PRUNE_BATCH_SIZE).await? == u64::from(PRUNE_BATCH_SIZE) {}
    while bulk_acts::prune(conn, forgotten, PRUNE_BATCH_SIZE).await? {}
    let counted = now - Duration::days(1);
    while login_attempts::prune(conn, counted, PRUNE_BATCH_SIZE).await? == u64::from(PRUNE_BATCH_SIZE) {}
    Ok(())
}
