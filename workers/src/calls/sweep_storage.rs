//! Performs `calls.sweep_storage`: what a crash left behind goes.
//!
//! Harmless when run twice: what is gone is gone. A call that is under way keeps its audio, however old;
//! one that waits for coins keeps it for some days.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Duration, Utc};
use flysk_clients::storage::ObjectInfo;
use flysk_domain::flysense::payment::AUDIO_KEPT;
use flysk_domain::flysense::state::TranscriptionState;
use flysk_domain::id::TranscriptionId;
use flysk_jobs::calls::SweepStorage;
use flysk_jobs::{Handle, JobResult, Run, Verdict};
use flysk_store::flysense::transcriptions;

use super::files::PREFIX;
use crate::App;
use crate::outcome::HasOutcome;

/// Younger objects may belong to a stage that has not written its state yet.
const LEFT_ALONE: Duration = Duration::minutes(30);

impl Handle<App> for SweepStorage {
    async fn handle(&self, run: &Run, app: &App) -> JobResult {
        let flysense = app.flysense()?;
        let before = run.now() - LEFT_ALONE;
        let (mut page, mut swept) = (None, 0_usize);
        loop {
            let listed =
                flysense.storage.list(PREFIX, page.as_deref()).await.map_err(HasOutcome::into_job_error)?;
            let old: Vec<&ObjectInfo> =
                listed.objects.iter().filter(|object| object.modified_at < before).collect();
            let ids: BTreeSet<TranscriptionId> = old.iter().filter_map(|object| owner(&object.key)).collect();
            let ids: Vec<TranscriptionId> = ids.into_iter().collect();
            let states: HashMap<TranscriptionId, TranscriptionState> =
                transcriptions::known_states(&mut *run.pool().acquire().await?, &ids)
                    .await?
                    .into_iter()
                    .map(|(id, state, _)| (id, state))
                    .collect();
            for object in old {
                let state = owner(&object.key).and_then(|id| states.get(&id)).copied();
                if is_left_over(state, object.modified_at, run.now()) {
                    flysense.storage.delete(&object.key).await.map_err(HasOutcome::into_job_error)?;
                    swept += 1;
                }
            }
            page = listed.next;
            if page.is_none() {
                break;
            }
        }
        if swept > 0 {
            tracing::warn!(swept, "left-over audio was deleted");
        }
        Ok(Verdict::Done)
    }
}

/// A call that ended, or is not known, needs no audio; one without balance has it downloaded again after
/// some days.
fn is_left_over(state: Option<TranscriptionState>, modified_at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    match state {
        Some(TranscriptionState::NoBalance) => modified_at < now - AUDIO_KEPT,
        Some(state) => state.is_final(),
        None => true,
    }
}

/// `calls/<transcription>/…`.
fn owner(key: &str) -> Option<TranscriptionId> {
    key.strip_prefix(PREFIX)?.split('/').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use TranscriptionState as S;

    #[test]
    fn a_call_without_balance_keeps_its_audio_for_some_days_and_an_ended_one_not_at_all() {
        let now = DateTime::UNIX_EPOCH + Duration::days(1_000);
        let (young, old) = (now - AUDIO_KEPT + Duration::minutes(1), now - AUDIO_KEPT - Duration::minutes(1));
        let swept = |state, modified_at| is_left_over(state, modified_at, now);
        assert!(!swept(Some(S::NoBalance), young) && swept(Some(S::NoBalance), old));
        assert!(!swept(Some(S::Recognizing), old) && !swept(Some(S::Holding), old));
        assert!(swept(Some(S::Done), young) && swept(None, young));
    }
}
