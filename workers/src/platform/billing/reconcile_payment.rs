//! Performs `billing.reconcile_payment`.
//!
//! Harmless when run twice: queries change nothing, and the answer is applied under the purchase's lock like any other update.

use chrono::TimeDelta;
use flysk_clients::tbank::{OrderPayment, TBankError};
use flysk_domain::TextEnum as _;
use flysk_domain::failure_action::FailureAction;
use flysk_domain::platform::purchases::{
    Discrepancy, OPEN_TIMEOUT, PaymentUpdate, PurchaseState, Transition, next_status_query,
};
use flysk_domain::platform::tbank::{PaymentOutcome, PaymentStatus};
use flysk_jobs::platform::billing::ReconcilePayment;
use flysk_queue::{JobContext, JobError, JobHandler, JobOutcome, JobResult};
use flysk_store::platform::purchases::{self, Purchase};

use super::apply_payment_update;
use super::orphaned_payment::{FORM_LOST, cancel_unpaid, is_orphaned};
use crate::App;
use crate::acquiring::Acquiring;
use crate::job_error::IntoJobError as _;

/// Age after which an undecided payment is reported; T-Bank itself needs less to resolve one.
const UNRESOLVED_AFTER: TimeDelta = TimeDelta::hours(6);

impl JobHandler<App> for ReconcilePayment {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let acquiring = app.acquiring()?;
        let found = purchases::find_purchase(&mut *run.pool().acquire().await?, self.purchase_id).await?;
        let Some(purchase) = found else { return Ok(JobOutcome::skip("the purchase is gone")) };
        if purchase.terminal_key != acquiring.config.terminal_key {
            tracing::warn!(purchase.id = %purchase.id, "purchase of another terminal cannot be queried");
            purchases::set_poll_at(
                &mut *run.pool().acquire().await?,
                purchase.id,
                Some(run.now() + TimeDelta::days(1)),
            )
            .await?;
            return Ok(JobOutcome::skip("the purchase belongs to another terminal"));
        }
        match &purchase.payment_id {
            Some(payment_id) if !self.whole_order && !is_orphaned(&purchase) => {
                query_payment(run, app, acquiring, &purchase, payment_id).await
            }
            _ => query_order(run, app, acquiring, &purchase).await,
        }
    }
}

/// Queries the purchase's payment.
async fn query_payment(
    run: &JobContext,
    app: &App,
    acquiring: &Acquiring,
    purchase: &Purchase,
    payment_id: &str,
) -> JobResult {
    let payment = match acquiring.bank.state(payment_id).await {
        Ok(payment) => payment,
        Err(error) => return on_query_failed(run, purchase, error).await,
    };
    if payment.payment_id != payment_id {
        return Err(JobError::retry("the bank answered about another payment"));
    }
    let mut unit = run.begin().await?;
    apply_payment_update(&mut unit, app, purchase.id, &payment.update()).await?;
    warn_if_unresolved(run, purchase, &payment.status);
    run.done(unit).await
}

