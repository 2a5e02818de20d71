//! Performs `billing.reconcile_day`.
//!
//! Harmless when run twice: queries change nothing, and a discrepancy of one day and order is stored once.
//!
//! Discrepancies are reported and never repaired here: an operator decides which side is right.

use chrono::{Days, NaiveDate, TimeDelta};
use flysk_clients::tbank::{PaymentsOfOrder, TBankError};
use flysk_domain::TextEnum as _;
use flysk_domain::failure_action::FailureAction;
use flysk_domain::id::{DiscrepancyId, PurchaseId};
use flysk_jobs::platform::billing::ReconcileDay;
use flysk_queue::{JobContext, JobError, JobHandler, JobResult};
use flysk_store::platform::purchases::{self, DiscrepancyRow, NotificationRow, NotificationState, Purchase};

use super::reconciliation::{RefundTotals, compare_order, partly_refunded};
use crate::App;
use crate::acquiring::Acquiring;
use crate::job_error::IntoJobError as _;
use crate::platform::discrepancies::{day_bounds, report_discrepancy};

/// Purchases per run; the next run continues.
const PAGE_SIZE: u32 = 200;
/// Maximum number of notifications and of refunds to report.
const MAX_REPORTED_ROWS: u32 = 1_000;
/// Purchases credited within this time before the day are compared as well. Refunds in the T-Bank merchant portal and
/// chargebacks come late, and their notifications may be lost.
const CREDIT_LOOKBACK: TimeDelta = TimeDelta::days(30);
/// A refund that takes longer is stuck.
const REFUND_STUCK_AFTER: TimeDelta = TimeDelta::hours(6);
/// A younger notification may still be waiting for its job.
const NOTIFICATION_GRACE: TimeDelta = TimeDelta::minutes(15);

impl JobHandler<App> for ReconcileDay {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let acquiring = app.acquiring()?;
        let day = self.day.unwrap_or_else(|| run.now().date_naive() - Days::new(1));
        let (from, until) = day_bounds(day);
        let mut conn = run.pool().acquire().await?;
        let since = from - CREDIT_LOOKBACK;
        let listed =
            purchases::list_purchases_to_compare(&mut conn, (from, until), since, self.after, PAGE_SIZE)
                .await?;
        drop(conn);
        let mut found = Vec::new();
        for purchase in &listed {
            found.extend(compare_purchase(run, acquiring, purchase, day).await?);
        }
        let last = listed.last().map(|purchase| purchase.id).filter(|_| listed.len() == PAGE_SIZE as usize);
        if last.is_none() {
            found.extend(find_unmatched(run, day).await?);
        }
        let mut unit = run.begin().await?;
        for discrepancy in &found {
            report_discrepancy(discrepancy);
            purchases::insert_discrepancy(&mut unit, DiscrepancyId::generate(app.clock()), discrepancy)
                .await?;
        }
        if let Some(after) = last {
            unit.enqueue(&Self { day: Some(day), after: Some(after) }).await?;
        } else {
            let all = purchases::list_discrepancies(&mut unit, day).await?.len();
            #[expect(clippy::cast_precision_loss, reason = "a count of discrepancies")]
            metrics::gauge!("flysk_tbank_discrepancies").set(all as f64);
            tracing::info!(%day, discrepancies = all, "day reconciled with the bank");
        }
        run.done(unit).await
    }
}

