//! Performs `calls.resume_polls`: poll ticks live in Redis only, so those that are missing there are
//! made again from the calls that are being recognised.
//!
//! Harmless when run twice: a tick that is set stays as it is.

use flysk_domain::flysense::polling::NextLook;
use flysk_jobs::calls::{PollRecognition, ResumePolls};
use flysk_jobs::{Handle, JobError, JobResult, Run, Verdict};
use flysk_store::flysense::transcriptions;

use super::start_recognition::poll_key;
use crate::App;

/// Calls per statement and per command of Redis.
const AT_ONCE: u32 = 1_000;

impl Handle<App> for ResumePolls {
    async fn handle(&self, run: &Run, app: &App) -> JobResult {
        let flysense = app.flysense()?;
        let (mut after, mut resumed) = (None, 0);
        loop {
            let calls = transcriptions::in_flight(&mut *run.pool().acquire().await?, after, AT_ONCE).await?;
            let Some((last, _, _)) = calls.last() else { break };
            after = Some(*last);
            let ticks: Vec<_> = calls
                .iter()
                .map(|(id, account, submitted)| {
                    let at = match flysense.next_look(*submitted, run.now(), 0) {
                        NextLook::At(at) => at,
                        NextLook::GiveUp => run.now(),
                    };
                    (poll_key(*account, *id), at)
                })
                .collect();
            let missing = app.ticks.set_missing::<PollRecognition>(&ticks).await;
            resumed += missing.map_err(|error| JobError::retry(format!("redis: {error}")))?;
        }
        if resumed > 0 {
            tracing::info!(resumed, "looks that Redis had lost are set again");
        }
        Ok(Verdict::Done)
    }
}
