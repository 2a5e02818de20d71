//! Requesting a transcription by a user.

use flysk_domain::Clock;
use flysk_domain::flysense::run_limit::{MAX_UNSEEN_NOTES, RUN_WINDOW};
use flysk_queue::UnitOfWork;
use flysk_store::StoreResult;
use flysk_store::flysense::transcriptions;

use super::request::{CallRequest, RequestOutcome, request_transcription};

/// Requests the transcription of a note that a user named; `None` if the account has [`MAX_UNSEEN_NOTES`] requests within a
/// day whose notes amoCRM has not returned, because they do not exist or wait. A note with a transcription is not refused.
pub async fn request_by_user(
    unit: &mut UnitOfWork,
    request: &CallRequest,
    max_runs: u32,
    clock: &dyn Clock,
) -> StoreResult<Option<RequestOutcome>> {
    let known = transcriptions::find_by_note(unit, request.account_id, request.note_id).await?;
    if known.is_none() {
        let since = clock.now() - RUN_WINDOW;
        let counted = transcriptions::count_unseen(unit, request.account_id, since, MAX_UNSEEN_NOTES).await?;
        if counted >= MAX_UNSEEN_NOTES {
            metrics::counter!("flysk_unseen_notes_refused_total").increment(1);
            tracing::warn!(account.id = %request.account_id, "too many requested notes were not seen");
            return Ok(None);
        }
    }
    request_transcription(unit, request, max_runs, clock).await.map(Some)
}
