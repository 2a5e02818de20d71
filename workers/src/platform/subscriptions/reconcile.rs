//! Performs `billing.reconcile_invoices`.
//!
//! Harmless when run twice: questions change nothing, and a discrepancy of one day and order is stored once.
//! Discrepancies are reported and never repaired here: an operator decides which side is right.

use chrono::{Days, TimeDelta};
use flysk_clients::tbank::{OrderPayment, TBankError};
use flysk_domain::TextEnum as _;
use flysk_domain::failure_action::FailureAction;
use flysk_domain::id::DiscrepancyId;
use flysk_domain::money::Kopecks;
use flysk_domain::platform::invoice_payments::AttemptState;
use flysk_domain::platform::tbank::{PaymentOutcome, PaymentStatus};
use flysk_jobs::platform::subscriptions::ReconcileInvoices;
use flysk_queue::{JobContext, JobError, JobHandler, JobResult};
use flysk_store::platform::invoice_payments::{self as store, Attempt, RefundState};
use flysk_store::platform::purchases::{self, DiscrepancyRow};

use crate::App;
use crate::job_error::IntoJobError as _;
use crate::platform::billing::reconcile_day::{day_bounds, report_discrepancy};

/// Attempts per run; the next run continues.
const PAGE_SIZE: u32 = 200;
/// Maximum number of stuck refunds to report.
const MAX_REPORTED_ROWS: u32 = 1_000;
/// A refund that takes longer is stuck.
const REFUND_STUCK_AFTER: TimeDelta = TimeDelta::hours(6);

/// A mismatch: its kind, our value and the bank's.
#[derive(Debug, PartialEq, Eq)]
struct Mismatch {
    kind: &'static str,
    ours: String,
    banks: String,
}

/// Refunded sums of a payment by our records.
#[derive(Debug, Clone, Copy, Default)]
struct Refunded {
    done: Kopecks,
    under_way: bool,
}

impl JobHandler<App> for ReconcileInvoices {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let day = self.day.unwrap_or_else(|| run.now().date_naive() - Days::new(1));
        let (from, until) = day_bounds(day);
        let mut conn = run.pool().acquire().await?;
        let listed = store::list_attempts_to_compare(&mut conn, from, until, self.after, PAGE_SIZE).await?;
        let last = listed.last().map(|attempt| attempt.id).filter(|_| listed.len() == PAGE_SIZE as usize);
        let mut found = Vec::new();
        if last.is_none() {
            let before = run.now() - REFUND_STUCK_AFTER;
            for refund in store::list_stuck_refunds(&mut conn, before, MAX_REPORTED_ROWS).await? {
                let ours = format!("refund {} of {}", refund.state.as_str(), refund.amount);
                let mismatch = Mismatch { kind: "stuck_refund", ours, banks: "unknown".to_owned() };
                found.push((refund.payment_row_id.to_string(), None, mismatch));
            }
        }
        drop(conn);
        for attempt in &listed {
            let order = attempt.id.to_string();
            let mismatches = compare_attempt(run, app, attempt).await?;
            found.extend(mismatches.into_iter().map(|one| (order.clone(), attempt.payment_id.clone(), one)));
        }
        let mut unit = run.begin().await?;
        for (order_id, payment_id, Mismatch { kind, ours, banks }) in found {
            let kind = kind.to_owned();
            let row = DiscrepancyRow {
                day,
                kind,
                order_id,
                payment_id,
                purchase_id: None,
                ours,
                banks,
                found_at: run.now(),
            };
            report_discrepancy(&row);
            purchases::insert_discrepancy(&mut unit, DiscrepancyId::generate(app.clock()), &row).await?;
        }
        if let Some(after) = last {
            unit.enqueue(&Self { day: Some(day), after: Some(after) }).await?;
        }
        run.done(unit).await
    }
}

async fn compare_attempt(run: &JobContext, app: &App, attempt: &Attempt) -> Result<Vec<Mismatch>, JobError> {
    let acquiring = app.acquiring_of(&attempt.terminal_key).await?;
    app.wait_for_bank_permit(&attempt.terminal_key, &attempt.id.to_string()).await?;
    let order = match acquiring.bank.check_order(&attempt.id.to_string()).await {
        Ok(order) => order,
        Err(error) if error.outcome() == FailureAction::GiveUp => {
            let banks = error.refusal().map_or("no answer".to_owned(), |refusal| refusal.code.clone());
            return Ok(vec![Mismatch { kind: "unanswered", ours: attempt.state.as_str().to_owned(), banks }]);
        }
        Err(error) => return Err(TBankError::into_job_error(error)),
    };
    let mut refunded = Refunded::default();
    for refund in store::list_refunds(&mut *run.pool().acquire().await?, attempt.id).await? {
        match refund.state {
            RefundState::Done => {
                refunded.done = Kopecks(refunded.done.0.saturating_add(refund.amount.0));
            }
            RefundState::Refused => {}
            RefundState::Pending | RefundState::Sent => refunded.under_way = true,
        }
    }
    Ok(compare(attempt.state, attempt.amount, refunded, &order.payments))
}

