//! Moving purchases. The caller holds the row's lock, except where a function says otherwise.

use chrono::{DateTime, Utc};
use flysk_domain::id::{LotId, PurchaseId, UserId, WalletId};
use flysk_domain::money::Kopecks;
use flysk_domain::platform::purchases::{Doubt, PurchaseState};
use flysk_domain::platform::tbank::PaymentStatus;

use super::kept;
use super::packages::Package;
use crate::error::expect_one;
use crate::{Conn, StoreResult};

/// Columns of the bank's words.
const STATUS: usize = 32;
const CODE: usize = 16;

/// A purchase to be written.
#[derive(Debug)]
pub struct NewPurchase<'a> {
    /// Its id, which the bank gets as the order's number.
    pub id: PurchaseId,
    /// Whose coins.
    pub wallet_id: WalletId,
    /// What is bought.
    pub package: &'a Package,
    /// On which terminal.
    pub terminal_key: &'a str,
    /// Where the receipt goes, sealed for `coin_purchases.contact:<id>`.
    pub contact_sealed: &'a str,
    /// Keep the card.
    pub save_card: bool,
    /// Who asks.
    pub bought_by: UserId,
    /// Under which key.
    pub key: &'a str,
    /// Hash of what is asked for, 64 hex digits.
    pub body_hash: &'a str,
    /// When the bank is to be asked, should nothing happen until then.
    pub poll_at: DateTime<Utc>,
    /// When.
    pub now: DateTime<Utc>,
}

/// Writes a purchase. [`crate::StoreError::Taken`] with `coin_purchases_asked`: the key was used in the same moment.
pub async fn insert_purchase(conn: &mut Conn, new: &NewPurchase<'_>) -> StoreResult<()> {
    let terms = &new.package.terms;
    sqlx::query(
        "INSERT INTO coin_purchases (id, wallet_id, package_id, price_kopecks, coins_micro, bonus_micro,
             bonus_days, state, terminal_key, order_id, contact_sealed, save_card, bought_by, idem_key,
             body_hash, poll_at, created_at, updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, 'created', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
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

/// The bank is about to be called: from now on whoever goes on asks it first.
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

/// The bank's form is open. A purchase that got further meanwhile (a notice was faster) keeps its state.
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
    .bind(kept(status.name(), STATUS))
    .bind(now)
    .bind(id.to_string())
    .bind(payment_id)
    .execute(conn)
    .await?;
    expect_one(&updated, "purchase")
}

/// What was heard of a purchase's payment.
#[derive(Debug, Clone)]
pub struct Heard<'a> {
    /// The bank's number of the payment.
    pub payment_id: &'a str,
    /// Where it stands.
    pub status: &'a PaymentStatus,
    /// Why it was declined.
    pub error_code: Option<&'a str>,
    /// The card, masked.
    pub pan: Option<&'a str>,
    /// What charges the card later, sealed for `coin_purchases.rebill:<id>`.
    pub rebill_sealed: Option<&'a str>,
}

/// Remembers what was heard, and moves the purchase to `state`.
pub async fn mark_heard(
    conn: &mut Conn,
    id: PurchaseId,
    heard: &Heard<'_>,
    state: PurchaseState,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let updated = sqlx::query(
        "UPDATE coin_purchases SET payment_id = COALESCE(payment_id, ?), bank_status = ?, error_code = ?,
                card_pan = COALESCE(?, card_pan), rebill_sealed = COALESCE(?, rebill_sealed),
                state = ?, updated_at = ?
         WHERE id = ?",
    )
    .bind(heard.payment_id)
    .bind(kept(heard.status.name(), STATUS))
    .bind(heard.error_code.map(|code| kept(code, CODE)))
    .bind(heard.pan)
    .bind(heard.rebill_sealed)
    .bind(state.code())
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    expect_one(&updated, "purchase")
}

/// Keeps what charges the card later, if nothing is kept yet.
pub async fn keep_card(
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

/// It was not paid; `error_code` is one of ours. Only a purchase nobody has settled.
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
    .bind(kept(error_code, CODE))
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    Ok(updated.rows_affected() == 1)
}

/// A person has to look. `status` is what the bank says of the purchase's payment, if it is about that one.
pub async fn set_review(
    conn: &mut Conn,
    id: PurchaseId,
    doubt: Doubt,
    status: Option<&PaymentStatus>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let updated = sqlx::query(
        "UPDATE coin_purchases SET state = 'review', doubt = ?, bank_status = COALESCE(?, bank_status),
                updated_at = ?
         WHERE id = ?",
    )
    .bind(doubt.code())
    .bind(status.map(|status| kept(status.name(), STATUS)))
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    expect_one(&updated, "purchase")
}

/// What the bank says of a purchase fits again. That its order was paid twice is still for a person.
pub async fn drop_doubt(conn: &mut Conn, id: PurchaseId, now: DateTime<Utc>) -> StoreResult<()> {
    sqlx::query(
        "UPDATE coin_purchases SET doubt = NULL, updated_at = ? WHERE id = ? AND (doubt IS NULL OR doubt <> ?)",
    )
    .bind(now)
    .bind(id.to_string())
    .bind(Doubt::OtherPayment.code())
    .execute(conn)
    .await?;
    Ok(())
}

/// A person has looked: the purchase is what `state` says, nothing about it is in doubt, and nobody asks on.
pub async fn mark_looked_at(
    conn: &mut Conn,
    id: PurchaseId,
    state: PurchaseState,
    error_code: Option<&str>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let updated = sqlx::query(
        "UPDATE coin_purchases SET state = ?, error_code = ?, doubt = NULL, poll_at = NULL, updated_at = ?
         WHERE id = ?",
    )
    .bind(state.code())
    .bind(error_code)
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    expect_one(&updated, "purchase")
}

/// Something about it is for a person, though its own state is sure.
pub async fn set_doubt(conn: &mut Conn, id: PurchaseId, doubt: Doubt, now: DateTime<Utc>) -> StoreResult<()> {
    sqlx::query("UPDATE coin_purchases SET doubt = ?, updated_at = ? WHERE id = ?")
        .bind(doubt.code())
        .bind(now)
        .bind(id.to_string())
        .execute(conn)
        .await?;
    Ok(())
}

/// The lots a purchase was credited as.
#[derive(Debug, Clone, Copy)]
pub struct Credited {
    /// Of the bought coins.
    pub coins: LotId,
    /// Of the bonus.
    pub bonus: Option<LotId>,
}

/// The coins are in the wallet; happens once, in the transaction that moves them there.
pub async fn mark_credited(
    conn: &mut Conn,
    id: PurchaseId,
    lots: Credited,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let updated = sqlx::query(
        "UPDATE coin_purchases SET state = 'paid', doubt = NULL, error_code = NULL, coins_lot_id = ?,
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

/// When the bank is to be asked about it (again). Needs no lock and does not count as a change.
pub async fn put_off(conn: &mut Conn, id: PurchaseId, poll_at: Option<DateTime<Utc>>) -> StoreResult<()> {
    sqlx::query("UPDATE coin_purchases SET poll_at = ? WHERE id = ?")
        .bind(poll_at)
        .bind(id.to_string())
        .execute(conn)
        .await?;
    Ok(())
}

/// How much of a purchase was given back or is on its way; the former sum is asked for as well.
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
