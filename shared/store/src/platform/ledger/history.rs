//! Transaction history and spending statistics of wallets.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, NaiveDate, Utc};
use flysk_domain::id::{HoldId, TransactionId, WalletId, WidgetId};
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::ledger::TransactionKind;
use flysk_domain::platform::ledger::statistics::{DaySpent, Totals};
use sqlx::QueryBuilder;
use sqlx::types::Json;

use crate::listed::push_in;
use crate::{Conn, StoreResult};

/// Position in the history: the next page starts with older rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// Time of the last row of the page.
    pub at: DateTime<Utc>,
    /// Id of the last row of the page.
    pub id: TransactionId,
}

/// Kinds and times that a page of the history includes.
#[derive(Debug, Clone, Default)]
pub struct HistoryFilter {
    /// Kinds to include; empty includes all.
    pub kinds: Vec<TransactionKind>,
    /// Earliest time, inclusive.
    pub from: Option<DateTime<Utc>>,
    /// Latest time, exclusive.
    pub until: Option<DateTime<Utc>>,
}

/// A transaction as users see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionRow {
    /// `ltx_…`, ordered by the time of creation.
    pub id: TransactionId,
    /// Row of `wallets`; an install has at most one.
    pub wallet_id: WalletId,
    /// Command that wrote the transaction.
    pub kind: TransactionKind,
    /// Change of the balance.
    pub available: MicroCoins,
    /// Change of the held coins.
    pub held: MicroCoins,
    /// The hold that the transaction placed or ended.
    pub hold: Option<HoldId>,
    /// The charge that the transaction refunds, or the withdrawal that it reverses.
    pub reverses: Option<TransactionId>,
    /// Purpose, as given by the caller.
    pub reference: Option<String>,
    /// The receipt, as JSON.
    pub details: Option<serde_json::Value>,
    /// When the command was executed; the history is sorted by it.
    pub at: DateTime<Utc>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    wallet_id: String,
    kind: String,
    hold_id: Option<String>,
    reverses_id: Option<String>,
    reference: Option<String>,
    details: Option<Json<serde_json::Value>>,
    created_at: DateTime<Utc>,
}

fn decode((available, held): (MicroCoins, MicroCoins), row: Row) -> StoreResult<TransactionRow> {
    Ok(TransactionRow {
        id: super::decode_text("transaction id", &row.id)?,
        wallet_id: super::decode_text("wallet id", &row.wallet_id)?,
        kind: super::decode_text("transaction kind", &row.kind)?,
        available,
        held,
        hold: row.hold_id.as_deref().map(|id| super::decode_text("hold id", id)).transpose()?,
        reverses: row
            .reverses_id
            .as_deref()
            .map(|id| super::decode_text("transaction id", id))
            .transpose()?,
        reference: row.reference,
        details: row.details.map(|details| details.0),
        at: row.created_at,
    })
}

/// The columns of a [`Row`]; [`complete`] adds the amounts.
const SELECT: &str =
    "SELECT t.id, t.wallet_id, t.kind, t.hold_id, t.reverses_id, t.reference, t.details, t.created_at
    FROM ledger_transactions t WHERE ";

/// Decodes transactions and adds their amounts. The lines of each transaction are read once.
async fn complete(conn: &mut Conn, rows: Vec<Row>) -> StoreResult<Vec<TransactionRow>> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = QueryBuilder::new(
        "SELECT e.transaction_id, e.account, e.amount_micro FROM ledger_entries e
         WHERE e.account IN ('available', 'held') AND e.transaction_id",
    );
    push_in(&mut query, rows.iter().map(|row| row.id.clone()));
    let lines: Vec<(String, String, i64)> = query.build_query_as().fetch_all(conn).await?;
    let mut amounts: HashMap<String, (MicroCoins, MicroCoins)> = HashMap::new();
    for (id, account, micro) in lines {
        let (available, held) = amounts.entry(id).or_default();
        let amount = if account == "held" { held } else { available };
        amount.0 += micro;
    }
    rows.into_iter().map(|row| decode(amounts.remove(&row.id).unwrap_or_default(), row)).collect()
}

/// Reads one row without a lock; `None` if there is none.
pub async fn find_transaction(conn: &mut Conn, id: TransactionId) -> StoreResult<Option<TransactionRow>> {
    let mut query = QueryBuilder::new(SELECT);
    query.push("t.id = ").push_bind(id.to_string());
    let row: Option<Row> = query.build_query_as().fetch_optional(&mut *conn).await?;
    Ok(complete(conn, row.into_iter().collect()).await?.pop())
}

/// Owner of the listed transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistoryOf {
    /// Transactions of one wallet.
    Wallet(WalletId),
    /// Transactions of all wallets of a widget. The filter's times bound the rows that are sorted; the index entries of each wallet
    /// are read.
    Widget(WidgetId),
}

