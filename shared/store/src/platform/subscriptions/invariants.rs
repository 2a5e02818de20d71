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
    /// Name of the violated rule.
    pub rule: &'static str,
    /// `sub_…`, as stored.
    pub subscription_id: String,
}

impl SubscriptionViolation {
    /// The violations of a rule by these subscriptions.
    pub(crate) fn of(rule: &'static str, ids: Vec<String>) -> impl Iterator<Item = Self> {
        ids.into_iter().map(move |subscription_id| Self { rule, subscription_id })
    }
}

/// The scheduler performs a step soon after it is due: it notices that a trial or a period is over.
const STEP_OVERDUE: &str = "step_overdue";
/// A live subscription has a next step, unless a person has to decide.
const NEVER_DUE: &str = "never_due";
/// Nobody is dunned after the end.
const OPEN_AFTER_END: &str = "open_after_end";
/// A paid period becomes effective.
const PAID_NOT_EFFECTIVE: &str = "paid_not_effective";
/// The period of an active subscription is paid, and not refunded whole, or granted.
const ACTIVE_WITHOUT_PAYMENT: &str = "active_without_payment";
/// The end of a period that is granted, or ends later than what its invoice paid, was moved there by bonus days.
const DAYS_WITHOUT_REASON: &str = "days_without_reason";

/// Names of all rules.
pub const SUBSCRIPTION_RULES: [&str; 6] = [
    STEP_OVERDUE,
    NEVER_DUE,
    OPEN_AFTER_END,
    PAID_NOT_EFFECTIVE,
    ACTIVE_WITHOUT_PAYMENT,
    DAYS_WITHOUT_REASON,
];

/// Rules of all subscriptions. Each statement takes a limit, and returns the subscriptions that violate the rule.
const RULES_OF_ALL_ROWS: [(&str, &str); 4] = [
    (
        NEVER_DUE,
        "SELECT id FROM subscriptions
         WHERE next_due_at IS NULL AND state IN ('trialing', 'active', 'renewing', 'past_due')
             AND needs_person = FALSE ORDER BY id LIMIT ?",
    ),
    (
        OPEN_AFTER_END,
        "SELECT s.id FROM subscription_invoices i JOIN subscriptions s ON s.id = i.subscription_id
         WHERE i.state = 'open' AND i.kind = 'renewal' AND s.state NOT IN ('active', 'renewing', 'past_due')
         ORDER BY s.id LIMIT ?",
    ),
    (
        ACTIVE_WITHOUT_PAYMENT,
        "SELECT s.id FROM subscriptions s LEFT JOIN subscription_invoices i
             ON i.subscription_id = s.id AND i.period_slot = s.period_no AND i.state = 'paid'
                 AND (i.refunded_kopecks = 0 OR i.refunded_kopecks < i.total_kopecks)
         WHERE s.state = 'active' AND s.is_granted = FALSE AND i.id IS NULL ORDER BY s.id LIMIT ?",
    ),
    (
        DAYS_WITHOUT_REASON,
        "SELECT s.id FROM subscriptions s LEFT JOIN subscription_invoices i
             ON i.subscription_id = s.id AND i.period_slot = s.period_no AND i.state = 'paid'
         WHERE s.state = 'active' AND (s.is_granted = TRUE OR s.period_until > i.period_until) AND NOT EXISTS (
             SELECT 1 FROM subscription_bonus_days b
             WHERE b.subscription_id = s.id AND b.moved_to = s.period_until)
         ORDER BY s.id LIMIT ?",
    ),
];

/// Checks every rule; returns at most `limit` violations of each.
pub async fn verify_subscriptions(
    conn: &mut Conn,
    now: DateTime<Utc>,
    limit: u32,
) -> StoreResult<Vec<SubscriptionViolation>> {
    let mut found = Vec::new();
    let ids =
        sqlx::query_scalar("SELECT id FROM subscriptions WHERE next_due_at < ? ORDER BY next_due_at LIMIT ?")
            .bind(now - STEP_LEEWAY)
            .bind(limit)
            .fetch_all(&mut *conn)
            .await?;
    found.extend(SubscriptionViolation::of(STEP_OVERDUE, ids));
    let ids = sqlx::query_scalar(
        "SELECT s.id FROM subscription_invoices i FORCE INDEX (subscription_invoices_updated)
             JOIN subscriptions s ON s.id = i.subscription_id
         WHERE i.updated_at >= ? AND i.state = 'paid' AND i.period_slot > s.period_no
             AND (s.prepaid_until IS NULL OR i.period_slot > s.period_no + 1)
         ORDER BY s.id LIMIT ?",
    )
    .bind(now - CHECKED_PERIOD)
    .bind(limit)
    .fetch_all(&mut *conn)
    .await?;
    found.extend(SubscriptionViolation::of(PAID_NOT_EFFECTIVE, ids));
    for (rule, statement) in RULES_OF_ALL_ROWS {
        let ids = sqlx::query_scalar(statement).bind(limit).fetch_all(&mut *conn).await?;
        found.extend(SubscriptionViolation::of(rule, ids));
    }
    Ok(found)
}
