//! Performs `upkeep.prune_jobs`. Harmless when run twice: what is gone is gone.

use chrono::Duration;
use flysk_jobs::upkeep::PruneJobs;
use flysk_jobs::{Handle, JobResult, Run, Verdict};
use flysk_store::jobs::JobState;
use flysk_store::platform::{changes, connect_states, oauth_codes, unvouched_codes};
use flysk_store::{cron_ticks, flysense, jobs, ledger};

use crate::App;

/// Rows per statement: small enough to hold no lock for long.
const AT_ONCE: u32 = 2_000;

/// How long a write is recognised by its key; vendors are told so in `docs/flycoins.md`.
const KEYS_LIVE: Duration = Duration::days(30);

impl Handle<App> for PruneJobs {
    async fn handle(&self, run: &Run, _app: &App) -> JobResult {
        let now = run.now();
        let mut conn = run.pool().acquire().await?;
        for (state, days) in [(JobState::Done, 7), (JobState::Cancelled, 7), (JobState::Dead, 90)] {
            while jobs::prune(&mut conn, state, now - Duration::days(days), AT_ONCE).await?
                == u64::from(AT_ONCE)
            {}
        }
        while connect_states::prune(&mut conn, now - Duration::days(1), AT_ONCE).await? == u64::from(AT_ONCE)
        {
        }
        // Anybody can send codes; what became of one is asked about for a while.
        while oauth_codes::prune(&mut conn, now - Duration::days(30), AT_ONCE).await? >= u64::from(AT_ONCE) {}
        // Of codes that nothing vouches for there may be many: what became of them is of interest for a day.
        let (dead, forgotten) = (now - Duration::hours(1), now - Duration::days(1));
        while unvouched_codes::prune(&mut conn, dead, forgotten, now, AT_ONCE).await? >= u64::from(AT_ONCE) {}
        while changes::prune(&mut conn, now - Duration::hours(1), AT_ONCE).await? == u64::from(AT_ONCE) {}
        cron_ticks::prune(&mut conn, now - Duration::days(7), AT_ONCE).await?;
        while flysense::hooks::prune(&mut conn, now - Duration::days(3), AT_ONCE).await? == u64::from(AT_ONCE)
        {
        }
        let forgotten = now - KEYS_LIVE;
        while ledger::prune_idempotency_keys(&mut conn, forgotten, AT_ONCE).await? == u64::from(AT_ONCE) {}
        Ok(Verdict::Done)
    }
}
