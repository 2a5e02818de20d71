//! Performs `calls.sweep_storage`: deletes audio that crashes left behind.
//!
//! Harmless when run twice: deleted objects stay deleted. The audio of an unfinished call is kept, however old; that of
//! a call waiting for coins for some days.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Duration, Utc};
use flysk_clients::storage::ObjectInfo;
use flysk_domain::flysense::payment::AUDIO_RETENTION;
use flysk_domain::flysense::state::TranscriptionState;
use flysk_domain::id::TranscriptionId;
use flysk_jobs::flysense::calls::SweepStorage;
use flysk_queue::{JobContext, JobError, JobHandler, JobOutcome, JobResult};
use flysk_store::flysense::transcriptions;

use super::audio_storage::KEY_PREFIX;
use crate::App;
use crate::job_error::IntoJobError;

/// Younger objects may belong to a stage that has not stored its state yet.
const MIN_OBJECT_AGE: Duration = Duration::minutes(30);

impl JobHandler<App> for SweepStorage {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let flysense = app.flysense()?;
        let before = run.now() - MIN_OBJECT_AGE;
        let (mut page, mut swept) = (None, 0_usize);
        loop {
            let listed = flysense
                .storage
                .list(KEY_PREFIX, page.as_deref())
                .await
                .map_err(IntoJobError::into_job_error)?;
            let old: Vec<&ObjectInfo> =
                listed.objects.iter().filter(|object| object.modified_at < before).collect();
            let ids: BTreeSet<TranscriptionId> =
                old.iter().filter_map(|object| owning_call(&object.key)).collect();
            let ids: Vec<TranscriptionId> = ids.into_iter().collect();
            let states: HashMap<TranscriptionId, TranscriptionState> =
                transcriptions::known_states(&mut *run.pool().acquire().await?, &ids)
                    .await?
                    .into_iter()
                    .map(|(id, state, _)| (id, state))
                    .collect();
            for object in old {
                let state = owning_call(&object.key).and_then(|id| states.get(&id)).copied();
                if is_left_over(state, object.modified_at, run.now())
                    && is_still_left_over(run, object).await?
                {
                    flysense.storage.delete(&object.key).await.map_err(IntoJobError::into_job_error)?;
                    swept += 1;
                }
            }
            page = listed.next;
            if page.is_none() {
                break;
            }
        }
        if swept > 0 {
            tracing::warn!(swept, "deleted left-over audio");
        }
        Ok(JobOutcome::Done)
    }
}

/// Whether nothing needs the object: its call has ended or does not exist. A call without balance is downloaded again
/// after some days.
fn is_left_over(state: Option<TranscriptionState>, modified_at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    match state {
        Some(TranscriptionState::NoBalance) => modified_at < now - AUDIO_RETENTION,
        Some(state) => state.is_final(),
        None => true,
    }
}

/// [`is_left_over`] by the present state: while the objects before it were deleted, the call may have got its coins, and then
/// needs its recording.
async fn is_still_left_over(run: &JobContext, object: &ObjectInfo) -> Result<bool, JobError> {
    let owner: Vec<TranscriptionId> = owning_call(&object.key).into_iter().collect();
    let known = transcriptions::known_states(&mut *run.pool().acquire().await?, &owner).await?;
    let state = known.first().map(|(_, state, _)| *state);
    Ok(is_left_over(state, object.modified_at, run.now()))
}

/// Parses `calls/<transcription>/…`.
fn owning_call(key: &str) -> Option<TranscriptionId> {
    key.strip_prefix(KEY_PREFIX)?.split('/').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use TranscriptionState as S;

    #[test]
    fn a_call_without_balance_keeps_its_audio_for_some_days_and_an_ended_one_not_at_all() {
        let now = DateTime::UNIX_EPOCH + Duration::days(1_000);
        let (young, old) =
            (now - AUDIO_RETENTION + Duration::minutes(1), now - AUDIO_RETENTION - Duration::minutes(1));
        let swept = |state, modified_at| is_left_over(state, modified_at, now);
        assert!(!swept(Some(S::NoBalance), young) && swept(Some(S::NoBalance), old));
        assert!(!swept(Some(S::Recognizing), old) && !swept(Some(S::Holding), old));
        assert!(swept(Some(S::Done), young) && swept(None, young));
    }
}
