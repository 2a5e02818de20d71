//! Performs `upkeep.prune_history`. Harmless when run twice: deleted rows stay deleted.
//!
//! Apart from `upkeep.prune_jobs`, because the first run after an upgrade may have years of history to delete.

use chrono::{DateTime, Utc};
use flysk_jobs::platform::upkeep::PruneHistory;
use flysk_queue::{JobContext, JobError, JobHandler, JobResult};
use flysk_store::platform::settings_history;
use flysk_store::retention::{self, PRUNE_HISTORY, PRUNINGS, Pruning};

use super::pieces::{self, RunTime};
use crate::App;

/// Versions of settings per statement. Each has up to 64 KiB.
const VERSION_BATCH_SIZE: u32 = 100;
/// Installs per page.
const INSTALL_PAGE_SIZE: u32 = 500;

impl JobHandler<App> for PruneHistory {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let (now, time) = (run.now(), RunTime::start());
        let mut own: Vec<Pruning> =
            PRUNINGS.iter().copied().filter(|pruning| pruning.job == PRUNE_HISTORY).collect();
        let days = app.config().flysense.as_ref().map_or(0, |flysense| flysense.platform.transcript_days);
        if days > 0 {
            own.push(Pruning::of_transcripts(days));
        }
        let tables = pieces::prune(run, time, own, now).await;
        let is_finished = prune_settings(run, time, now).await?;
        Ok(pieces::outcome(run, tables? && is_finished))
    }
}

/// Deletes old versions of settings beyond the newest ones of each install; `false` if the time of the run was over before.
async fn prune_settings(run: &JobContext, time: RunTime, now: DateTime<Utc>) -> Result<bool, JobError> {
    let forgotten = now - retention::SETTINGS_VERSION_RETENTION;
    let kept = retention::KEPT_SETTINGS_VERSIONS;
    let mut after = None;
    let mut conn = run.pool().acquire().await?;
    while !time.is_over() {
        let page = settings_history::list_installs(&mut conn, after, INSTALL_PAGE_SIZE).await?;
        for install in page.iter().filter(|install| install.settings_version > kept) {
            let until = install.settings_version - kept;
            while settings_history::prune(&mut conn, install.id, until, forgotten, VERSION_BATCH_SIZE).await?
                == u64::from(VERSION_BATCH_SIZE)
            {
                if time.is_over() {
                    return Ok(false);
                }
            }
        }
        match page.last() {
            Some(last) => after = Some(last.id),
            None => return Ok(true),
        }
    }
    Ok(false)
}
