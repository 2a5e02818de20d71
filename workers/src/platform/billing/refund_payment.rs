//! Performs `billing.refund_payment`.
//!
//! Harmless when run twice: the state `sent` is stored before `Cancel`, a run that finds it queries the payment first,
//! and a repeated `Cancel` with the same `ExternalRequestId` returns the first call's state. SBP has no such id: there,
//! the query of the payment and of its remaining amount protects from a second refund, and nothing is sent again while they do
//! not show whether the first one happened.
//!
//! A rejection may answer a repeated call whose first attempt succeeded, so it counts only if the money was not
//! returned.

use std::time::Duration;

use chrono::TimeDelta;
use flysk_clients::tbank::TBankError;
use flysk_domain::failure_action::FailureAction;
use flysk_domain::id::TransactionId;
use flysk_domain::platform::ledger::Command;
use flysk_domain::platform::purchases::{RefundAttempt, RefundStatus};
use flysk_jobs::platform::billing::RefundPayment;
use flysk_queue::{JobContext, JobError, JobHandler, JobOutcome, JobResult, UnitOfWork};
use flysk_store::platform::ledger::{self, LedgerCommand};
use flysk_store::platform::purchases::{self, Purchase, Refund, RefundState};

use super::receipt_email;
use crate::App;
use crate::acquiring::Acquiring;
use crate::job_error::IntoJobError as _;

/// Interval between status queries while the bank processes a refund.
const REFUND_POLL_INTERVAL: TimeDelta = TimeDelta::minutes(2);
/// SBP allows one refund request per operation and hour.
const SBP_RETRY_DELAY: Duration = Duration::from_mins(61);

impl JobHandler<App> for RefundPayment {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let acquiring = app.acquiring()?;
        let mut conn = run.pool().acquire().await?;
        let found = purchases::find_refund(&mut conn, &self.refund_id).await?;
        let Some(refund) = found else { return Ok(JobOutcome::skip("the refund is gone")) };
        if refund.state.has_ended() {
            return Ok(JobOutcome::skip("the refund has already ended"));
        }
        let purchase = purchases::find_purchase(&mut conn, refund.purchase_id).await?;
        drop(conn);
        let purchase = purchase.ok_or_else(|| JobError::give_up("the purchase of the refund is gone"))?;
        let Some(payment_id) = purchase.payment_id.clone() else {
            return Err(JobError::give_up("the purchase of the refund has no payment"));
        };
        if purchase.terminal_key != acquiring.config.terminal_key {
            return Err(JobError::give_up(
                "the payment belongs to another terminal: refund it with that terminal configured",
            ));
        }
        if refund.state == RefundState::Pending {
            let mut unit = run.begin().await?;
            purchases::mark_refund(
                &mut unit,
                &refund.id,
                RefundState::Pending,
                RefundState::Sent,
                None,
                run.now(),
            )
            .await?;
            unit.commit().await?;
        } else if let Some(verdict) =
            check_status_first(run, acquiring, &purchase, &refund, &payment_id).await?
        {
            return Ok(verdict);
        }
        let contact = receipt_email(app, &purchase)?;
        let request = acquiring.refund(&purchase, &payment_id, &refund, &contact);
        match acquiring.bank.cancel(&request).await {
            Ok(cancelled) => {
                match pending_refund(&purchase, &refund).status(&cancelled.status, cancelled.new_amount) {
                    RefundStatus::Happened => finish(run, &refund).await,
                    RefundStatus::OnItsWay => Ok(snooze(run)),
                    RefundStatus::NotHappened | RefundStatus::Unclear => {
                        let status = cancelled.status;
                        Err(JobError::retry(format!(
                            "the bank answered {status}, but the money was not returned"
                        )))
                    }
                }
            }
            Err(error) => {
                on_cancel_refused(run, app, acquiring, &purchase, &refund, &payment_id, error).await
            }
        }
    }

    async fn on_dead(&self, unit: &mut UnitOfWork, reason: &str, _app: &App) -> Result<(), JobError> {
        // It is unknown whether the money was returned, so the coins stay withdrawn until an operator has checked.
        metrics::counter!("flysk_refunds_unresolved_total").increment(1);
        let refund = purchases::find_refund(unit, &self.refund_id).await?;
        if let Some(refund) = refund.filter(|refund| !refund.state.has_ended()) {
            tracing::error!(
                refund.id = %refund.id, purchase.id = %refund.purchase_id, reason,
                "refund unresolved: see docs/runbook.md"
            );
        }
        Ok(())
    }
}

/// An earlier run sent the request and stopped before it stored the answer: query the payment. `None`: send it again. A payment
/// without a card's number may be one by SBP, which has no ids of refunds.
async fn check_status_first(
    run: &JobContext,
    acquiring: &Acquiring,
    purchase: &Purchase,
    refund: &Refund,
    payment_id: &str,
) -> Result<Option<JobOutcome>, JobError> {
    let status = refund_status(acquiring, purchase, refund, payment_id).await?;
    match status {
        RefundStatus::OnItsWay => Ok(Some(snooze(run))),
        RefundStatus::Happened => finish(run, refund).await.map(Some),
        _ if status.may_be_repeated(purchase.card_pan.is_some()) => Ok(None),
        RefundStatus::NotHappened | RefundStatus::Unclear => Err(JobError::retry(
            "the payment's status does not show whether it was refunded, and a second request could refund twice",
        )),
    }
}

