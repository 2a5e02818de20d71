//! What happened to a wallet, for people and statistics.

use chrono::{DateTime, NaiveDate, Utc};
use flysk_domain::id::{HoldId, TransactionId, WalletId};
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::ledger::TransactionKind;
use flysk_domain::platform::ledger::statistics::{DaySpent, Totals};
use sqlx::QueryBuilder;
use sqlx::types::Json;

use crate::listed::push_in;
use crate::{Conn, StoreError, StoreResult};

/// Where a page ends: the next one begins with what is older.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// Time of the last row.
    pub at: DateTime<Utc>,
    /// Its id.
    pub id: TransactionId,
}

/// Which transactions are wanted.
#[derive(Debug, Clone, Default)]
pub struct HistoryFilter {
    /// Only these kinds; all if empty.
    pub kinds: Vec<TransactionKind>,
    /// Not before.
    pub from: Option<DateTime<Utc>>,
    /// Before.
    pub until: Option<DateTime<Utc>>,
}

/// A transaction as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionRow {
    /// Which.
    pub id: TransactionId,
    /// Whose.
    pub wallet_id: WalletId,
    /// What it did.
    pub kind: TransactionKind,
    /// What it did to what can be spent.
    pub available: MicroCoins,
    /// What it did to what is set aside.
    pub held: MicroCoins,
    /// The hold it placed or ended.
    pub hold: Option<HoldId>,
    /// The charge it gave back.
    pub reverses: Option<TransactionId>,
    /// What for.
    pub reference: Option<String>,
    /// The receipt.
    pub details: Option<serde_json::Value>,
    /// When.
    pub at: DateTime<Utc>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    wallet_id: String,
    kind: String,
    available: i64,
    held: i64,
    hold_id: Option<String>,
    reverses_id: Option<String>,
    reference: Option<String>,
    details: Option<Json<serde_json::Value>>,
    created_at: DateTime<Utc>,
}

impl TryFrom<Row> for TransactionRow {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: super::read("transaction id", &row.id)?,
            wallet_id: super::read("wallet id", &row.wallet_id)?,
            kind: super::known("transaction kind", &row.kind, TransactionKind::from_code(&row.kind))?,
            available: MicroCoins(row.available),
            held: MicroCoins(row.held),
            hold: row.hold_id.as_deref().map(|id| super::read("hold id", id)).transpose()?,
            reverses: row.reverses_id.as_deref().map(|id| super::read("transaction id", id)).transpose()?,
            reference: row.reference,
            details: row.details.map(|details| details.0),
            at: row.created_at,
        })
    }
}

const SELECT: &str = "SELECT t.id, t.wallet_id, t.kind, t.hold_id, t.reverses_id, t.reference, t.details,
        t.created_at,
        CAST(COALESCE((SELECT SUM(e.amount_micro) FROM ledger_entries e
                       WHERE e.transaction_id = t.id AND e.account = 'available'), 0) AS SIGNED) AS available,
        CAST(COALESCE((SELECT SUM(e.amount_micro) FROM ledger_entries e
                       WHERE e.transaction_id = t.id AND e.account = 'held'), 0) AS SIGNED) AS held
    FROM ledger_transactions t WHERE ";

/// One transaction.
pub async fn find_transaction(conn: &mut Conn, id: TransactionId) -> StoreResult<Option<TransactionRow>> {
    let mut query = QueryBuilder::new(SELECT);
    query.push("t.id = ").push_bind(id.to_string());
    let row: Option<Row> = query.build_query_as().fetch_optional(conn).await?;
    row.map(TryInto::try_into).transpose()
}

/// The youngest `limit` transactions of a wallet that are older than the cursor.
pub async fn list_transactions(
    conn: &mut Conn,
    wallet: WalletId,
    filter: &HistoryFilter,
    after: Option<Cursor>,
    limit: u32,
) -> StoreResult<Vec<TransactionRow>> {
    let mut query = QueryBuilder::new(SELECT);
    query.push("t.wallet_id = ").push_bind(wallet.to_string());
    if !filter.kinds.is_empty() {
        query.push(" AND t.kind");
        push_in(&mut query, filter.kinds.iter().map(|kind| kind.code()));
    }
    if let Some(from) = filter.from {
        query.push(" AND t.created_at >= ").push_bind(from);
    }
    if let Some(until) = filter.until {
        query.push(" AND t.created_at < ").push_bind(until);
    }
    if let Some(Cursor { at, id }) = after {
        query.push(" AND (t.created_at < ").push_bind(at);
        query.push(" OR (t.created_at = ").push_bind(at);
        query.push(" AND t.id < ").push_bind(id.to_string()).push("))");
    }
    query.push(" ORDER BY t.created_at DESC, t.id DESC LIMIT ").push_bind(limit);
    let rows: Vec<Row> = query.build_query_as().fetch_all(conn).await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

#[derive(sqlx::FromRow)]
struct SpentRow {
    on_day: NaiveDate,
    account: String,
    paid: i64,
    returned: i64,
    charges: i64,
}

/// What a wallet spent and got back in a time, by day and service. Days begin `offset_min` minutes before
/// midnight UTC.
pub async fn list_spent_by_day(
    conn: &mut Conn,
    wallet: WalletId,
    (from, until): (DateTime<Utc>, DateTime<Utc>),
    offset_min: i32,
) -> StoreResult<Vec<DaySpent>> {
    let rows: Vec<SpentRow> = sqlx::query_as(
        "SELECT DATE(t.created_at + INTERVAL ? MINUTE) AS on_day, e.account,
                CAST(SUM(GREATEST(e.amount_micro, 0)) AS SIGNED) AS paid,
                CAST(SUM(GREATEST(-e.amount_micro, 0)) AS SIGNED) AS returned,
                CAST(SUM(e.amount_micro > 0) AS SIGNED) AS charges
         FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
         WHERE t.wallet_id = ? AND t.created_at >= ? AND t.created_at < ? AND e.account LIKE 'spent:%'
         GROUP BY on_day, e.account ORDER BY on_day, e.account",
    )
    .bind(offset_min)
    .bind(wallet.to_string())
    .bind(from)
    .bind(until)
    .fetch_all(conn)
    .await?;
    rows.iter().map(day_spent).collect()
}

fn day_spent(row: &SpentRow) -> StoreResult<DaySpent> {
    let service = row.account.strip_prefix("spent:").unwrap_or(&row.account);
    Ok(DaySpent {
        day: row.on_day,
        service: super::read("service", service)?,
        totals: Totals {
            paid: MicroCoins(row.paid),
            returned: MicroCoins(row.returned),
            charges: u64::try_from(row.charges).unwrap_or_default(),
        },
    })
}
