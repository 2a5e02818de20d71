//! Table `coin_purchase_refunds`: money on its way back. The id goes to the bank as `ExternalRequestId`.

use chrono::{DateTime, Utc};
use flysk_domain::id::{PurchaseId, TransactionId};
use flysk_domain::money::{Kopecks, MicroCoins};
use flysk_domain::platform::purchases::Share;

use crate::error::expect_one;
use crate::{Conn, StoreError, StoreResult};

/// Where a refund stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefundState {
    /// The coins are taken back; the bank has not been asked.
    Pending,
    /// The bank is being asked, or was and did not answer: whoever goes on looks first.
    Sent,
    /// The money went back.
    Done,
    /// The bank refused for good; the coins came back.
    Refused,
}

impl RefundState {
    /// The stable code.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Sent => "sent",
            Self::Done => "done",
            Self::Refused => "refused",
        }
    }

    fn from_code(code: &str) -> Option<Self> {
        [Self::Pending, Self::Sent, Self::Done, Self::Refused].into_iter().find(|known| known.code() == code)
    }

    /// It came to its end.
    pub const fn has_ended(self) -> bool {
        matches!(self, Self::Done | Self::Refused)
    }
}

/// A refund to be written.
#[derive(Debug)]
pub struct NewRefund<'a> {
    /// UUID.
    pub id: &'a str,
    /// Of which purchase.
    pub purchase_id: PurchaseId,
    /// What goes back for which coins.
    pub share: Share,
    /// The transaction that took the bought coins.
    pub transaction: TransactionId,
    /// The transaction that took the bonus.
    pub bonus_transaction: Option<TransactionId>,
    /// Who asked.
    pub requested_by: &'a str,
    /// When.
    pub now: DateTime<Utc>,
}

/// A refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refund {
    /// UUID; also the bank's `ExternalRequestId`.
    pub id: String,
    /// Of which purchase.
    pub purchase_id: PurchaseId,
    /// What goes back for which coins.
    pub share: Share,
    /// The transaction that took the bought coins.
    pub transaction: TransactionId,
    /// The transaction that took the bonus.
    pub bonus_transaction: Option<TransactionId>,
    /// Where it stands.
    pub state: RefundState,
    /// Why the bank refused.
    pub error_code: Option<String>,
    /// Who asked.
    pub requested_by: String,
    /// When it was asked for.
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
        let transaction = |id: &str| super::read_text("transaction id", id);
        Ok(Self {
            purchase_id: super::read_text("purchase id", &row.purchase_id)?,
            share: Share {
                kopecks: Kopecks(row.amount_kopecks),
                coins: MicroCoins(row.coins_micro),
                bonus: MicroCoins(row.bonus_micro),
                is_whole: row.is_whole,
            },
            transaction: transaction(&row.transaction_id)?,
            bonus_transaction: row.bonus_transaction_id.as_deref().map(transaction).transpose()?,
            state: super::known("refund state", &row.state, RefundState::from_code(&row.state))?,
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

async fn one(conn: &mut Conn, rest: &'static str, id: &str) -> StoreResult<Option<Refund>> {
    let sql = format!("{SELECT}{rest}");
    let row: Option<Row> = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(id).fetch_optional(conn).await?;
    row.map(TryInto::try_into).transpose()
}

/// Writes a refund.
pub async fn insert_refund(conn: &mut Conn, new: &NewRefund<'_>) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO coin_purchase_refunds (id, purchase_id, amount_kopecks, coins_micro, bonus_micro, is_whole,
             transaction_id, bonus_transaction_id, state, requested_by, created_at, updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'pending', ?, ?, ?)",
    )
    .bind(new.id)
    .bind(new.purchase_id.to_string())
    .bind(new.share.kopecks.0)
    .bind(new.share.coins.0)
    .bind(new.share.bonus.0)
    .bind(new.share.is_whole)
    .bind(new.transaction.to_string())
    .bind(new.bonus_transaction.map(|id| id.to_string()))
    .bind(new.requested_by)
    .bind(new.now)
    .bind(new.now)
    .execute(conn)
    .await?;
    Ok(())
}

/// One refund.
pub async fn find_refund(conn: &mut Conn, id: &str) -> StoreResult<Option<Refund>> {
    one(conn, "id = ?", id).await
}

/// One refund, locked until the transaction ends.
pub async fn lock_refund(conn: &mut Conn, id: &str) -> StoreResult<Refund> {
    one(conn, "id = ? FOR UPDATE", id).await?.ok_or(StoreError::Stale { what: "refund" })
}

/// A purchase's refunds, the oldest first.
pub async fn list_refunds(conn: &mut Conn, purchase: PurchaseId) -> StoreResult<Vec<Refund>> {
    let sql = format!("{SELECT} purchase_id = ? ORDER BY created_at, id");
    let rows: Vec<Row> =
        sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(purchase.to_string()).fetch_all(conn).await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Refunds that have not come to an end although they last changed before `before`.
pub async fn list_stuck_refunds(
    conn: &mut Conn,
    before: DateTime<Utc>,
    limit: u32,
) -> StoreResult<Vec<Refund>> {
    let sql = format!("{SELECT} state IN ('pending', 'sent') AND updated_at < ? ORDER BY updated_at LIMIT ?");
    let rows: Vec<Row> =
        sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(before).bind(limit).fetch_all(conn).await?;
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
    .bind(to.code())
    .bind(error_code.map(|code| super::kept(code, 16)))
    .bind(now)
    .bind(id)
    .bind(from.code())
    .execute(conn)
    .await?;
    expect_one(&updated, "refund")
}
