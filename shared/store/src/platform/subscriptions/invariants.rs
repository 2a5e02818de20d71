//! Invariants of subscriptions, checked on the rows. A violation means a defect, or jobs that do not run.

use chrono::{DateTime, TimeDelta, Utc};

use crate::{Conn, StoreResult};

/// Delay of a due step after which an alert is raised.
const STEP_LEEWAY: TimeDelta = TimeDelta::minutes(10);
/// Age of the oldest paid invoices that are checked; the check runs every hour.
const CHECKED_PERIOD: TimeDelta = TimeDelta::days(2);

/// A row that violates a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscriptionViolation {
    /// The rule.
    pub rule: &'static str,
    /// Id of the subscription.
    pub subscription_id: String,
}

/// Names of all rules.
pub const SUBSCRIPTION_RULES: [&str; 6] = [
    "step_overdue",
    "never_due",
    "open_after_end",
    "paid_not_effective",
    "active_without_payment",
    "days_without_reason",
];

/// Checks every rule; returns at most `limit` violations of each.
pub async fn verify_subscriptions(
    conn: &mut Conn,
    now: DateTime<Utc>,
    limit: u32,
) -> StoreResult<Vec<SubscriptionViolation>> {
    let [
        step_overdue,
        never_due,
        open_after_end,
        paid_not_effective,
        active_without_payment,
        days_without_reason,
    ] = SUBSCRIPTION_RULES;
    let mut found = Vec::new();
    // A trial or a period is over, and the scheduler has not noticed.
    let overdue: Vec<String> =
        sqlx::query_scalar("SELECT id FROM subscriptions WHERE next_due_at < ? ORDER BY next_due_at LIMIT ?")
            .bind(now - STEP_LEEWAY)
            .bind(limit)
            .fetch_all(&mut *conn)
            .await?;
    report(&mut found, step_overdue, overdue);
    let unscheduled: Vec<String> = sqlx::query_scalar(
        "SELECT id FROM subscriptions
         WHERE next_due_at IS NULL AND state IN ('trialing', 'active', 'renewing', 'past_due')
             AND needs_person = FALSE ORDER BY id LIMIT ?",
    )
    .bind(limit)
    .fetch_all(&mut *conn)
    .await?;
    report(&mut found, never_due, unscheduled);
    // Dunning after the end.
    let dunned: Vec<String> = sqlx::query_scalar(
        "SELECT s.id FROM subscription_invoices i JOIN subscriptions s ON s.id = i.subscription_id
         WHERE i.state = 'open' AND i.kind = 'renewal' AND s.state NOT IN ('active', 'renewing', 'past_due')
         ORDER BY s.id LIMIT ?",
    )
    .bind(limit)
    .fetch_all(&mut *conn)
    .await?;
    report(&mut found, open_after_end, dunned);
    report(&mut found, paid_not_effective, list_unextended(conn, now, limit).await?);
    report(&mut found, active_without_payment, list_unpaid(conn, limit).await?);
    report(&mut found, days_without_reason, list_unexplained(conn, limit).await?);
    Ok(found)
}

/// Subscriptions whose paid period did not become effective.
async fn list_unextended(conn: &mut Conn, now: DateTime<Utc>, limit: u32) -> StoreResult<Vec<String>> {
    let ids = sqlx::query_scalar(
        "SELECT s.id FROM subscription_invoices i FORCE INDEX (subscription_invoices_updated)
             JOIN subscriptions s ON s.id = i.subscription_id
         WHERE i.updated_at >= ? AND i.state = 'paid' AND i.period_slot > s.period_no
             AND (s.prepaid_until IS NULL OR i.period_slot > s.period_no + 1)
         ORDER BY s.id LIMIT ?",
    )
    .bind(now - CHECKED_PERIOD)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    Ok(ids)
}

/// Active subscriptions whose period is neither paid nor granted.
async fn list_unpaid(conn: &mut Conn, limit: u32) -> StoreResult<Vec<String>> {
    let ids = sqlx::query_scalar(
        "SELECT s.id FROM subscriptions s LEFT JOIN subscription_invoices i
             ON i.subscription_id = s.id AND i.period_slot = s.period_no AND i.state = 'paid'
         WHERE s.state = 'active' AND s.is_granted = FALSE AND i.id IS NULL ORDER BY s.id LIMIT ?",
    )
    .bind(limit)
    .fetch_all(conn)
    .await?;
    Ok(ids)
}

/// Active subscriptions whose period is granted, or ends later than what its invoice paid, although no bonus days moved its end
/// there.
async fn list_unexplained(conn: &mut Conn, limit: u32) -> StoreResult<Vec<String>> {
    let ids = sqlx::query_scalar(
        "SELECT s.id FROM subscriptions s LEFT JOIN subscription_invoices i
             ON i.subscription_id = s.id AND i.period_slot = s.period_no AND i.state = 'paid'
         WHERE s.state = 'active' AND (s.is_granted = TRUE OR s.period_until > i.period_until) AND NOT EXISTS (
             SELECT 1 FROM subscription_bonus_days b
             WHERE b.subscription_id = s.id AND b.moved_to = s.period_until)
         ORDER BY s.id LIMIT ?",
    )
    .bind(limit)
    .fetch_all(conn)
    .await?;
    Ok(ids)
}

fn report(found: &mut Vec<SubscriptionViolation>, rule: &'static str, ids: Vec<String>) {
    found.extend(ids.into_iter().map(|subscription_id| SubscriptionViolation { rule, subscription_id }));
}