/// Lists the newest `limit` transactions before the cursor.
///
/// Those of a wallet are read from the index of each kind, in their order: the cost does not depend on how many there are.
pub async fn list_transactions(
    conn: &mut Conn,
    owner: HistoryOf,
    filter: &HistoryFilter,
    after: Option<Cursor>,
    limit: u32,
) -> StoreResult<Vec<TransactionRow>> {
    match owner {
        HistoryOf::Wallet(wallet) => {
            let ids = list_ids(conn, wallet, filter, after, limit).await?;
            find_transactions(conn, ids).await
        }
        HistoryOf::Widget(widget) => list_of_widget(conn, widget, filter, after, limit).await,
    }
}

async fn list_of_widget(
    conn: &mut Conn,
    widget: WidgetId,
    filter: &HistoryFilter,
    after: Option<Cursor>,
    limit: u32,
) -> StoreResult<Vec<TransactionRow>> {
    let mut query = QueryBuilder::new(SELECT);
    query.push("t.wallet_id IN (SELECT w.id FROM wallets w WHERE w.widget_id = ");
    query.push_bind(widget.to_string()).push(")");
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
    let rows: Vec<Row> = query.build_query_as().fetch_all(&mut *conn).await?;
    complete(conn, rows).await
}

/// Ids of the newest `limit` transactions of a wallet before the cursor. Reads at most `limit` index entries of each kind.
async fn list_ids(
    conn: &mut Conn,
    wallet: WalletId,
    filter: &HistoryFilter,
    after: Option<Cursor>,
    limit: u32,
) -> StoreResult<Vec<String>> {
    // The first part is empty, so that every kind is added in the same way.
    let mut query = QueryBuilder::new(
        "SELECT id FROM ((SELECT id, created_at FROM ledger_transactions WHERE id = '' LIMIT 1)",
    );
    let kinds = if filter.kinds.is_empty() { TransactionKind::ALL } else { filter.kinds.as_slice() };
    // A kind that is named twice counts once.
    let kinds: BTreeSet<&'static str> = kinds.iter().map(|kind| kind.code()).collect();
    for kind in kinds {
        query.push(
            " UNION ALL (SELECT id, created_at FROM ledger_transactions FORCE INDEX (ledger_transactions_kind)
               WHERE wallet_id = ",
        );
        query.push_bind(wallet.to_string()).push(" AND kind = ").push_bind(kind);
        if let Some(from) = filter.from {
            query.push(" AND created_at >= ").push_bind(from);
        }
        if let Some(until) = filter.until {
            query.push(" AND created_at < ").push_bind(until);
        }
        if let Some(Cursor { at, id }) = after {
            query.push(" AND (created_at < ").push_bind(at);
            query.push(" OR (created_at = ").push_bind(at);
            query.push(" AND id < ").push_bind(id.to_string()).push("))");
        }
        query.push(" ORDER BY created_at DESC, id DESC LIMIT ").push_bind(limit).push(")");
    }
    query.push(") AS of_kinds ORDER BY created_at DESC, id DESC LIMIT ").push_bind(limit);
    Ok(query.build_query_scalar().fetch_all(conn).await?)
}

/// The transactions with these ids, newest first.
async fn find_transactions(conn: &mut Conn, ids: Vec<String>) -> StoreResult<Vec<TransactionRow>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = QueryBuilder::new(SELECT);
    query.push("t.id");
    push_in(&mut query, ids);
    query.push(" ORDER BY t.created_at DESC, t.id DESC");
    let rows: Vec<Row> = query.build_query_as().fetch_all(&mut *conn).await?;
    complete(conn, rows).await
}

#[derive(sqlx::FromRow)]
pub(super) struct SpentRow {
    on_day: NaiveDate,
    account: String,
    paid: i64,
    returned: i64,
    charges: i64,
}

/// Paid and refunded coins of a wallet in a period, by day and service. Days begin `offset_min` minutes before
/// midnight UTC. The kinds are those that post to services; with them the period is a range of the index.
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
         WHERE t.wallet_id = ? AND t.kind IN ('charge', 'capture', 'refund')
             AND t.created_at >= ? AND t.created_at < ? AND e.account LIKE 'spent:%'
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

pub(super) fn day_spent(row: &SpentRow) -> StoreResult<DaySpent> {
    let service = row.account.strip_prefix("spent:").unwrap_or(&row.account);
    Ok(DaySpent {
        day: row.on_day,
        service: super::decode_text("service", service)?,
        totals: Totals {
            paid: MicroCoins(row.paid),
            returned: MicroCoins(row.returned),
            charges: u64::try_from(row.charges).unwrap_or_default(),
        },
    })
}
