//! Table `coin_purchase_refunds`: refunds of purchases. The id is sent to the bank as `ExternalRequestId`.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::UnknownText;
use flysk_domain::id::{PurchaseId, TransactionId};
use flysk_domain::money::{Kopecks, MicroCoins};
use flysk_domain::platform::purchases::RefundAllocation;

use crate::error::expect_one;
use crate::sql_text::sql;
use crate::{Conn, StoreError, StoreResult};

/// Progress of the refund of a purchase; stored as text.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefundState {
    /// The coins are withdrawn; the bank was not called yet.
    Pending,
    /// The bank is being called, or was called and did not answer: a retry checks the payment's status first.
    Sent,
    /// The money was refunded.
    Done,
    /// The bank refused permanently; the coins were restored.
    Refused,
}

impl RefundState {
    /// Whether the refund is in a final state.
    pub const fn has_ended(self) -> bool {
        matches!(self, Self::Done | Self::Refused)
    }
}

/// A refund to be inserted.
#[derive(Debug)]
pub struct NewRefund<'a> {
    /// UUID.
    pub id: &'a str,
    /// Row of `coin_purchases`.
    pub purchase_id: PurchaseId,
    /// Money to refund and coins withdrawn for it.
    pub allocation: RefundAllocation,
    /// The transaction that withdrew the purchased coins.
    pub transaction: TransactionId,
    /// The transaction that withdrew the bonus.
    pub bonus_transaction: Option<TransactionId>,
    /// Requester of the refund.
    pub requested_by: &'a str,
    /// Time of the insertion, by the caller's clock.
    pub now: DateTime<Utc>,
}

/// Row of `coin_purchase_refunds`: money on its way back, after the coins were withdrawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    /// UUID; also the bank's `ExternalRequestId`.
    pub id: String,
    /// Row of `coin_purchases`.
    pub purchase_id: PurchaseId,
    /// Money to refund and coins withdrawn for it.
    pub allocation: RefundAllocation,
    /// The transaction that withdrew the purchased coins.
    pub transaction: TransactionId,
    /// The transaction that withdrew the bonus.
    pub bonus_transaction: Option<TransactionId>,
    /// `Done` and `Refused` are final.
    pub state: RefundState,
    /// The bank's error code, if it refused.
    pub error_code: Option<String>,
    /// Requester of the refund.
    pub requested_by: String,
    /// When it was requested.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    purchase_id: String,
    amount_kopecks: i64,
    coins_micro: i64,
    bonus_micro: i64,
    is_whole: bool,
    transaction_id: String,
    bonus_transaction_id: Option<String>,
    state: String,
    error_code: Option<String>,
    requested_by: String,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl TryFrom<Row> for Refund {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let transaction = |id: &str| super::decode_text("transaction id", id);
        Ok(Self {
            purchase_id: super::decode_text("purchase id", &row.purchase_id)?,
            allocation: RefundAllocation {
                kopecks: Kopecks(row.amount_kopecks),
                coins: MicroCoins(row.coins_micro),
                bonus: MicroCoins(row.bonus_micro),
                is_whole: row.is_whole,
            },
            transaction: transaction(&row.transaction_id)?,
            bonus_transaction: row.bonus_transaction_id.as_deref().map(transaction).transpose()?,
            state: super::decode_text("refund state", &row.state)?,
            id: row.id,
            error_code: row.error_code,
            requested_by: row.requested_by,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

const SELECT: &str = "SELECT id, purchase_id, amount_kopecks, coins_micro, bonus_micro, is_whole, transaction_id,
    bonus_transaction_id, state, error_code, requested_by, created_at, updated_at FROM coin_purchase_refunds WHERE ";

/// Stores a refund in the state `pending`.
pub async fn insert_refund(conn: &mut Conn, new: &NewRefund<'_>) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO coin_purchase_refunds (id, purchase_id, amount_kopecks, coins_micro, bonus_micro, is_whole,
             transaction_id, bonus_transaction_id, state, requested_by, created_at, updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'pending', ?, ?, ?)",
    )
    .bind(new.id)
    .bind(new.purchase_id.to_string())
    .bind(new.allocation.kopecks.0)
    .bind(new.allocation.coins.0)
    .bind(new.allocation.bonus.0)
    .bind(new.allocation.is_whole)
    .bind(new.transaction.to_string())
    .bind(new.bonus_transaction.map(|id| id.to_string()))
    .bind(new.requested_by)
    .bind(new.now)
    .bind(new.now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Reads one row without a lock; `None` if there is none.
pub async fn find_refund(conn: &mut Conn, id: &str) -> StoreResult<Option<Refund>> {
    let row: Option<Row> = sqlx::query_as(sql!(SELECT, "id = ?")).bind(id).fetch_optional(conn).await?;
    row.map(TryInto::try_into).transpose()
}

/// Lists the refunds of a purchase, oldest first.
pub async fn list_refunds(conn: &mut Conn, purchase: PurchaseId) -> StoreResult<Vec<Refund>> {
    let rows: Vec<Row> = sqlx::query_as(sql!(SELECT, " purchase_id = ? ORDER BY created_at, id"))
        .bind(purchase.to_string())
        .fetch_all(conn)
        .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Lists refunds that are not in a final state and last changed before `before`.
pub async fn list_stuck_refunds(
    conn: &mut Conn,
    before: DateTime<Utc>,
    limit: u32,
) -> StoreResult<Vec<Refund>> {
    let rows: Vec<Row> = sqlx::query_as(sql!(
        SELECT,
        " state IN ('pending', 'sent') AND updated_at < ? ORDER BY updated_at LIMIT ?"
    ))
    .bind(before)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Moves a refund from one state to another.
pub async fn mark_refund(
    conn: &mut Conn,
    id: &str,
    from: RefundState,
    to: RefundState,
    error_code: Option<&str>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let updated = sqlx::query(
        "UPDATE coin_purchase_refunds SET state = ?, error_code = ?, updated_at = ? WHERE id = ? AND state = ?",
    )
    .bind(to.as_str())
    .bind(error_code.map(|code| super::truncate_ascii(code, 16)))
    .bind(now)
    .bind(id)
    .bind(from.as_str())
    .execute(conn)
    .await?;
    expect_one(&updated, "refund")
}
