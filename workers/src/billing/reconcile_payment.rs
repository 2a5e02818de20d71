//! Performs `billing.reconcile_payment`.
//!
//! Harmless when run twice: asking changes nothing, and what the bank answers is applied under the purchase's
//! lock like any other news.

use chrono::TimeDelta;
use flysk_clients::tbank::{OrderPayment, TBankError};
use flysk_domain::platform::outcome::Outcome;
use flysk_domain::platform::purchases::{Doubt, MUST_OPEN_WITHIN, PurchaseState, Source, Step, next_look};
use flysk_domain::platform::tbank::{Charged, PaymentStatus};
use flysk_jobs::billing::ReconcilePayment;
use flysk_jobs::{Handle, JobError, JobResult, Run, Verdict};
use flysk_store::purchases::{self, Purchase};

use super::hear::{Told, hear};
use super::lost_form::{FORM_LOST, close, is_lost};
use crate::App;
use crate::acquiring::Acquiring;
use crate::outcome::HasOutcome as _;

/// Longer than the bank itself needs to find out how a payment in doubt ended.
const DOUBT_IS_TOO_OLD: TimeDelta = TimeDelta::hours(6);

impl Handle<App> for ReconcilePayment {
    async fn handle(&self, run: &Run, app: &App) -> JobResult {
        let acquiring = app.acquiring()?;
        let found = purchases::find_purchase(&mut *run.pool().acquire().await?, self.purchase_id).await?;
        let Some(purchase) = found else { return Ok(Verdict::skip("the purchase is gone")) };
        if purchase.terminal_key != acquiring.config.terminal_key {
            tracing::warn!(purchase.id = %purchase.id, "a purchase of another terminal cannot be asked about");
            purchases::put_off(
                &mut *run.pool().acquire().await?,
                purchase.id,
                Some(run.now() + TimeDelta::days(1)),
            )
            .await?;
            return Ok(Verdict::skip("of another terminal"));
        }
        match &purchase.payment_id {
            Some(payment_id) if !self.whole_order && !is_lost(&purchase) => {
                one(run, app, acquiring, &purchase, payment_id).await
            }
            _ => order(run, app, acquiring, &purchase).await,
        }
    }
}

/// Asks about the payment that is known.
async fn one(
    run: &Run,
    app: &App,
    acquiring: &Acquiring,
    purchase: &Purchase,
    payment_id: &str,
) -> JobResult {
    let payment = match acquiring.bank.state(payment_id).await {
        Ok(payment) => payment,
        Err(error) => return unanswered(run, purchase, error).await,
    };
    if payment.payment_id != payment_id {
        return Err(JobError::retry("the bank answered about another payment"));
    }
    let mut unit = run.begin().await?;
    hear(&mut unit, app, purchase.id, &Told::answer(&payment)).await?;
    warn_of_old_doubt(run, purchase, &payment.status);
    run.done(unit).await
}