/// Status of a refund, derived from the status of its payment.
async fn refund_status(
    acquiring: &Acquiring,
    purchase: &Purchase,
    refund: &Refund,
    payment_id: &str,
) -> Result<RefundStatus, JobError> {
    let payment = acquiring.bank.state(payment_id).await.map_err(TBankError::into_job_error)?;
    Ok(pending_refund(purchase, refund).status(&payment.status, payment.amount))
}

const fn pending_refund(purchase: &Purchase, refund: &Refund) -> RefundAttempt {
    RefundAttempt { price: purchase.price, refunded: purchase.refunded, kopecks: refund.allocation.kopecks }
}

fn snooze(run: &JobContext) -> JobOutcome {
    JobOutcome::snooze(run.now() + REFUND_POLL_INTERVAL, "the bank is processing the refund")
}

async fn finish(run: &JobContext, refund: &Refund) -> JobResult {
    let mut unit = run.begin().await?;
    purchases::mark_refund(&mut unit, &refund.id, RefundState::Sent, RefundState::Done, None, run.now())
        .await?;
    tracing::info!(refund.id = %refund.id, purchase.id = %refund.purchase_id, "refund completed");
    run.done(unit).await
}

async fn on_cancel_refused(
    run: &JobContext,
    app: &App,
    acquiring: &Acquiring,
    purchase: &Purchase,
    refund: &Refund,
    payment_id: &str,
    error: TBankError,
) -> JobResult {
    let code = error.refusal().map(|refusal| refusal.code.as_str());
    // SBP's limit per hour: not a refusal.
    if matches!(code, Some("3029" | "3030" | "3041" | "3042")) {
        return Err(JobError::Wait { after: SBP_RETRY_DELAY, reason: error.to_string() });
    }
    if error.outcome() != FailureAction::GiveUp {
        return Err(error.into_job_error());
    }
    match refund_status(acquiring, purchase, refund, payment_id).await? {
        RefundStatus::Happened => finish(run, refund).await,
        RefundStatus::OnItsWay => Ok(snooze(run)),
        RefundStatus::NotHappened => revert(run, app, purchase, refund, &error).await,
        RefundStatus::Unclear => Err(JobError::retry(format!(
            "{error}; the payment's status does not show whether it was refunded"
        ))),
    }
}

/// The refund failed finally and the money was not returned, so the coins are restored.
async fn revert(
    run: &JobContext,
    app: &App,
    purchase: &Purchase,
    refund: &Refund,
    error: &TBankError,
) -> JobResult {
    metrics::counter!("flysk_refunds_refused_total").increment(1);
    tracing::error!(
        refund.id = %refund.id, purchase.id = %purchase.id, %error,
        "the bank rejected a refund; coins restored"
    );
    let code = error.refusal().map(|refusal| refusal.code.as_str());
    let mut unit = run.begin().await?;
    let purchase = purchases::lock_purchase(&mut unit, purchase.id).await?;
    let (from, to) = (RefundState::Sent, RefundState::Refused);
    purchases::mark_refund(&mut unit, &refund.id, from, to, code, run.now()).await?;
    let left = purchase.refunded.checked_sub(refund.allocation.kopecks);
    let left = left.map_err(|error| JobError::give_up(error.to_string()))?;
    purchases::set_refunded(&mut unit, purchase.id, purchase.refunded, left, run.now()).await?;
    restore_coins(&mut unit, app, &purchase, refund).await?;
    run.done(unit).await
}

/// Reverses the withdrawals of a refund in the transaction that marks it refused, so only once.
async fn restore_coins(
    unit: &mut UnitOfWork,
    app: &App,
    purchase: &Purchase,
    refund: &Refund,
) -> Result<(), JobError> {
    let mut restores = Vec::new();
    for withdrawal in [Some(refund.transaction), refund.bonus_transaction].into_iter().flatten() {
        let parts = ledger::list_taken(unit, purchase.wallet_id, withdrawal).await?;
        restores.push(LedgerCommand {
            reference: Some(format!("Деньги за «{}» не вернулись, Flycoins снова у вас", purchase.title)),
            details: Some(serde_json::json!({ "purchase_id": purchase.id })),
            ..LedgerCommand::new(TransactionId::generate(app.clock()), Command::Restore { withdrawal, parts })
        });
    }
    for outcome in ledger::apply(unit, purchase.wallet_id, &restores, app.clock()).await? {
        if !matches!(outcome, ledger::CommandOutcome::Done(_)) {
            return Err(JobError::give_up(format!("the ledger refused to restore coins: {outcome:?}")));
        }
    }
    Ok(())
}
