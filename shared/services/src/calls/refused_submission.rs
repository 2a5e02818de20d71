//! Taking back a submission that SpeechKit definitely did not start.
//!
//! The call may have been cancelled while the submission was under way, and then its recognition is owed: nobody knew
//! whether it runs. Now it is known that it does not, so the hold is released instead.

use chrono::{DateTime, Utc};
use flysk_domain::flysense::payment::{PaymentState, is_recognition_ordered};
use flysk_domain::flysense::state::TranscriptionState;
use flysk_jobs::flysense::calls::{CapturePayment, ReleasePayment};
use flysk_queue::{Job as _, UnitOfWork};
use flysk_store::flysense::payments::{self, RunOf};
use flysk_store::flysense::transcriptions::{self, Transcription};
use flysk_store::{StoreResult, jobs};

/// Takes the submission back. `before` is the call as it was before the submission was counted.
///
/// # Errors
///
/// The database fails.
pub async fn take_back_submission(
    unit: &mut UnitOfWork,
    before: &Transcription,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let call = transcriptions::lock(unit, before.account_id, before.id).await?;
    match call.filter(|call| call.run == before.run).map(|call| call.state) {
        Some(TranscriptionState::Submitting) => {
            transcriptions::uncount_submit(unit, before.id, before.operation_id.as_deref()).await
        }
        // Cancelled, and perhaps requested again or erased since.
        Some(TranscriptionState::Cancelled) | None => release_owed(unit, before, now).await,
        Some(_) => Ok(()),
    }
}

/// Releases the hold of a cancelled run, unless an earlier submission of the run may be a recognition.
async fn release_owed(unit: &mut UnitOfWork, before: &Transcription, now: DateTime<Utc>) -> StoreResult<()> {
    if is_recognition_ordered(before.state, before.submits, before.operation_id.is_some()) {
        return Ok(());
    }
    let of = RunOf { id: before.id, run: before.run };
    let payment = payments::lock(unit, of).await?;
    if payment.is_none_or(|payment| payment.state != PaymentState::Owed) {
        return Ok(());
    }
    let (transcription_id, account_id) = (before.id, before.account_id);
    let capture = CapturePayment { transcription_id, account_id, run: before.run };
    let key = capture.dedup_key().unwrap_or_default();
    let reason = "SpeechKit refused the recognition";
    if !jobs::cancel_unstarted_by_key(unit, CapturePayment::KIND, &key, reason, now).await? {
        // It waits for longer than a submission lasts, unless an operator made it due: coins may have been taken.
        tracing::warn!(transcription.id = %before.id, "a refused recognition is being charged already");
        return Ok(());
    }
    payments::mark_releasing(unit, of, now).await?;
    transcriptions::clear_billed_seconds(unit, before.id, before.run, now).await?;
    unit.enqueue(&ReleasePayment { transcription_id, account_id, run: before.run }).await?;
    Ok(())
}
