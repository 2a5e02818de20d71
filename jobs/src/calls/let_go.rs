//! Giving coins back that were set aside for a call.

use chrono::{DateTime, Utc};
use flysk_domain::flysense::payment::PaymentState;
use flysk_store::StoreResult;
use flysk_store::flysense::payments::{self, RunOf};
use flysk_store::flysense::transcriptions::Transcription;

use super::ReleasePayment;
use crate::outbox::Unit;

/// The call ended without a result: what was set aside for it goes back, by a job of its own.
pub async fn let_go(unit: &mut Unit, call: &Transcription, now: DateTime<Utc>) -> StoreResult<()> {
    let of = RunOf { id: call.id, run: call.run };
    let Some(payment) = payments::lock(unit, of).await? else { return Ok(()) };
    match payment.state {
        PaymentState::Held => {
            payments::mark_releasing(unit, of, now).await?;
            let (transcription_id, account_id) = (call.id, call.account_id);
            unit.enqueue(&ReleasePayment { transcription_id, account_id, run: call.run }).await?;
        }
        PaymentState::Unpaid => payments::mark_free(unit, of, now).await?,
        PaymentState::Owed | PaymentState::Paid | PaymentState::Releasing | PaymentState::Free => {}
    }
    Ok(())
}
