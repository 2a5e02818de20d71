//! Invariants of what is to come: whose subscription it is, when its period begins, and what should have been done by now.

use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::platform::subscriptions::moscow_day;

use super::invariants::SubscriptionViolation;
use crate::{Conn, StoreResult};

/// Delay of a due charge or receipt after which an alert is raised: many are due in the same hour, and the terminal's limit
/// on requests spreads them.
const CHARGE_LEEWAY: TimeDelta = TimeDelta::hours(1);

/// The next job of a receipt that should have been sent is due within this time: within minutes, or a day after the bank refused it. It
/// spares the check the receipts of all periods that run.
const RECEIPT_HORIZON: TimeDelta = TimeDelta::days(2);

/// Names of all rules.
pub const SCHEDULE_RULES: [&str; 4] =
    ["period_in_future", "install_missing", "charge_overdue", "receipt_overdue"];

/// Checks every rule; returns at most `limit` violations of each.
pub async fn verify_schedule(
    conn: &mut Conn,
    now: DateTime<Utc>,
    limit: u32,
) -> StoreResult<Vec<SubscriptionViolation>> {
    let [in_future, install_missing, charge_overdue, receipt_overdue] = SCHEDULE_RULES;
    let mut found = Vec::new();
    // Paid days would be lost until then. A period that is paid ahead has columns of its own.
    let ids = sqlx::query_scalar(
        "SELECT id FROM subscriptions WHERE state = 'active' AND period_from > ? ORDER BY id LIMIT ?",
    )
    .bind(moscow_day(now))
    .bind(limit)
    .fetch_all(&mut *conn)
    .await?;
    found.extend(SubscriptionViolation::of(in_future, ids));
    // Nobody could see, cancel or unlink it.
    let ids = sqlx::query_scalar(
        "SELECT s.id FROM subscriptions s LEFT JOIN installs i ON i.id = s.install_id
         WHERE s.state IN ('trialing', 'active', 'renewing', 'past_due') AND i.id IS NULL ORDER BY s.id LIMIT ?",
    )
    .bind(limit)
    .fetch_all(&mut *conn)
    .await?;
    found.extend(SubscriptionViolation::of(install_missing, ids));
    let ids = sqlx::query_scalar(
        "SELECT subscription_id FROM subscription_invoices WHERE charge_at < ? ORDER BY charge_at LIMIT ?",
    )
    .bind(now - CHARGE_LEEWAY)
    .bind(limit)
    .fetch_all(&mut *conn)
    .await?;
    found.extend(SubscriptionViolation::of(charge_overdue, ids));
    // What was paid and not refunded needs its closing receipt at the end of the period. Each attempt to send it moves `due_at`.
    let ids = sqlx::query_scalar(
        "SELECT i.subscription_id FROM invoice_receipts r JOIN subscription_invoices i ON i.id = r.invoice_id
         WHERE r.state IN ('waiting', 'sending') AND r.due_at < ? AND i.period_until <= ?
         ORDER BY r.id LIMIT ?",
    )
    .bind(now + RECEIPT_HORIZON)
    .bind(moscow_day(now - CHARGE_LEEWAY))
    .bind(limit)
    .fetch_all(&mut *conn)
    .await?;
    found.extend(SubscriptionViolation::of(receipt_overdue, ids));
    Ok(found)
}
