//! Requesting a transcription for a new call note, without a user.

use flysk_domain::Clock;
use flysk_domain::flysense::automatic::{AUTOMATIC_WINDOW, MAX_AUTOMATIC_PER_DAY};
use flysk_queue::UnitOfWork;
use flysk_store::StoreResult;
use flysk_store::flysense::transcriptions;

use super::request::{CallRequest, RequestOutcome, request_transcription};

/// `max_runs` of automatic requests: they never restart a call.
const MAX_AUTOMATIC_RUNS: u32 = 1;

/// Requests the transcription of a call that nobody asked for; `None` if the account has had [`MAX_AUTOMATIC_PER_DAY`] such
/// requests within a day. A user may still request the call.
pub async fn request_automatically(
    unit: &mut UnitOfWork,
    request: &CallRequest,
    clock: &dyn Clock,
) -> StoreResult<Option<RequestOutcome>> {
    let since = clock.now() - AUTOMATIC_WINDOW;
    let counted =
        transcriptions::count_automatic(unit, request.account_id, since, MAX_AUTOMATIC_PER_DAY).await?;
    if counted >= MAX_AUTOMATIC_PER_DAY {
        tracing::warn!(
            alert = "automatic_calls", account.id = %request.account_id, limit = MAX_AUTOMATIC_PER_DAY,
            "too many automatic requests within a day"
        );
        return Ok(None);
    }
    request_transcription(unit, request, MAX_AUTOMATIC_RUNS, clock).await.map(Some)
}
