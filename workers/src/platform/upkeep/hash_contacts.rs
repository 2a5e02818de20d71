//! Performs `upkeep.hash_contacts`. Harmless when run twice or stopped halfway: a row that has its hash is not read again.

use std::time::Instant;

use flysk_jobs::platform::upkeep::HashContacts;
use flysk_queue::{JobContext, JobError, JobHandler, JobOutcome, JobResult};
use flysk_services::contact_hashes::hash_contacts;
use flysk_store::contact_hashes::ContactColumn;

use super::pieces::{RunTime, pause_after};
use crate::App;

/// Rows read per query.
const PAGE_SIZE: u32 = 100;

/// Result of a run so far.
#[derive(Debug, Default)]
struct Progress {
    hashed: u64,
    unreadable: u64,
}

impl JobHandler<App> for HashContacts {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let (time, mut progress) = (RunTime::start(), Progress::default());
        let mut is_finished = true;
        for column in ContactColumn::ALL {
            is_finished &= hash_column(run, app, column, time, &mut progress).await?;
        }
        if progress.unreadable > 0 {
            tracing::warn!(
                rows = progress.unreadable,
                "contacts cannot be opened; the search box does not find them"
            );
        }
        // Rows under a missing key stay: a run that meets only those leaves the others to the next hour.
        if is_finished || progress.hashed == 0 {
            return Ok(JobOutcome::Done);
        }
        Ok(JobOutcome::snooze(run.now(), "more contacts are to be hashed"))
    }
}

/// Computes the hashes of a column; `false` if the time of the run was over before.
async fn hash_column(
    run: &JobContext,
    app: &App,
    column: ContactColumn,
    time: RunTime,
    progress: &mut Progress,
) -> Result<bool, JobError> {
    let mut after = String::new();
    while !time.is_over() {
        let start = Instant::now();
        let mut conn = run.pool().acquire().await?;
        let piece = hash_contacts(&mut conn, &app.keyring, column, &after, PAGE_SIZE).await?;
        drop(conn);
        progress.hashed += piece.hashed;
        progress.unreadable += piece.unreadable;
        match piece.last {
            Some(last) => after = last,
            None => return Ok(true),
        }
        pause_after(start.elapsed()).await;
    }
    Ok(false)
}
