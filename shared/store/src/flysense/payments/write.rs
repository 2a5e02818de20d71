//! Writes of `flysense_payments`.

use chrono::{DateTime, Utc};
use flysk_domain::flysense::payment::{ReceiptLine, Work};
use flysk_domain::id::{AccountId, HoldId, TransactionId};
use flysk_domain::money::MicroCoins;
use sqlx::types::Json;

use super::RunOf;
use crate::error::expect_one;
use crate::{Conn, StoreResult};

/// A price and how it came about.
#[derive(Debug, Clone)]
pub struct Price {
    /// The sum.
    pub amount: MicroCoins,
    /// By which prices.
    pub lines: Vec<ReceiptLine>,
}

/// A hold that was placed.
#[derive(Debug, Clone)]
pub struct Hold {
    /// Which.
    pub id: HoldId,
    /// When it frees itself.
    pub expires_at: DateTime<Utc>,
    /// How much, by which prices.
    pub price: Price,
}

/// Coins that were taken.
#[derive(Debug, Clone)]
pub struct Paid {
    /// How many, by which prices.
    pub price: Price,
    /// The platform's transaction, if it told it.
    pub transaction: Option<TransactionId>,
}

/// Notes the work that is planned for a run, before coins are asked for.
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

/// Coins are set aside.
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

/// Coins were set aside for a run that was cancelled meanwhile: the hold is to be given back.
pub async fn mark_held_in_vain(
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

/// The hold ran out before the work began: another is to be placed.
pub async fn drop_hold(conn: &mut Conn, of: RunOf, now: DateTime<Utc>) -> StoreResult<()> {
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

/// The wallet is short of it: it waits, and is looked at again at `retry_at`. `price` is what was told last.
pub async fn mark_short(
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

/// The wallet covers it again: its turn has come. How long it was short is kept until it is paid or held.
pub async fn cover(conn: &mut Conn, of: RunOf, now: DateTime<Utc>) -> StoreResult<()> {
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

/// Looks at what still waits of an account no earlier than `retry_at`.
pub async fn postpone(conn: &mut Conn, account: AccountId, retry_at: DateTime<Utc>) -> StoreResult<()> {
    sqlx::query("UPDATE flysense_payments SET retry_at = ? WHERE account_id = ? AND retry_at IS NOT NULL")
        .bind(retry_at)
        .bind(account.0)
        .execute(conn)
        .await?;
    Ok(())
}

/// There is a result, and `work` is what it took; `false` if it costs nothing or was paid before.
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

/// The coins were taken.
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

/// There will be no result: the hold is to be given back.
pub async fn mark_releasing(conn: &mut Conn, of: RunOf, now: DateTime<Utc>) -> StoreResult<()> {
    let releasing = sqlx::query(
        "UPDATE flysense_payments SET state = 'releasing', retry_at = NULL, short_since = NULL, updated_at = ?
         WHERE transcription_id = ? AND run = ? AND state = 'held'",
    )
    .bind(now)
    .bind(of.id.to_string())
    .bind(of.run)
    .execute(conn)
    .await?;
    expect_one(&releasing, "payment")
}

/// It costs nothing, after all. What was paid stays paid.
pub async fn mark_free(conn: &mut Conn, of: RunOf, now: DateTime<Utc>) -> StoreResult<()> {
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
