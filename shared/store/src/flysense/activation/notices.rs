//! Table `activation_notices`: notices that were queued; and the numbers that they report.

use chrono::{DateTime, NaiveDate, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::flysense::activation::notices::{NoticeKind, WeekOfCalls};
use flysk_domain::id::{AccountId, BindingId, BotMessageId};
use sqlx::types::Json;

use crate::text_column::decode_text;
use crate::{Conn, StoreError, StoreResult};

/// Records that a notice of `kind` is queued for a person on `day`; `false` if one was queued before.
pub async fn claim(
    conn: &mut Conn,
    binding_id: BindingId,
    kind: NoticeKind,
    day: NaiveDate,
    message_id: BotMessageId,
    now: DateTime<Utc>,
) -> StoreResult<bool> {
    let inserted = sqlx::query(
        "INSERT INTO activation_notices (binding_id, kind, local_day, message_id, created_at) VALUES (?, ?, ?, ?, ?)",
    )
    .bind(binding_id.to_string())
    .bind(kind.as_str())
    .bind(day)
    .bind(message_id.to_string())
    .bind(now)
    .execute(conn)
    .await
    .map_err(StoreError::from);
    match inserted {
        Ok(_) => Ok(true),
        Err(StoreError::Duplicate { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether a notice of `kind` was queued for a person on `day`.
pub async fn is_claimed(
    conn: &mut Conn,
    binding_id: BindingId,
    kind: NoticeKind,
    day: NaiveDate,
) -> StoreResult<bool> {
    let known: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM activation_notices WHERE binding_id = ? AND kind = ? AND local_day = ?",
    )
    .bind(binding_id.to_string())
    .bind(kind.as_str())
    .bind(day)
    .fetch_one(conn)
    .await?;
    Ok(known > 0)
}

/// Whether a message is a notice whose person is not bound any more, or has switched its kind off since it was queued.
pub async fn is_withdrawn(conn: &mut Conn, message_id: BotMessageId) -> StoreResult<bool> {
    let found: Option<(String, Option<Json<Vec<NoticeKind>>>)> = sqlx::query_as(
        "SELECT n.kind, b.muted FROM activation_notices n
         LEFT JOIN activation_bindings b ON b.id = n.binding_id WHERE n.message_id = ?",
    )
    .bind(message_id.to_string())
    .fetch_optional(conn)
    .await?;
    let Some((kind, muted)) = found else { return Ok(false) };
    let kind: NoticeKind = decode_text("kind of notices", &kind)?;
    Ok(muted.is_none_or(|muted| muted.0.contains(&kind)))
}

/// A notice that the messenger did not deliver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UndeliveredNotice {
    /// The person's binding.
    pub binding_id: BindingId,
    /// amoCRM's number of the account.
    pub account_id: AccountId,
    /// Decides the text of the letter that replaces the notice.
    pub kind: NoticeKind,
}

/// Finds the notice of a message, if the person's e-mail address is known and no other binding of the same user reaches the
/// person.
pub async fn find_undelivered(
    conn: &mut Conn,
    message_id: BotMessageId,
) -> StoreResult<Option<UndeliveredNotice>> {
    let found: Option<(String, u64, String)> = sqlx::query_as(
        "SELECT n.binding_id, b.account_id, n.kind FROM activation_notices n
         JOIN activation_bindings b ON b.id = n.binding_id
         WHERE n.message_id = ? AND b.email_sealed IS NOT NULL AND NOT EXISTS (
             SELECT 1 FROM activation_bindings o
             WHERE o.account_id = b.account_id AND o.user_id = b.user_id AND o.id <> b.id AND o.state = 'active')",
    )
    .bind(message_id.to_string())
    .fetch_optional(conn)
    .await?;
    let Some((binding, account, kind)) = found else { return Ok(None) };
    Ok(Some(UndeliveredNotice {
        binding_id: decode_text("binding id", &binding)?,
        account_id: AccountId(account),
        kind: decode_text("kind of notices", &kind)?,
    }))
}

/// Deletes at most `limit` records created before `before`; returns how many.
pub async fn prune(conn: &mut Conn, before: DateTime<Utc>, limit: u32) -> StoreResult<u64> {
    let pruned =
        sqlx::query("DELETE FROM activation_notices WHERE created_at < ? ORDER BY created_at LIMIT ?")
            .bind(before)
            .bind(limit)
            .execute(conn)
            .await?;
    Ok(pruned.rows_affected())
}

/// Lists at most `limit` active accounts after `after` with a person to write to, by id.
pub async fn list_accounts(
    conn: &mut Conn,
    after: Option<AccountId>,
    limit: u32,
) -> StoreResult<Vec<AccountId>> {
    let ids: Vec<u64> = sqlx::query_scalar(
        "SELECT DISTINCT a.account_id FROM flysense_accounts a
         JOIN activation_bindings b ON b.account_id = a.account_id
         WHERE a.status = 'active' AND (b.state = 'active' OR b.email_sealed IS NOT NULL) AND a.account_id > ?
         ORDER BY a.account_id LIMIT ?",
    )
    .bind(after.map_or(0, |id| id.0))
    .bind(limit)
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(AccountId).collect())
}

/// Micro-Flycoins that an account has spent since `since`.
pub async fn spent_since(conn: &mut Conn, account_id: AccountId, since: DateTime<Utc>) -> StoreResult<i64> {
    Ok(sqlx::query_scalar(
        "SELECT CAST(COALESCE(SUM(charged_micro), 0) AS SIGNED) FROM flysense_payments
         WHERE account_id = ? AND paid_at >= ?",
    )
    .bind(account_id.0)
    .bind(since)
    .fetch_one(conn)
    .await?)
}

/// Number of an account's calls that wait for the balance.
pub async fn count_waiting_calls(conn: &mut Conn, account_id: AccountId) -> StoreResult<i64> {
    Ok(sqlx::query_scalar(
        "SELECT COUNT(*) FROM transcriptions WHERE account_id = ? AND state = 'no_balance'",
    )
    .bind(account_id.0)
    .fetch_one(conn)
    .await?)
}

/// An account's calls that were transcribed since `since`. Reads a range of an index: the servers might prefer one of all calls of the
/// account that were ever transcribed.
pub async fn week_of_calls(
    conn: &mut Conn,
    account_id: AccountId,
    since: DateTime<Utc>,
) -> StoreResult<WeekOfCalls> {
    let (done, negative, duration_ms): (i64, i64, i64) = sqlx::query_as(
        "SELECT COUNT(*), CAST(COALESCE(SUM(sentiment = 'negative'), 0) AS SIGNED),
                CAST(COALESCE(SUM(duration_ms), 0) AS SIGNED)
         FROM transcriptions FORCE INDEX (transcriptions_account_finished)
         WHERE account_id = ? AND state = 'done' AND finished_at >= ?",
    )
    .bind(account_id.0)
    .bind(since)
    .fetch_one(conn)
    .await?;
    Ok(WeekOfCalls { done, negative, duration_ms })
}
