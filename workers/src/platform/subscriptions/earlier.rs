//! Earlier attempts of an invoice: before another one begins, the bank says that none of them took money.
//!
//! A payment can succeed after its refusal, and the notification about that can be lost. Source: fact sheet of T-Bank,
//! safe procedure, step 5.

use std::time::Duration;

use flysk_clients::tbank::TBankError;
use flysk_domain::platform::invoice_payments::AttemptState;
use flysk_domain::platform::tbank::{PaymentOutcome, PaymentStatus};
use flysk_queue::{JobContext, JobError};
use flysk_store::platform::invoice_payments::Attempt;

use super::bank_answer::{apply, belongs_to_nobody};
use super::missing_card::ask_for_card;
use crate::App;
use crate::job_error::IntoJobError as _;

/// Delay while the bank processes an earlier attempt that counted as failed.
const IN_PROGRESS_DELAY: Duration = Duration::from_mins(5);

/// Whether the payment of an attempt can have succeeded after it counted as failed.
pub(super) fn may_have_succeeded(attempt: &Attempt) -> bool {
    attempt.state == AttemptState::Failed && attempt.payment_id.is_some()
}

/// Queries the failed attempts of an invoice, and applies a payment that succeeded nevertheless. `true`: there
/// was one, and no other attempt is needed.
pub(super) async fn settle_earlier(
    run: &JobContext,
    app: &App,
    attempts: &[Attempt],
) -> Result<bool, JobError> {
    let mut is_first = true;
    for attempt in attempts.iter().filter(|attempt| may_have_succeeded(attempt)) {
        if belongs_to_nobody(app, &attempt.terminal_key).await? {
            metrics::counter!("flysk_invoice_payments_unasked_total").increment(1);
            tracing::error!(
                attempt.id = %attempt.id, terminal = %attempt.terminal_key,
                "the terminal of an earlier attempt is gone: the bank is not asked about it"
            );
            continue;
        }
        let acquiring = app.acquiring_of(&attempt.terminal_key).await?;
        let order_id = attempt.id.to_string();
        if is_first {
            app.bank_permit(&attempt.terminal_key, &order_id).await?;
        } else {
            app.wait_for_bank_permit(&attempt.terminal_key, &order_id).await?;
        }
        is_first = false;
        let order = acquiring.bank.check_order(&order_id).await.map_err(TBankError::into_job_error)?;
        for payment in &order.payments {
            match payment.status.outcome() {
                PaymentOutcome::Paid if payment.status != PaymentStatus::Refunded => {
                    tracing::warn!(attempt.id = %attempt.id, "an attempt succeeded after its failure");
                    let mut unit = run.begin().await?;
                    apply(&mut unit, app, attempt, &payment.update()).await?;
                    ask_for_card(&mut unit, attempt).await?;
                    unit.commit().await?;
                    return Ok(true);
                }
                PaymentOutcome::InDoubt | PaymentOutcome::Pending => {
                    let reason = format!("an earlier attempt is {} at the bank", payment.status);
                    return Err(JobError::Wait { after: IN_PROGRESS_DELAY, reason });
                }
                PaymentOutcome::Paid | PaymentOutcome::Failed | PaymentOutcome::NotStarted => {}
            }
        }
    }
    Ok(false)
}