/// Asks about all payments of the order: none is known, or there may be another.
async fn order(run: &Run, app: &App, acquiring: &Acquiring, purchase: &Purchase) -> JobResult {
    let order = match acquiring.bank.check_order(&purchase.order_id).await {
        Ok(order) => order,
        Err(error) => return unanswered(run, purchase, error).await,
    };
    let lost = is_lost(purchase);
    let payments = if lost { close(acquiring, purchase, order.payments).await? } else { order.payments };
    let Some(chosen) = choose(purchase, &payments) else { return nothing(run, purchase).await };
    let unpaid = matches!(chosen.status.charged(), Charged::NotStarted | Charged::Pending);
    if unpaid && purchase.payment_url.is_none() && !lost {
        // Whoever opens the form knows its address, or finds out that it is lost.
        return put_off(run, purchase).await;
    }
    let mut unit = run.begin().await?;
    let told = Told {
        amount: chosen.amount,
        error_code: chosen.error_code.as_deref(),
        reason: (lost && chosen.status == PaymentStatus::Canceled).then_some(FORM_LOST),
        ..Told::new(Source::Answer, &chosen.payment_id, &chosen.status)
    };
    let step = hear(&mut unit, app, purchase.id, &told).await?;
    // One that was given back whole is mended.
    let keeps_money = |other: &&OrderPayment| is_paid(other) && other.status != PaymentStatus::Refunded;
    let others: Vec<&OrderPayment> =
        payments.iter().filter(keeps_money).filter(|other| other.payment_id != chosen.payment_id).collect();
    if others.len() > 1 || (!others.is_empty() && (is_paid(chosen) || !matches!(step, Step::Review(_)))) {
        let ids: Vec<&str> = others.iter().map(|other| other.payment_id.as_str()).collect();
        metrics::counter!("flysk_purchases_in_doubt_total", "doubt" => Doubt::OtherPayment.code())
            .increment(1);
        tracing::error!(
            purchase.id = %purchase.id, ?ids,
            "the bank took money for one order more than once: give the others back"
        );
        purchases::set_doubt(&mut unit, purchase.id, Doubt::OtherPayment, run.now()).await?;
    }
    warn_of_old_doubt(run, purchase, &chosen.status);
    run.done(unit).await
}

fn is_paid(payment: &OrderPayment) -> bool {
    payment.status.charged() == Charged::Paid
}

/// Which payment of the order is the purchase's: the one that is known, the one that took money, the last.
fn choose<'a>(purchase: &Purchase, payments: &'a [OrderPayment]) -> Option<&'a OrderPayment> {
    let of_ours = |payment: &&OrderPayment| purchase.payment_id.as_deref() == Some(&payment.payment_id);
    let paid = || payments.iter().find(|payment| is_paid(payment));
    payments.iter().find(of_ours).or_else(paid).or(payments.last())
}

/// The bank knows no payment of the order: one that is not opened by now never will be.
async fn nothing(run: &Run, purchase: &Purchase) -> JobResult {
    let age = run.now() - purchase.created_at;
    let mut unit = run.begin().await?;
    if age > MUST_OPEN_WITHIN {
        purchases::mark_failed(&mut unit, purchase.id, "bank_silent", run.now()).await?;
    }
    let state = if age > MUST_OPEN_WITHIN { PurchaseState::Failed } else { purchase.state };
    let look = next_look(state, purchase.status.as_ref(), age);
    purchases::put_off(&mut unit, purchase.id, look.map(|delay| run.now() + delay)).await?;
    run.done(unit).await
}

/// Asks again as late as the purchase's age allows.
async fn put_off(run: &Run, purchase: &Purchase) -> JobResult {
    let look = next_look(purchase.state, purchase.status.as_ref(), run.now() - purchase.created_at);
    let mut unit = run.begin().await?;
    purchases::put_off(&mut unit, purchase.id, look.map(|delay| run.now() + delay)).await?;
    run.done(unit).await
}

/// An answer that never comes is tried again; one that says no is written down, and asked for again as rarely
/// as the purchase's age allows.
async fn unanswered(run: &Run, purchase: &Purchase, error: TBankError) -> JobResult {
    if error.outcome() != Outcome::GiveUp {
        return Err(error.into_job_error());
    }
    metrics::counter!("flysk_tbank_questions_refused_total").increment(1);
    tracing::error!(purchase.id = %purchase.id, %error, "the bank does not tell how a purchase stands");
    put_off(run, purchase).await
}

fn warn_of_old_doubt(run: &Run, purchase: &Purchase, status: &PaymentStatus) {
    let age = run.now() - purchase.created_at;
    if status.charged() == Charged::InDoubt && age > DOUBT_IS_TOO_OLD {
        metrics::counter!("flysk_tbank_old_doubts_total").increment(1);
        tracing::error!(purchase.id = %purchase.id, bank.status = %status, "the bank has not found out for hours");
    }
}