async fn compare_purchase(
    run: &JobContext,
    acquiring: &Acquiring,
    purchase: &Purchase,
    day: NaiveDate,
) -> Result<Vec<DiscrepancyRow>, JobError> {
    let row = |kind: &str, payment_id, ours, banks| DiscrepancyRow {
        day,
        kind: kind.to_owned(),
        order_id: purchase.order_id.clone(),
        payment_id,
        purchase_id: Some(purchase.id),
        ours,
        banks,
        found_at: run.now(),
    };
    if purchase.terminal_key != acquiring.config.terminal_key {
        let ours = format!("terminal {}", purchase.terminal_key);
        return Ok(vec![row("other_terminal", None, ours, "cannot be queried".to_owned())]);
    }
    let order = match acquiring.bank.check_order(&purchase.order_id).await {
        Ok(order) => order,
        Err(error) if error.outcome() == FailureAction::GiveUp => {
            let banks = error.refusal().map_or("no answer".to_owned(), |refusal| refusal.code.clone());
            return Ok(vec![row("unanswered", None, purchase.state.as_str().to_owned(), banks)]);
        }
        Err(error) => return Err(TBankError::into_job_error(error)),
    };
    let totals = refund_totals(run, acquiring, purchase, &order).await?;
    let found = compare_order(purchase, &order, totals).into_iter();
    let mut found: Vec<DiscrepancyRow> =
        found.map(|one| row(one.kind, one.payment_id, one.ours, one.banks)).collect();
    if let Some(discrepancy) = purchase.discrepancy {
        found.push(row(
            "needs_review",
            purchase.payment_id.clone(),
            discrepancy.to_string(),
            "see above".to_owned(),
        ));
    }
    Ok(found)
}

async fn refund_totals(
    run: &JobContext,
    acquiring: &Acquiring,
    purchase: &Purchase,
    order: &PaymentsOfOrder,
) -> Result<RefundTotals, JobError> {
    let mut totals = RefundTotals::default();
    if purchase.refunded.is_positive() {
        let refunds = purchases::list_refunds(&mut *run.pool().acquire().await?, purchase.id).await?;
        totals.under_way = refunds.iter().any(|refund| !refund.state.has_ended());
    }
    if let Some(payment) = partly_refunded(purchase, order) {
        totals.left = match acquiring.bank.state(&payment.payment_id).await {
            Ok(payment) => payment.amount,
            Err(error) if error.outcome() == FailureAction::GiveUp => None,
            Err(error) => return Err(TBankError::into_job_error(error)),
        };
    }
    Ok(totals)
}

/// Notifications without a purchase and unfinished refunds.
async fn find_unmatched(run: &JobContext, day: NaiveDate) -> Result<Vec<DiscrepancyRow>, JobError> {
    let (from, until) = day_bounds(day);
    let mut conn = run.pool().acquire().await?;
    let notifications =
        purchases::list_unapplied_notifications(&mut conn, from, until, MAX_REPORTED_ROWS).await?;
    let refunds =
        purchases::list_stuck_refunds(&mut conn, run.now() - REFUND_STUCK_AFTER, MAX_REPORTED_ROWS).await?;
    let on_its_way = |notification: &NotificationRow| {
        notification.state == NotificationState::New
            && notification.received_at > run.now() - NOTIFICATION_GRACE
    };
    let of_notification =
        notifications.into_iter().filter(|notification| !on_its_way(notification)).map(|notification| {
            let (kind, ours) = match notification.state {
                NotificationState::New => ("unread_notification", "stored but not applied"),
                _ => ("unknown_order", "no such order"),
            };
            DiscrepancyRow {
                day,
                kind: kind.to_owned(),
                order_id: notification.key.order_id,
                payment_id: Some(notification.key.payment_id),
                purchase_id: None,
                ours: ours.to_owned(),
                banks: format!("{} of {}", notification.key.status, notification.key.amount),
                found_at: run.now(),
            }
        });
    let of_refund = refunds.into_iter().map(|refund| DiscrepancyRow {
        day,
        kind: "stuck_refund".to_owned(),
        order_id: order_id_of(refund.purchase_id),
        payment_id: None,
        purchase_id: Some(refund.purchase_id),
        ours: format!("refund {} of {}", refund.state.as_str(), refund.allocation.kopecks),
        banks: "unknown".to_owned(),
        found_at: run.now(),
    });
    Ok(of_notification.chain(of_refund).collect())
}

/// The order's number is the purchase's id.
fn order_id_of(purchase: PurchaseId) -> String {
    purchase.to_string()
}
