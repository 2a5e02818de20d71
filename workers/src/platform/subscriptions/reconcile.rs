//! Performs `billing.reconcile_invoices`.
//!
//! Harmless when run twice: questions change nothing, and a discrepancy of one day and order is stored once.
//! Discrepancies are reported and never repaired here: an operator decides which side is right.

use chrono::{DateTime, Days, TimeDelta, Utc};
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

use super::bank_answer::belongs_to_nobody;
use crate::App;
use crate::job_error::IntoJobError as _;
use crate::platform::discrepancies::{day_bounds, report_discrepancy};

/// Attempts per run; the next run continues.
const PAGE_SIZE: u32 = 200;
/// Maximum number of stuck refunds to report.
const MAX_REPORTED_ROWS: u32 = 1_000;
/// Attempts paid within this time before the day are compared as well. Refunds in the T-Bank merchant portal and chargebacks come
/// late, and their notifications may be lost.
const PAID_LOOKBACK: TimeDelta = TimeDelta::days(30);
/// A refund that takes longer is stuck.
const REFUND_STUCK_AFTER: TimeDelta = TimeDelta::hours(6);

/// Kind of a refund that takes longer.
const STUCK_REFUND: &str = "stuck_refund";

/// A mismatch: its kind, our value and the bank's.
#[derive(Debug, PartialEq, Eq)]
struct Mismatch {
    kind: &'static str,
    ours: String,
    banks: String,
}

/// Refunded sums of a payment.
#[derive(Debug, Clone, Copy, Default)]
struct Refunded {
    /// By our records.
    done: Kopecks,
    /// A refund is pending, so the amounts may differ until it ends.
    under_way: bool,
    /// What the payment still holds, if the bank was asked.
    left: Option<Kopecks>,
}

impl JobHandler<App> for ReconcileInvoices {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let day = self.day.unwrap_or_else(|| run.now().date_naive() - Days::new(1));
        let (from, until) = day_bounds(day);
        let mut conn = run.pool().acquire().await?;
        let since = from - PAID_LOOKBACK;
        let listed =
            store::list_attempts_to_compare(&mut conn, (from, until), since, self.after, PAGE_SIZE).await?;
        let last = listed.last().map(|attempt| attempt.id).filter(|_| listed.len() == PAGE_SIZE as usize);
        let mut found = Vec::new();
        if last.is_none() {
            let before = run.now() - REFUND_STUCK_AFTER;
            for refund in store::list_stuck_refunds(&mut conn, before, MAX_REPORTED_ROWS).await? {
                let ours = format!("refund {} of {}", refund.state.as_str(), refund.amount);
                let mismatch = Mismatch { kind: STUCK_REFUND, ours, banks: "unknown".to_owned() };
                found.push((refund.payment_row_id.to_string(), None, mismatch));
            }
        }
        drop(conn);
        for attempt in &listed {
            let order = attempt.id.to_string();
            let mismatches = compare_attempt(run, app, attempt, from).await?;
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
            // Each payment is compared on every day of the look-back. A refund that is stuck is urgent every day.
            let is_repeated = row.kind != STUCK_REFUND
                && purchases::is_known_discrepancy(&mut unit, &row, since.date_naive()).await?;
            if is_repeated {
                continue;
            }
            report_discrepancy(&row);
            purchases::insert_discrepancy(&mut unit, DiscrepancyId::generate(app.clock()), &row).await?;
        }
        if let Some(after) = last {
            unit.enqueue(&Self { day: Some(day), after: Some(after) }).await?;
        }
        run.done(unit).await
    }
}

