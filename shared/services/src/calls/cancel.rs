//! Cancelling an unfinished call.
//!
//! SpeechKit bills a submitted recognition even if its result is not fetched. So the account pays for it too; otherwise
//! cancelling would give recognitions for free.

use chrono::{DateTime, Utc};
use flysk_domain::Clock;
use flysk_domain::flysense::payment::{Work, cancelled_capture_at, is_recognition_ordered};
use flysk_domain::flysense::pricing::billed_seconds;
use flysk_domain::flysense::state::{StateEvent, TranscriptionState};
use flysk_domain::id::{AccountId, TranscriptionId};
use flysk_store::StoreResult;
use flysk_store::flysense::payments::{self, RunOf};
use flysk_store::flysense::transcriptions::{self, Transcription};

use super::release_hold;
use crate::replay::CALL_STAGE_KINDS;
use flysk_jobs::flysense::calls::{CapturePayment, DeleteAudio, Settle, Summarize};
use flysk_queue::Job as _;
use flysk_queue::UnitOfWork;

/// Result of a cancellation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelOutcome {
    /// The call is cancelled: no stage continues and its audio is deleted. Its hold is released, except for the price
    /// of a submitted recognition.
    Cancelled,
    /// The call has ended or cannot be cancelled any more.
    TooLate(TranscriptionState),
    /// The account has no such call.
    NotFound,
}

/// Cancels a call. A running stage detects this when it writes, and writes nothing. A submitted recognition continues
/// at SpeechKit and is not polled any more.
pub async fn cancel(
    unit: &mut UnitOfWork,
    account_id: AccountId,
    id: TranscriptionId,
    clock: &dyn Clock,
) -> StoreResult<CancelOutcome> {
    let Some(call) = transcriptions::lock(unit, account_id, id).await? else {
        return Ok(CancelOutcome::NotFound);
    };
    if call.state.advance(StateEvent::Cancelled).is_err() {
        return Ok(CancelOutcome::TooLate(call.state));
    }
    let now = clock.now();
    if is_recognition_ordered(call.state, call.submits, call.operation_id.is_some()) {
        let duration_ms = call.duration_ms.unwrap_or_default();
        let billed = u32::try_from(billed_seconds(duration_ms, true)).unwrap_or(u32::MAX);
        transcriptions::cancel(unit, id, call.state, billed, now).await?;
        charge_recognition(unit, &call, now).await?;
    } else {
        transcriptions::cancel(unit, id, call.state, 0, now).await?;
        release_hold(unit, &call, now).await?;
    }
    // A waiting stage has the same dedup key as the next run's and would block it.
    let reason = "the call was cancelled";
    let stages = [&CALL_STAGE_KINDS[..], &[Summarize::KIND, Settle::KIND]].concat();
    flysk_store::jobs::cancel_waiting(unit, &stages, &[id.to_string()], reason, now).await?;
    unit.enqueue(&DeleteAudio { transcription_id: id, account_id }).await?;
    Ok(CancelOutcome::Cancelled)
}

/// Marks the price of the recognition as owed. There is no summary, so none is charged. If its submission is under way, it is
/// captured once the outcome is known: a refused one is taken back by [`super::take_back_submission`].
async fn charge_recognition(
    unit: &mut UnitOfWork,
    call: &Transcription,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let of = RunOf { id: call.id, run: call.run };
    let work = Work::of(call.duration_ms.unwrap_or_default(), false);
    if payments::mark_owed(unit, of, call.account_id, work, now).await? {
        let (transcription_id, account_id) = (call.id, call.account_id);
        let capture = CapturePayment { transcription_id, account_id, run: call.run };
        unit.enqueue_at(&capture, cancelled_capture_at(call.state, call.submitted_at, now)).await?;
    }
    Ok(())
}
