//! Reads of `flysense_payments`.

use chrono::{DateTime, Utc};
use flysk_domain::id::AccountId;
use flysk_domain::money::MicroCoins;

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

/// Lists at most `limit` payments of an account that wait for coins and cost at most `price` each: owed results first, then
/// unpaid calls, each oldest first. An unknown price counts as the smallest amount.
pub async fn list_waiting(
    conn: &mut Conn,
    account: AccountId,
    price: MicroCoins,
    limit: u32,
) -> StoreResult<Vec<Payment>> {
    Ok(sqlx::query_as(sql!(
        SELECT,
        "account_id = ? AND retry_at IS NOT NULL AND COALESCE(estimate_micro, 1) <= ?
         ORDER BY state = 'owed' DESC, transcription_id, run LIMIT ?"
    ))
    .bind(account.0)
    .bind(price.0)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// Payments of an account that wait for coins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shortage {
    /// Since when the one waits that began to wait last.
    pub latest: DateTime<Utc>,
    /// Their number.
    pub payments: u64,
}

/// Finds the payments of an account that wait for coins; `None` if none waits.
pub async fn find_shortage(conn: &mut Conn, account: AccountId) -> StoreResult<Option<Shortage>> {
    let (latest, payments): (Option<DateTime<Utc>>, i64) = sqlx::query_as(
        "SELECT MAX(short_since), COUNT(*) FROM flysense_payments WHERE account_id = ? AND retry_at IS NOT NULL",
    )
    .bind(account.0)
    .fetch_one(conn)
    .await?;
    let payments = u64::try_from(payments).unwrap_or_default();
    Ok(latest.map(|latest| Shortage { latest, payments }))
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
