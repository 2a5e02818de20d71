//! Reads of `flysense_payments`.

use chrono::{DateTime, Utc};
use flysk_domain::id::AccountId;

use super::{Payment, RunOf};
use crate::sql_text::sql;
use crate::{Conn, StoreResult};

const SELECT: &str = "SELECT transcription_id, run, account_id, state, seconds, summaries, estimate_micro, estimate, hold_number,
            hold_id, hold_expires_at, held_micro, charged_micro, transaction_id, receipt, short_since, was_parked,
            paid_at
     FROM flysense_payments WHERE ";

/// Without a lock; `None` if the run does not exist.
pub async fn find(conn: &mut Conn, of: RunOf) -> StoreResult<Option<Payment>> {
    Ok(sqlx::query_as(sql!(SELECT, "transcription_id = ? AND run = ?"))
        .bind(of.id.to_string())
        .bind(of.run)
        .fetch_optional(conn)
        .await?)
}

/// Finds the payment of a run and locks its row until the transaction ends.
pub async fn lock(conn: &mut Conn, of: RunOf) -> StoreResult<Option<Payment>> {
    Ok(sqlx::query_as(sql!(SELECT, "transcription_id = ? AND run = ? FOR UPDATE"))
        .bind(of.id.to_string())
        .bind(of.run)
        .fetch_optional(conn)
        .await?)
}

/// Lists at most `limit` payments of an account that wait for coins: owed results first, then unpaid calls, each oldest
/// first.
pub async fn list_waiting(conn: &mut Conn, account: AccountId, limit: u32) -> StoreResult<Vec<Payment>> {
    Ok(sqlx::query_as(sql!(
        SELECT,
        "account_id = ? AND retry_at IS NOT NULL ORDER BY state = 'owed' DESC, transcription_id, run LIMIT ?"
    ))
    .bind(account.0)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// Lists at most `limit` accounts after `after`, by id, whose balance is due to be checked at `now`.
pub async fn list_due_accounts(
    conn: &mut Conn,
    now: DateTime<Utc>,
    after: AccountId,
    limit: u32,
) -> StoreResult<Vec<AccountId>> {
    let found: Vec<u64> = sqlx::query_scalar(
        "SELECT DISTINCT account_id FROM flysense_payments
         WHERE retry_at <= ? AND account_id > ? ORDER BY account_id LIMIT ?",
    )
    .bind(now)
    .bind(after.0)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    Ok(found.into_iter().map(AccountId).collect())
}
