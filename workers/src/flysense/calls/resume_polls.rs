//! Performs `calls.resume_polls`: polls exist in Redis only, so missing ones are re-created from the calls being recognised.
//!
//! Harmless when run twice: a scheduled poll is not changed.

use flysk_domain::flysense::polling::NextPoll;
use flysk_jobs::flysense::calls::{PollRecognition, ResumePolls};
use flysk_queue::{JobContext, JobError, JobHandler, JobOutcome, JobResult};
use flysk_store::flysense::transcriptions;

use super::start_recognition::poll_key;
use crate::App;

/// Calls per SQL statement and per Redis command.
const CALL_BATCH_SIZE: u32 = 1_000;

impl JobHandler<App> for ResumePolls {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let flysense = app.flysense()?;
        let (mut after, mut resumed) = (None, 0);
        loop {
            let calls =
                transcriptions::in_flight(&mut *run.pool().acquire().await?, after, CALL_BATCH_SIZE).await?;
            let Some((last, _, _)) = calls.last() else { break };
            after = Some(*last);
            let due_polls: Vec<_> = calls
                .iter()
                .map(|(id, account, submitted)| {
                    let at = match flysense.next_poll(*submitted, run.now(), 0) {
                        NextPoll::At(at) => at,
                        NextPoll::GiveUp => run.now(),
                    };
                    (poll_key(*account, *id), at)
                })
                .collect();
            let missing = app.ephemeral.schedule_missing::<PollRecognition>(&due_polls).await;
            resumed += missing.map_err(|error| JobError::retry(format!("redis: {error}")))?;
        }
        if resumed > 0 {
            tracing::info!(resumed, "re-scheduled polls lost with Redis");
        }
        Ok(JobOutcome::Done)
    }
}
