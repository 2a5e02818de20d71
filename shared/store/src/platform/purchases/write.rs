//! Writes of `coin_purchases`. The caller holds the row's lock, except where a function states otherwise.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::id::{LotId, PurchaseId, UserId, WalletId};
use flysk_domain::money::Kopecks;
use flysk_domain::platform::purchases::{Discrepancy, PaymentUpdate, PurchaseState};
use flysk_domain::platform::tbank::PaymentStatus;

use super::packages::Package;
use super::truncate_ascii;
use crate::error::expect_one;
use crate::{Conn, StoreResult};

/// Width of the column of the bank's status, in characters.
const MAX_STATUS_LEN: usize = 32;
const MAX_ERROR_CODE_LEN: usize = 16;

/// A purchase to be inserted.
#[derive(Debug)]
pub struct NewPurchase<'a> {
    /// Id, sent to the bank as the order number.
    pub id: PurchaseId,
    /// Wallet that receives the coins.
    pub wallet_id: WalletId,
    /// Package to buy.
    pub package: &'a Package,
    /// T-Bank terminal at which the money is taken.
    pub terminal_key: &'a str,
    /// Receipt's e-mail address, sealed for `coin_purchases.contact:<id>`.
    pub contact_sealed: &'a str,
    /// Keyed hash of the address ([`crate::contact_hashes`]).
    pub contact_hash: &'a [u8],
    /// Whether to save the card.
    pub save_card: bool,
    /// The user who buys.
    pub bought_by: UserId,
    /// Idempotency key of the request.
    pub key: &'a str,
    /// Hash of the request body, 64 hex digits.
    pub body_hash: &'a str,
    /// When the bank is queried, unless an update arrives earlier.
    pub poll_at: DateTime<Utc>,
    /// Time of the insertion, by the caller's clock.
    pub now: DateTime<Utc>,
}

