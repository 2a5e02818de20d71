//! Tables around a subscription: pending changes, bonus days, notices, and the log of actions.

use chrono::{DateTime, NaiveDate, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::id::{InvoiceId, SubscriptionId};
use flysk_domain::platform::subscriptions::{PendingChange, PendingKind, PeriodLength};
use serde_json::Value;

use super::{decode_json, encode_json};
use crate::error::unless_duplicate;
use crate::platform::cache_invalidations;
use crate::text_column::decode_text;
use crate::{Conn, StoreError, StoreResult};

/// Stores a change for the next period; an earlier one of its kind is replaced.
pub async fn put_pending(
    conn: &mut Conn,
    subscription: SubscriptionId,
    change: PendingChange,
    requested_by: &str,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let (plan, seats, months) = match change {
        PendingChange::Plan(plan) => (Some(plan.to_string()), None, None),
        PendingChange::Seats(seats) => (None, Some(seats), None),
        PendingChange::Length(length) => (None, None, Some(length.months())),
    };
    sqlx::query(
        "INSERT INTO subscription_pending_changes (subscription_id, kind, plan_id, seats, months, requested_by,
             requested_at)
         VALUES (?, ?, ?, ?, ?, ?, ?)
         ON DUPLICATE KEY UPDATE plan_id = VALUES(plan_id), seats = VALUES(seats), months = VALUES(months),
             requested_by = VALUES(requested_by), requested_at = VALUES(requested_at)",
    )
    .bind(subscription.to_string())
    .bind(change.kind().as_str())
    .bind(plan)
    .bind(seats)
    .bind(months)
    .bind(requested_by)
    .bind(now)
    .execute(&mut *conn)
    .await?;
    cache_invalidations::record_subscription(conn, subscription).await
}

/// Kind, plan, seats and months of a pending change.
type PendingColumns = (String, Option<String>, Option<u32>, Option<u32>);

/// Lists the changes that wait for the next period.
pub async fn list_pending(conn: &mut Conn, subscription: SubscriptionId) -> StoreResult<Vec<PendingChange>> {
    let rows: Vec<PendingColumns> = sqlx::query_as(
        "SELECT kind, plan_id, seats, months FROM subscription_pending_changes
         WHERE subscription_id = ? ORDER BY kind",
    )
    .bind(subscription.to_string())
    .fetch_all(conn)
    .await?;
    let wrong = || StoreError::InvalidRow { what: "pending change", reason: "a value is missing".to_owned() };
    rows.into_iter()
        .map(|(kind, plan, seats, months)| {
            Ok(match decode_text("kind of a pending change", &kind)? {
                PendingKind::Plan => {
                    PendingChange::Plan(decode_text("plan id", plan.as_deref().ok_or_else(wrong)?)?)
                }
                PendingKind::Seats => PendingChange::Seats(seats.ok_or_else(wrong)?),
                PendingKind::Length => {
                    let length = PeriodLength::try_from(months.ok_or_else(wrong)?);
                    PendingChange::Length(length.map_err(|_| wrong())?)
                }
            })
        })
        .collect()
}

/// Withdraws a change that waits; `false` if there is none of its kind.
pub async fn delete_pending(
    conn: &mut Conn,
    subscription: SubscriptionId,
    kind: PendingKind,
) -> StoreResult<bool> {
    let deleted =
        sqlx::query("DELETE FROM subscription_pending_changes WHERE subscription_id = ? AND kind = ?")
            .bind(subscription.to_string())
            .bind(kind.as_str())
            .execute(&mut *conn)
            .await?;
    let is_deleted = deleted.rows_affected() > 0;
    if is_deleted {
        cache_invalidations::record_subscription(conn, subscription).await?;
    }
    Ok(is_deleted)
}

/// Removes a change that waits and was asked for at `until` or earlier; `false` if there is none of its kind.
pub async fn delete_pending_until(
    conn: &mut Conn,
    subscription: SubscriptionId,
    kind: PendingKind,
    until: DateTime<Utc>,
) -> StoreResult<bool> {
    let deleted = sqlx::query(
        "DELETE FROM subscription_pending_changes WHERE subscription_id = ? AND kind = ? AND requested_at <= ?",
    )
    .bind(subscription.to_string())
    .bind(kind.as_str())
    .bind(until)
    .execute(&mut *conn)
    .await?;
    let is_deleted = deleted.rows_affected() > 0;
    if is_deleted {
        cache_invalidations::record_subscription(conn, subscription).await?;
    }
    Ok(is_deleted)
}

/// Removes all changes that wait: they took effect, or the subscription ended.
pub async fn clear_pending(conn: &mut Conn, subscription: SubscriptionId) -> StoreResult<()> {
    let cleared = sqlx::query("DELETE FROM subscription_pending_changes WHERE subscription_id = ?")
        .bind(subscription.to_string())
        .execute(&mut *conn)
        .await?;
    if cleared.rows_affected() > 0 {
        cache_invalidations::record_subscription(conn, subscription).await?;
    }
    Ok(())
}

/// Bonus days granted by an operator.
#[derive(Debug)]
pub struct BonusGrant<'a> {
    /// Row of `subscriptions`; an install has at most one.
    pub subscription_id: SubscriptionId,
    /// Number of days.
    pub days: u32,
    /// The boundary before.
    pub moved_from: Option<NaiveDate>,
    /// The boundary after.
    pub moved_to: NaiveDate,
    /// Given by the operator, for the records.
    pub reason: &'a str,
    /// Operator who granted the days.
    pub granted_by: &'a str,
    /// When the boundary was moved.
    pub granted_at: DateTime<Utc>,
}