/// Queries all payments of the order, if the purchase has none yet or may have another.
async fn query_order(run: &JobContext, app: &App, acquiring: &Acquiring, purchase: &Purchase) -> JobResult {
    let order = match acquiring.bank.check_order(&purchase.order_id).await {
        Ok(order) => order,
        Err(error) => return on_query_failed(run, purchase, error).await,
    };
    let orphaned = is_orphaned(purchase);
    let payments =
        if orphaned { cancel_unpaid(acquiring, purchase, order.payments).await? } else { order.payments };
    let Some(chosen) = choose_payment(purchase, &payments) else { return on_no_payment(run, purchase).await };
    let unpaid = matches!(chosen.status.outcome(), PaymentOutcome::NotStarted | PaymentOutcome::Pending);
    if unpaid && purchase.payment_url.is_none() && !orphaned {
        // The job that opens the form will store its URL, or find the payment orphaned.
        return schedule_next_query(run, purchase).await;
    }
    let mut unit = run.begin().await?;
    let update = PaymentUpdate {
        reason: (orphaned && chosen.status == PaymentStatus::Canceled).then_some(FORM_LOST),
        ..chosen.update()
    };
    let step = apply_payment_update(&mut unit, app, purchase.id, &update).await?;
    // A payment that was refunded completely needs no attention.
    let keeps_money = |other: &&OrderPayment| is_paid(other) && other.status != PaymentStatus::Refunded;
    let others: Vec<&OrderPayment> =
        payments.iter().filter(keeps_money).filter(|other| other.payment_id != chosen.payment_id).collect();
    if others.len() > 1
        || (!others.is_empty() && (is_paid(chosen) || !matches!(step, Transition::NeedsReview(_))))
    {
        let ids: Vec<&str> = others.iter().map(|other| other.payment_id.as_str()).collect();
        metrics::counter!("flysk_purchases_discrepancies_total", "discrepancy" => Discrepancy::OtherPayment.as_str())
            .increment(1);
        tracing::error!(
            purchase.id = %purchase.id, ?ids,
            "order was paid more than once: refund the other payments"
        );
        purchases::set_discrepancy(&mut unit, purchase.id, Discrepancy::OtherPayment, run.now()).await?;
    }
    warn_if_unresolved(run, purchase, &chosen.status);
    run.done(unit).await
}

fn is_paid(payment: &OrderPayment) -> bool {
    payment.status.outcome() == PaymentOutcome::Paid
}

/// Selects the purchase's payment of the order: the stored one, else one that took money, else the last.
fn choose_payment<'a>(purchase: &Purchase, payments: &'a [OrderPayment]) -> Option<&'a OrderPayment> {
    let of_ours = |payment: &&OrderPayment| purchase.payment_id.as_deref() == Some(&payment.payment_id);
    let paid = || payments.iter().find(|payment| is_paid(payment));
    payments.iter().find(of_ours).or_else(paid).or(payments.last())
}

/// T-Bank has no payment of the order. If it was not opened by now, it never will be.
async fn on_no_payment(run: &JobContext, purchase: &Purchase) -> JobResult {
    let age = run.now() - purchase.created_at;
    let mut unit = run.begin().await?;
    if age > OPEN_TIMEOUT {
        purchases::mark_failed(&mut unit, purchase.id, "bank_silent", run.now()).await?;
    }
    let state = if age > OPEN_TIMEOUT { PurchaseState::Failed } else { purchase.state };
    let next_query = next_status_query(state, purchase.status.as_ref(), age);
    purchases::set_poll_at(&mut unit, purchase.id, next_query.map(|delay| run.now() + delay)).await?;
    run.done(unit).await
}

/// Schedules the next query by the purchase's age.
async fn schedule_next_query(run: &JobContext, purchase: &Purchase) -> JobResult {
    let next_query =
        next_status_query(purchase.state, purchase.status.as_ref(), run.now() - purchase.created_at);
    let mut unit = run.begin().await?;
    purchases::set_poll_at(&mut unit, purchase.id, next_query.map(|delay| run.now() + delay)).await?;
    run.done(unit).await
}

/// Retries a failed request. Logs a definite refusal and schedules the next query by the purchase's age.
async fn on_query_failed(run: &JobContext, purchase: &Purchase, error: TBankError) -> JobResult {
    if error.outcome() != FailureAction::GiveUp {
        return Err(error.into_job_error());
    }
    metrics::counter!("flysk_tbank_status_queries_failed_total").increment(1);
    tracing::error!(purchase.id = %purchase.id, %error, "the bank refused a status query");
    schedule_next_query(run, purchase).await
}

fn warn_if_unresolved(run: &JobContext, purchase: &Purchase, status: &PaymentStatus) {
    let age = run.now() - purchase.created_at;
    if status.outcome() == PaymentOutcome::InDoubt && age > UNRESOLVED_AFTER {
        metrics::counter!("flysk_tbank_unresolved_payments_total").increment(1);
        tracing::error!(purchase.id = %purchase.id, bank.status = %status, "the payment has been unresolved at the bank for hours");
    }
}
