//! Copies of recordings for a player.

use chrono::TimeDelta;
use flysk_jobs::flysense::calls::PreparePlayback;
use flysk_queue::UnitOfWork;
use flysk_store::StoreResult;
use flysk_store::flysense::playback_copies::{self, CopyState, PlaybackCopy};
use flysk_store::flysense::transcriptions::Transcription;

/// Time within which a copy must be made, before it counts as lost and is begun again.
const PREPARE_TIMEOUT: TimeDelta = TimeDelta::hours(1);
/// A copy that expires sooner is not offered: a listener needs time to begin.
pub const MIN_PLAYABLE_TIME: TimeDelta = TimeDelta::minutes(10);

/// Requests a copy of a call's recording in `unit`, unless there is one that can be played, is being made, or has failed a short
/// time ago; the caller commits.
///
/// # Errors
///
/// The database fails.
pub async fn request_playback_copy(unit: &mut UnitOfWork, call: &Transcription) -> StoreResult<()> {
    let now = unit.now();
    let copy = playback_copies::find(unit, call.id).await?;
    let is_known = |copy: &PlaybackCopy| match copy.state {
        CopyState::Ready => copy.expires_at > now + MIN_PLAYABLE_TIME,
        CopyState::Preparing | CopyState::Failed => copy.expires_at > now,
    };
    if copy.as_ref().is_some_and(is_known) {
        return Ok(());
    }
    playback_copies::begin(unit, call.id, call.account_id, now + PREPARE_TIMEOUT, now).await?;
    unit.enqueue_or_expedite(&PreparePlayback { transcription_id: call.id, account_id: call.account_id })
        .await
}