/// Compares an attempt with the bank. `from` is the beginning of the day.
async fn compare_attempt(
    run: &JobContext,
    app: &App,
    attempt: &Attempt,
    from: DateTime<Utc>,
) -> Result<Vec<Mismatch>, JobError> {
    if belongs_to_nobody(app, &attempt.terminal_key).await? {
        // Told for the day on which it last changed: the bank can never be asked about it.
        let ours = format!("terminal {}", attempt.terminal_key);
        let mismatch = Mismatch { kind: "other_terminal", ours, banks: "cannot be queried".to_owned() };
        return Ok(if attempt.updated_at < from { Vec::new() } else { vec![mismatch] });
    }
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
    if let Some(payment) = partly_refunded(attempt.state, &order.payments) {
        // Only `GetState` tells how much was refunded.
        app.wait_for_bank_permit(&attempt.terminal_key, &attempt.id.to_string()).await?;
        refunded.left = match acquiring.bank.state(&payment.payment_id).await {
            Ok(payment) => payment.amount,
            Err(error) if error.outcome() == FailureAction::GiveUp => None,
            Err(error) => return Err(TBankError::into_job_error(error)),
        };
    }
    Ok(compare(attempt.state, attempt.amount, refunded, &order.payments))
}

/// Whether a payment took money and holds some of it.
fn holds_money(payment: &OrderPayment) -> bool {
    payment.status.outcome() == PaymentOutcome::Paid && payment.status != PaymentStatus::Refunded
}

/// The payment of a paid attempt, if it was refunded in part.
fn partly_refunded(state: AttemptState, payments: &[OrderPayment]) -> Option<&OrderPayment> {
    let payment = payments.iter().find(|payment| holds_money(payment))?;
    (state == AttemptState::Paid && payment.status == PaymentStatus::PartialRefunded).then_some(payment)
}

/// The refunded amount at the bank, if it differs from ours.
fn refund_difference(amount: Kopecks, refunded: Refunded, status: &PaymentStatus) -> Option<String> {
    let banks = match status {
        PaymentStatus::Confirmed => Kopecks::ZERO,
        PaymentStatus::PartialRefunded => match refunded.left.filter(|left| *left < amount) {
            Some(left) => amount.checked_sub(left).ok()?,
            // A partial refund of unknown amount.
            None if refunded.done.is_positive() && refunded.done < amount => return None,
            None => return Some(status.to_string()),
        },
        // The refund is still pending.
        _ => return None,
    };
    (banks != refunded.done).then(|| format!("{status}, refunded {banks}"))
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
    let holding: Vec<&OrderPayment> = payments.iter().filter(|payment| holds_money(payment)).collect();
    if holding.len() > 1 {
        differ("paid_twice", "one payment".to_owned(), format!("{} payments", holding.len()));
    }
    let is_paid = state == AttemptState::Paid;
    let is_whole = refunded.done == amount;
    match holding.first() {
        Some(payment) if !is_paid => {
            differ("paid_at_the_bank", state.as_str().to_owned(), payment.status.to_string());
        }
        Some(payment) => {
            let whole = payment.status == PaymentStatus::Confirmed;
            if let Some(taken) = payment.amount.filter(|taken| whole && *taken != amount) {
                differ("amount", amount.to_string(), taken.to_string());
            }
            if !refunded.under_way
                && let Some(banks) = refund_difference(amount, refunded, &payment.status)
            {
                differ("refund", format!("refunded {}", refunded.done), banks);
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
        let done = |kopecks| Refunded { done: Kopecks(kopecks), ..none };
        let left = |kopecks, left| Refunded { left: Some(Kopecks(left)), ..done(kopecks) };
        for (state, refunded, statuses, kinds) in [
            (AttemptState::Paid, none, &["CONFIRMED"][..], &[][..]),
            (AttemptState::Failed, none, &["REJECTED"], &[]),
            (AttemptState::Failed, none, &[], &[]),
            (AttemptState::Paid, done(500), &["REFUNDED"], &[]),
            (AttemptState::Paid, done(200), &["PARTIAL_REFUNDED"], &[]),
            (AttemptState::Paid, left(200, 300), &["PARTIAL_REFUNDED"], &[]),
            (AttemptState::Paid, left(200, 500), &["PARTIAL_REFUNDED"], &[]),
            (AttemptState::Paid, left(100, 10), &["PARTIAL_REFUNDED"], &["refund"]),
            (AttemptState::Paid, left(500, 300), &["PARTIAL_REFUNDED"], &["refund"]),
            (AttemptState::Paid, done(200), &["CONFIRMED"], &["refund"]),
            (AttemptState::Paid, done(500), &["REFUNDING"], &[]),
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
