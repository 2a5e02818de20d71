//! Performs `upkeep.prune_history`. Harmless when run twice: deleted rows stay deleted.
//!
//! Apart from `upkeep.prune_jobs`, because the first run after an upgrade may have years of history to delete.

use chrono::{DateTime, Utc};
use flysk_domain::flysense::state::TranscriptionState;
use flysk_jobs::platform::upkeep::PruneHistory;
use flysk_queue::{JobContext, JobHandler, JobOutcome, JobResult};
use flysk_store::flysense::activation::chats;
use flysk_store::flysense::events::EventState;
use flysk_store::flysense::{self, transcriptions};
use flysk_store::platform::{attempts, events, settings_history, subscriptions, token_audit};
use flysk_store::{Conn, StoreResult, retention};

use crate::App;

/// Rows per statement, so that locks are short.
const PRUNE_BATCH_SIZE: u32 = 2_000;
/// The same where rows are deleted by their ids.
const CALL_BATCH_SIZE: u32 = 500;
/// Installs per page.
const INSTALL_PAGE_SIZE: u32 = 500;

impl JobHandler<App> for PruneHistory {
    async fn handle(&self, run: &JobContext, _app: &App) -> JobResult {
        let now = run.now();
        let mut conn = run.pool().acquire().await?;
        let forgotten = now - retention::TOKEN_AUDIT_RETENTION;
        while token_audit::prune(&mut conn, forgotten, PRUNE_BATCH_SIZE).await? == u64::from(PRUNE_BATCH_SIZE)
        {
        }
        let forgotten = now - retention::EVENT_RETENTION;
        while attempts::prune(&mut conn, forgotten, PRUNE_BATCH_SIZE).await? == u64::from(PRUNE_BATCH_SIZE) {}
        while events::prune(&mut conn, forgotten, PRUNE_BATCH_SIZE).await? >= u64::from(PRUNE_BATCH_SIZE) {}
        let forgotten = now - retention::UNAPPLIED_QUOTE_RETENTION;
        while subscriptions::prune_quotes(&mut conn, forgotten, PRUNE_BATCH_SIZE).await?
            == u64::from(PRUNE_BATCH_SIZE)
        {}
        let forgotten = now - retention::BOT_CHAT_RETENTION;
        while chats::prune(&mut conn, forgotten, PRUNE_BATCH_SIZE).await? == u64::from(PRUNE_BATCH_SIZE) {}
        prune_records(&mut conn, now).await?;
        prune_settings(&mut conn, now).await?;
        Ok(JobOutcome::Done)
    }
}

/// Deletes records of feeds, and transcriptions whose note was never seen.
async fn prune_records(conn: &mut Conn, now: DateTime<Utc>) -> StoreResult<()> {
    for (state, kept_for) in [
        (EventState::Resolved, retention::RESOLVED_RECORD_RETENTION),
        (EventState::Absent, retention::UNRESOLVED_RECORD_RETENTION),
        (EventState::Pending, retention::UNRESOLVED_RECORD_RETENTION),
    ] {
        let forgotten = now - kept_for;
        while flysense::events::prune(conn, state, forgotten, PRUNE_BATCH_SIZE).await?
            == u64::from(PRUNE_BATCH_SIZE)
        {}
    }
    let forgotten = now - retention::UNSEEN_CALL_RETENTION;
    for state in [TranscriptionState::Failed, TranscriptionState::Cancelled] {
        while transcriptions::prune_unseen(conn, state, forgotten, CALL_BATCH_SIZE).await?
            == u64::from(CALL_BATCH_SIZE)
        {}
    }
    Ok(())
}

/// Deletes old versions of settings beyond the newest ones of each install.
async fn prune_settings(conn: &mut Conn, now: DateTime<Utc>) -> StoreResult<()> {
    let forgotten = now - retention::SETTINGS_VERSION_RETENTION;
    let kept = retention::KEPT_SETTINGS_VERSIONS;
    let mut after = None;
    loop {
        let page = settings_history::list_long(conn, kept, after, INSTALL_PAGE_SIZE).await?;
        for install in &page {
            let until = install.settings_version.saturating_sub(kept);
            while settings_history::prune(conn, install.id, until, forgotten, PRUNE_BATCH_SIZE).await?
                == u64::from(PRUNE_BATCH_SIZE)
            {}
        }
        match page.last() {
            Some(last) => after = Some(last.id),
            None => return Ok(()),
        }
    }
}