/// Records bonus days.
pub async fn insert_bonus(conn: &mut Conn, grant: &BonusGrant<'_>) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO subscription_bonus_days (subscription_id, days, moved_from, moved_to, reason, granted_by,
             granted_at)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(grant.subscription_id.to_string())
    .bind(grant.days)
    .bind(grant.moved_from)
    .bind(grant.moved_to)
    .bind(grant.reason)
    .bind(grant.granted_by)
    .bind(grant.granted_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// Sums the bonus days that a subscription was granted since a time.
pub async fn sum_bonus_days_since(
    conn: &mut Conn,
    subscription: SubscriptionId,
    since: DateTime<Utc>,
) -> StoreResult<u32> {
    let days: i64 = sqlx::query_scalar(
        "SELECT CAST(COALESCE(SUM(days), 0) AS SIGNED) FROM subscription_bonus_days
         WHERE subscription_id = ? AND granted_at >= ?",
    )
    .bind(subscription.to_string())
    .bind(since)
    .fetch_one(conn)
    .await?;
    Ok(u32::try_from(days).unwrap_or(u32::MAX))
}

/// Records a notice; `false` if it was given before.
pub async fn insert_notice(
    conn: &mut Conn,
    subscription: SubscriptionId,
    kind: &str,
    about: NaiveDate,
    days_before: u32,
    now: DateTime<Utc>,
) -> StoreResult<bool> {
    let inserted = sqlx::query(
        "INSERT INTO subscription_notices (subscription_id, kind, about_on, days_before, noted_at)
         VALUES (?, ?, ?, ?, ?)",
    )
    .bind(subscription.to_string())
    .bind(kind)
    .bind(about)
    .bind(days_before)
    .bind(now)
    .execute(conn)
    .await;
    unless_duplicate(inserted)
}

/// When the first notice of a kind about a day was given, at `since` or later; `None` if there was none.
pub async fn find_first_notice(
    conn: &mut Conn,
    subscription: SubscriptionId,
    kind: &str,
    about: NaiveDate,
    since: DateTime<Utc>,
) -> StoreResult<Option<DateTime<Utc>>> {
    let noted_at = sqlx::query_scalar(
        "SELECT noted_at FROM subscription_notices
         WHERE subscription_id = ? AND kind = ? AND about_on = ? AND noted_at >= ? ORDER BY noted_at LIMIT 1",
    )
    .bind(subscription.to_string())
    .bind(kind)
    .bind(about)
    .bind(since)
    .fetch_optional(conn)
    .await?;
    Ok(noted_at)
}

/// An entry of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// Row of `subscriptions`; an install has at most one.
    pub subscription_id: SubscriptionId,
    /// Actor: `user:<id>`, `operator:<name>`, `letter`, `bank` or `system`.
    pub actor: String,
    /// Code of the action, at most 32 ASCII characters.
    pub action: String,
    /// Why; required of operators.
    pub reason: Option<String>,
    /// The invoice that it concerns.
    pub invoice_id: Option<InvoiceId>,
    /// State before and after, and other data: a JSON object without secrets.
    pub details: Value,
    /// When the subscription was changed.
    pub acted_at: DateTime<Utc>,
}

/// Appends to the log.
pub async fn insert_action(conn: &mut Conn, action: &Action) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO subscription_actions (subscription_id, actor, action, reason, invoice_id, details, acted_at)
         VALUES (?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(action.subscription_id.to_string())
    .bind(&action.actor)
    .bind(&action.action)
    .bind(&action.reason)
    .bind(action.invoice_id.map(|id| id.to_string()))
    .bind(encode_json("action's details", &action.details)?)
    .bind(action.acted_at)
    .execute(conn)
    .await?;
    Ok(())
}

#[derive(sqlx::FromRow)]
struct ActionRow {
    actor: String,
    action: String,
    reason: Option<String>,
    invoice_id: Option<String>,
    details: String,
    acted_at: DateTime<Utc>,
}

impl ActionRow {
    fn into_action(self, subscription: SubscriptionId) -> StoreResult<Action> {
        Ok(Action {
            subscription_id: subscription,
            actor: self.actor,
            action: self.action,
            reason: self.reason,
            invoice_id: self.invoice_id.as_deref().map(|id| decode_text("invoice id", id)).transpose()?,
            details: decode_json("action's details", &self.details)?,
            acted_at: self.acted_at,
        })
    }
}

/// Lists the newest entries of a subscription's log.
pub async fn list_actions(
    conn: &mut Conn,
    subscription: SubscriptionId,
    limit: u32,
) -> StoreResult<Vec<Action>> {
    let rows: Vec<ActionRow> = sqlx::query_as(
        "SELECT actor, action, reason, invoice_id, details, acted_at FROM subscription_actions
         WHERE subscription_id = ? ORDER BY id DESC LIMIT ?",
    )
    .bind(subscription.to_string())
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(|row| row.into_action(subscription)).collect()
}

/// Lists the newest entries of a subscription's log that were written before a time.
pub async fn list_actions_before(
    conn: &mut Conn,
    subscription: SubscriptionId,
    before: DateTime<Utc>,
    limit: u32,
) -> StoreResult<Vec<Action>> {
    let rows: Vec<ActionRow> = sqlx::query_as(
        "SELECT actor, action, reason, invoice_id, details, acted_at FROM subscription_actions
         WHERE subscription_id = ? AND acted_at < ? ORDER BY id DESC LIMIT ?",
    )
    .bind(subscription.to_string())
    .bind(before.naive_utc())
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(|row| row.into_action(subscription)).collect()
}