/// Compares an attempt with all payments of its order.
fn compare(
    state: AttemptState,
    amount: Kopecks,
    refunded: Refunded,
    payments: &[OrderPayment],
) -> Vec<Mismatch> {
    let mut found = Vec::new();
    let mut differ = |kind, ours: String, banks: String| found.push(Mismatch { kind, ours, banks });
    let took = |payment: &&OrderPayment| {
        payment.status.outcome() == PaymentOutcome::Paid && payment.status != PaymentStatus::Refunded
    };
    let holding: Vec<&OrderPayment> = payments.iter().filter(took).collect();
    if holding.len() > 1 {
        differ("paid_twice", "one payment".to_owned(), format!("{} payments", holding.len()));
    }
    let is_paid = state == AttemptState::Paid;
    let is_whole = refunded.done == amount;
    match holding.first() {
        Some(payment) if !is_paid => {
            differ("paid_at_the_bank", state.as_str().to_owned(), payment.status.to_string());
        }
        Some(_) if is_whole && !refunded.under_way => {
            differ("refund", format!("refunded {amount}"), "not refunded".to_owned());
        }
        Some(payment) => {
            let whole = payment.status == PaymentStatus::Confirmed;
            if let Some(taken) = payment.amount.filter(|taken| whole && *taken != amount) {
                differ("amount", amount.to_string(), taken.to_string());
            }
            let partly = payment.status == PaymentStatus::PartialRefunded;
            if partly != refunded.done.is_positive() && !refunded.under_way {
                differ("refund", format!("refunded {}", refunded.done), payment.status.to_string());
            }
        }
        None if is_paid && !is_whole && !refunded.under_way => {
            let banks = payments.last().map_or("no payment".to_owned(), |last| last.status.to_string());
            differ("not_paid_at_the_bank", "paid".to_owned(), banks);
        }
        None => {}
    }
    if state == AttemptState::Review {
        differ("needs_review", state.as_str().to_owned(), "see above".to_owned());
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payment(status: &str) -> OrderPayment {
        let body = serde_json::json!({ "PaymentId": "1", "Amount": 500, "Status": status });
        serde_json::from_value(body).unwrap()
    }

    #[test]
    fn both_sides_must_agree_about_the_money() {
        let none = Refunded::default();
        let done = |kopecks| Refunded { done: Kopecks(kopecks), under_way: false };
        for (state, refunded, statuses, kinds) in [
            (AttemptState::Paid, none, &["CONFIRMED"][..], &[][..]),
            (AttemptState::Failed, none, &["REJECTED"], &[]),
            (AttemptState::Failed, none, &[], &[]),
            (AttemptState::Paid, done(500), &["REFUNDED"], &[]),
            (AttemptState::Paid, done(200), &["PARTIAL_REFUNDED"], &[]),
            (AttemptState::Paid, Refunded { under_way: true, ..none }, &["REFUNDED"], &[]),
            (AttemptState::Failed, none, &["CONFIRMED"], &["paid_at_the_bank"]),
            (AttemptState::Paid, none, &["REJECTED"], &["not_paid_at_the_bank"]),
            (AttemptState::Paid, none, &["REFUNDED"], &["not_paid_at_the_bank"]),
            (AttemptState::Paid, none, &["PARTIAL_REFUNDED"], &["refund"]),
            (AttemptState::Paid, done(500), &["CONFIRMED"], &["refund"]),
            (AttemptState::Paid, none, &["CONFIRMED", "CONFIRMED"], &["paid_twice"]),
            (AttemptState::Review, none, &["CONFIRMED"], &["paid_at_the_bank", "needs_review"]),
        ] {
            let payments: Vec<OrderPayment> = statuses.iter().map(|status| payment(status)).collect();
            let found = compare(state, Kopecks(500), refunded, &payments);
            let found: Vec<&str> = found.iter().map(|mismatch| mismatch.kind).collect();
            assert_eq!(found, kinds, "{state} {refunded:?} {statuses:?}");
        }
        let found = compare(AttemptState::Paid, Kopecks(499), none, &[payment("CONFIRMED")]);
        assert_eq!(found[0].kind, "amount");
    }
}
