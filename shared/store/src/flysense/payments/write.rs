//! Writes of `flysense_payments`.

use chrono::{DateTime, Utc};
use flysk_domain::flysense::payment::{ReceiptLine, Work};
use flysk_domain::id::{AccountId, HoldId, TransactionId};
use flysk_domain::money::MicroCoins;
use sqlx::types::Json;

use super::RunOf;
use crate::error::expect_one;
use crate::{Conn, StoreResult};

/// A price and its calculation.
#[derive(Debug, Clone)]
pub struct Price {
    /// The total.
    pub amount: MicroCoins,
    /// Receipt lines of the total.
    pub lines: Vec<ReceiptLine>,
}

/// A hold that was placed.
#[derive(Debug, Clone)]
pub struct Hold {
    /// `hld_…`, ordered by the time of creation.
    pub id: HoldId,
    /// When the hold expires.
    pub expires_at: DateTime<Utc>,
    /// Price that the hold covers.
    pub price: Price,
}

/// A completed charge.
#[derive(Debug, Clone)]
pub struct Paid {
    /// Price charged.
    pub price: Price,
    /// The platform's transaction, if its response contained it.
    pub transaction: Option<TransactionId>,
}

/// Stores the work planned for a run, before a hold is requested. A payment past `unpaid` does not change.
pub async fn plan(
    conn: &mut Conn,
    of: RunOf,
    account: AccountId,
    work: Work,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO flysense_payments (transcription_id, run, account_id, state, seconds, summaries, created_at, updated_at)
         VALUES (?, ?, ?, 'unpaid', ?, ?, ?, ?)
         ON DUPLICATE KEY UPDATE seconds = IF(state = 'unpaid', VALUES(seconds), seconds),
                                 summaries = IF(state = 'unpaid', VALUES(summaries), summaries)",
    )
    .bind(of.id.to_string())
    .bind(of.run)
    .bind(account.0)
    .bind(work.seconds)
    .bind(work.summaries)
    .bind(now)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Records the hold of an unpaid run.
pub async fn mark_held(conn: &mut Conn, of: RunOf, hold: &Hold, now: DateTime<Utc>) -> StoreResult<()> {
    let marked = sqlx::query(
        "UPDATE flysense_payments SET state = 'held', estimate_micro = ?, estimate = ?, hold_id = ?, hold_expires_at = ?,
                held_micro = ?, short_since = NULL, retry_at = NULL, updated_at = ?
         WHERE transcription_id = ? AND run = ? AND state = 'unpaid'",
    )
    .bind(hold.price.amount.0)
    .bind(Json(&hold.price.lines))
    .bind(hold.id.to_string())
    .bind(hold.expires_at)
    .bind(hold.price.amount.0)
    .bind(now)
    .bind(of.id.to_string())
    .bind(of.run)
    .execute(conn)
    .await?;
    expect_one(&marked, "payment")
}

/// Records the hold of a run that was cancelled in the meantime: the hold must be released.
pub async fn mark_hold_unused(
    conn: &mut Conn,
    of: RunOf,
    hold: &Hold,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let marked = sqlx::query(
        "UPDATE flysense_payments SET state = 'releasing', hold_id = ?, hold_expires_at = ?, held_micro = ?, updated_at = ?
         WHERE transcription_id = ? AND run = ? AND state IN ('unpaid', 'free')",
    )
    .bind(hold.id.to_string())
    .bind(hold.expires_at)
    .bind(hold.price.amount.0)
    .bind(now)
    .bind(of.id.to_string())
    .bind(of.run)
    .execute(conn)
    .await?;
    expect_one(&marked, "payment")
}

/// Clears a hold that expired before the work started and increments the hold number.
pub async fn clear_hold(conn: &mut Conn, of: RunOf, now: DateTime<Utc>) -> StoreResult<()> {
    let dropped = sqlx::query(
        "UPDATE flysense_payments SET state = 'unpaid', hold_number = hold_number + 1, hold_id = NULL,
                hold_expires_at = NULL, held_micro = NULL, updated_at = ?
         WHERE transcription_id = ? AND run = ? AND state IN ('unpaid', 'held')",
    )
    .bind(now)
    .bind(of.id.to_string())
    .bind(of.run)
    .execute(conn)
    .await?;
    expect_one(&dropped, "payment")
}

