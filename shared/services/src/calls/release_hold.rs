//! Releasing the hold of a call that ended without a transcript.

use chrono::{DateTime, Utc};
use flysk_domain::flysense::payment::PaymentState;
use flysk_store::StoreResult;
use flysk_store::flysense::payments::{self, RunOf};
use flysk_store::flysense::transcriptions::Transcription;

use flysk_jobs::flysense::calls::ReleasePayment;
use flysk_queue::UnitOfWork;

/// Enqueues the release of the hold of a call that ended without a transcript.
pub async fn release_hold(
    unit: &mut UnitOfWork,
    call: &Transcription,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let of = RunOf { id: call.id, run: call.run };
    let Some(payment) = payments::lock(unit, of).await? else { return Ok(()) };
    match payment.state {
        PaymentState::Held => {
            payments::mark_releasing(unit, of, now).await?;
            let (transcription_id, account_id) = (call.id, call.account_id);
            unit.enqueue(&ReleasePayment { transcription_id, account_id, run: call.run }).await?;
        }
        PaymentState::Unpaid => payments::mark_not_charged(unit, of, now).await?,
        PaymentState::Owed | PaymentState::Paid | PaymentState::Releasing | PaymentState::Free => {}
    }
    Ok(())
}