/// Inserts a purchase. [`crate::StoreError::Duplicate`] on `coin_purchases_asked`: the key was used concurrently.
pub async fn insert_purchase(conn: &mut Conn, new: &NewPurchase<'_>) -> StoreResult<()> {
    let terms = &new.package.terms;
    sqlx::query(
        "INSERT INTO coin_purchases (id, wallet_id, package_id, price_kopecks, coins_micro, bonus_micro,
             bonus_days, state, terminal_key, order_id, contact_sealed, contact_hash, save_card, bought_by,
             idem_key, body_hash, poll_at, created_at, updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, 'created', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(new.id.to_string())
    .bind(new.wallet_id.to_string())
    .bind(new.package.id.to_string())
    .bind(terms.price.0)
    .bind(terms.coins.0)
    .bind(terms.bonus.0)
    .bind(terms.bonus_days)
    .bind(new.terminal_key)
    .bind(new.id.to_string())
    .bind(new.contact_sealed)
    .bind(new.contact_hash)
    .bind(new.save_card)
    .bind(new.bought_by.0)
    .bind(new.key)
    .bind(new.body_hash)
    .bind(new.poll_at)
    .bind(new.now)
    .bind(new.now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Records, before the call, that the bank is called: a retry queries the order's status first.
pub async fn mark_opening(conn: &mut Conn, id: PurchaseId, now: DateTime<Utc>) -> StoreResult<()> {
    let updated = sqlx::query(
        "UPDATE coin_purchases SET state = 'opening', updated_at = ? WHERE id = ? AND state = 'created'",
    )
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    expect_one(&updated, "purchase")
}

/// Records that the payment form is open. A purchase that a faster notification moved further keeps its state.
pub async fn mark_form_open(
    conn: &mut Conn,
    id: PurchaseId,
    payment_id: &str,
    payment_url: &str,
    status: &PaymentStatus,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let updated = sqlx::query(
        "UPDATE coin_purchases SET payment_id = ?, payment_url = ?, bank_status = COALESCE(bank_status, ?),
                state = CASE WHEN state = 'opening' THEN 'awaiting' ELSE state END, updated_at = ?
         WHERE id = ? AND (payment_id IS NULL OR payment_id = ?)",
    )
    .bind(payment_id)
    .bind(payment_url)
    .bind(truncate_ascii(status.name(), MAX_STATUS_LEN))
    .bind(now)
    .bind(id.to_string())
    .bind(payment_id)
    .execute(conn)
    .await?;
    expect_one(&updated, "purchase")
}

/// Records the bank's data about the payment and moves the purchase to `state`. `rebill_sealed` is the rebill id, with
/// which the card can be charged later, sealed for `coin_purchases.rebill:<id>`.
pub async fn record_payment_status(
    conn: &mut Conn,
    id: PurchaseId,
    update: &PaymentUpdate,
    rebill_sealed: Option<&str>,
    state: PurchaseState,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let updated = sqlx::query(
        "UPDATE coin_purchases SET payment_id = COALESCE(payment_id, ?), bank_status = ?, error_code = ?,
                card_pan = COALESCE(?, card_pan), rebill_sealed = COALESCE(?, rebill_sealed),
                state = ?, updated_at = ?
         WHERE id = ?",
    )
    .bind(&update.payment_id)
    .bind(truncate_ascii(update.status.name(), MAX_STATUS_LEN))
    .bind(update.failure_code(state).map(|code| truncate_ascii(code, MAX_ERROR_CODE_LEN)))
    .bind(&update.pan)
    .bind(rebill_sealed)
    .bind(state.as_str())
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    expect_one(&updated, "purchase")
}

/// Stores the rebill id of a saved card, unless one is stored.
pub async fn save_card(
    conn: &mut Conn,
    id: PurchaseId,
    pan: Option<&str>,
    rebill_sealed: &str,
) -> StoreResult<()> {
    sqlx::query(
        "UPDATE coin_purchases SET card_pan = COALESCE(card_pan, ?), rebill_sealed = ?
         WHERE id = ? AND rebill_sealed IS NULL",
    )
    .bind(pan)
    .bind(rebill_sealed)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    Ok(())
}

/// Marks an unsettled purchase as failed; `error_code` is one of ours.
pub async fn mark_failed(
    conn: &mut Conn,
    id: PurchaseId,
    error_code: &str,
    now: DateTime<Utc>,
) -> StoreResult<bool> {
    let updated = sqlx::query(
        "UPDATE coin_purchases SET state = 'failed', error_code = ?, updated_at = ?
         WHERE id = ? AND state IN ('created', 'opening', 'awaiting')",
    )
    .bind(truncate_ascii(error_code, MAX_ERROR_CODE_LEN))
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    Ok(updated.rows_affected() == 1)
}

/// Puts a purchase into review. `status` is the bank's status of the purchase's own payment, if the update concerns it.
pub async fn set_review(
    conn: &mut Conn,
    id: PurchaseId,
    discrepancy: Discrepancy,
    status: Option<&PaymentStatus>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let updated = sqlx::query(
        "UPDATE coin_purchases SET state = 'review', discrepancy = ?, bank_status = COALESCE(?, bank_status),
                updated_at = ?
         WHERE id = ?",
    )
    .bind(discrepancy.as_str())
    .bind(status.map(|status| truncate_ascii(status.name(), MAX_STATUS_LEN)))
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    expect_one(&updated, "purchase")
}

/// Clears the discrepancy: the bank's data fits again. A second payment of the order stays open for an operator.
pub async fn clear_discrepancy(conn: &mut Conn, id: PurchaseId, now: DateTime<Utc>) -> StoreResult<()> {
    sqlx::query(
        "UPDATE coin_purchases SET discrepancy = NULL, updated_at = ? WHERE id = ? AND (discrepancy IS NULL OR discrepancy <> ?)",
    )
    .bind(now)
    .bind(id.to_string())
    .bind(Discrepancy::OtherPayment.as_str())
    .execute(conn)
    .await?;
    Ok(())
}

/// Ends a review: sets `state`, clears the discrepancy and stops polling.
pub async fn resolve_review(
    conn: &mut Conn,
    id: PurchaseId,
    state: PurchaseState,
    error_code: Option<&str>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let updated = sqlx::query(
        "UPDATE coin_purchases SET state = ?, error_code = ?, discrepancy = NULL, poll_at = NULL, updated_at = ?
         WHERE id = ?",
    )
    .bind(state.as_str())
    .bind(error_code)
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    expect_one(&updated, "purchase")
}

/// Records a discrepancy for an operator without changing the purchase's state.
pub async fn set_discrepancy(
    conn: &mut Conn,
    id: PurchaseId,
    discrepancy: Discrepancy,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query("UPDATE coin_purchases SET discrepancy = ?, updated_at = ? WHERE id = ?")
        .bind(discrepancy.as_str())
        .bind(now)
        .bind(id.to_string())
        .execute(conn)
        .await?;
    Ok(())
}

/// Lots that a purchase was credited as.
#[derive(Debug, Clone, Copy)]
pub struct Credited {
    /// Lot of the purchased coins.
    pub coins: LotId,
    /// `None` if the package has no bonus.
    pub bonus: Option<LotId>,
}

/// Marks a purchase as credited, once, in the transaction that credits the coins.
pub async fn mark_credited(
    conn: &mut Conn,
    id: PurchaseId,
    lots: Credited,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let updated = sqlx::query(
        "UPDATE coin_purchases SET state = 'paid', discrepancy = NULL, error_code = NULL, coins_lot_id = ?,
                bonus_lot_id = ?, credited_at = ?, updated_at = ?
         WHERE id = ? AND coins_lot_id IS NULL",
    )
    .bind(lots.coins.to_string())
    .bind(lots.bonus.map(|id| id.to_string()))
    .bind(now)
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    expect_one(&updated, "purchase")
}

/// Sets when the bank is queried next. Needs no lock and does not count as a change.
pub async fn set_poll_at(conn: &mut Conn, id: PurchaseId, poll_at: Option<DateTime<Utc>>) -> StoreResult<()> {
    sqlx::query("UPDATE coin_purchases SET poll_at = ? WHERE id = ?")
        .bind(poll_at)
        .bind(id.to_string())
        .execute(conn)
        .await?;
    Ok(())
}

/// Sets the amount refunded or being refunded. The statement also compares the former amount.
pub async fn set_refunded(
    conn: &mut Conn,
    id: PurchaseId,
    from: Kopecks,
    to: Kopecks,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let updated = sqlx::query(
        "UPDATE coin_purchases SET refunded_kopecks = ?, updated_at = ? WHERE id = ? AND refunded_kopecks = ?",
    )
    .bind(to.0)
    .bind(now)
    .bind(id.to_string())
    .bind(from.0)
    .execute(conn)
    .await?;
    expect_one(&updated, "purchase")
}