/// Records that the balance is insufficient; it is checked again at `retry_at`. `price` is the latest estimate.
pub async fn mark_insufficient_funds(
    conn: &mut Conn,
    of: RunOf,
    price: &Price,
    retry_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let short = sqlx::query(
        "UPDATE flysense_payments SET estimate_micro = ?, estimate = ?, short_since = COALESCE(short_since, ?), retry_at = ?,
                was_parked = was_parked OR state = 'unpaid', updated_at = ?
         WHERE transcription_id = ? AND run = ? AND state IN ('unpaid', 'owed')",
    )
    .bind(price.amount.0)
    .bind(Json(&price.lines))
    .bind(now)
    .bind(retry_at)
    .bind(now)
    .bind(of.id.to_string())
    .bind(of.run)
    .execute(conn)
    .await?;
    expect_one(&short, "payment")
}

/// Records that the balance suffices again. `short_since` is kept until the run is held or paid.
pub async fn mark_covered(conn: &mut Conn, of: RunOf, now: DateTime<Utc>) -> StoreResult<()> {
    sqlx::query(
        "UPDATE flysense_payments SET retry_at = NULL, updated_at = ? WHERE transcription_id = ? AND run = ?",
    )
    .bind(now)
    .bind(of.id.to_string())
    .bind(of.run)
    .execute(conn)
    .await?;
    Ok(())
}

/// Sets the next balance check of all waiting payments of an account.
pub async fn set_retry_at(conn: &mut Conn, account: AccountId, retry_at: DateTime<Utc>) -> StoreResult<()> {
    sqlx::query("UPDATE flysense_payments SET retry_at = ? WHERE account_id = ? AND retry_at IS NOT NULL")
        .bind(retry_at)
        .bind(account.0)
        .execute(conn)
        .await?;
    Ok(())
}

/// Records that there is a result and `work` was done; `false` if the run is free or paid already.
pub async fn mark_owed(
    conn: &mut Conn,
    of: RunOf,
    account: AccountId,
    work: Work,
    now: DateTime<Utc>,
) -> StoreResult<bool> {
    plan(conn, of, account, work, now).await?;
    let owed = sqlx::query(
        "UPDATE flysense_payments SET state = 'owed', seconds = ?, summaries = ?, updated_at = ?
         WHERE transcription_id = ? AND run = ? AND state IN ('unpaid', 'held')",
    )
    .bind(work.seconds)
    .bind(work.summaries)
    .bind(now)
    .bind(of.id.to_string())
    .bind(of.run)
    .execute(conn)
    .await?;
    Ok(owed.rows_affected() == 1)
}

/// Records the charge of an owed run.
pub async fn mark_paid(conn: &mut Conn, of: RunOf, paid: &Paid, now: DateTime<Utc>) -> StoreResult<()> {
    let marked = sqlx::query(
        "UPDATE flysense_payments SET state = 'paid', charged_micro = ?, receipt = ?, transaction_id = ?, short_since = NULL,
                retry_at = NULL, updated_at = ?, paid_at = ?
         WHERE transcription_id = ? AND run = ? AND state = 'owed'",
    )
    .bind(paid.price.amount.0)
    .bind(Json(&paid.price.lines))
    .bind(paid.transaction.map(|id| id.to_string()))
    .bind(now)
    .bind(now)
    .bind(of.id.to_string())
    .bind(of.run)
    .execute(conn)
    .await?;
    expect_one(&marked, "payment")
}

/// Records that there will be no result, or that what was owed was not done: the hold must be released.
pub async fn mark_releasing(conn: &mut Conn, of: RunOf, now: DateTime<Utc>) -> StoreResult<()> {
    let releasing = sqlx::query(
        "UPDATE flysense_payments SET state = 'releasing', retry_at = NULL, short_since = NULL, updated_at = ?
         WHERE transcription_id = ? AND run = ? AND state IN ('held', 'owed')",
    )
    .bind(now)
    .bind(of.id.to_string())
    .bind(of.run)
    .execute(conn)
    .await?;
    expect_one(&releasing, "payment")
}

/// Marks a run as free. A paid run does not change.
pub async fn mark_not_charged(conn: &mut Conn, of: RunOf, now: DateTime<Utc>) -> StoreResult<()> {
    sqlx::query(
        "UPDATE flysense_payments SET state = 'free', retry_at = NULL, short_since = NULL, updated_at = ?
         WHERE transcription_id = ? AND run = ? AND state <> 'paid'",
    )
    .bind(now)
    .bind(of.id.to_string())
    .bind(of.run)
    .execute(conn)
    .await?;
    Ok(())
}
