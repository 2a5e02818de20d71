//! Tables `ledger_transactions` and `ledger_entries`. Rows are append-only.

use std::collections::{BTreeMap, BTreeSet};

use flysk_domain::id::{TransactionId, WalletId};
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::ledger::{Entry, Posting};
use sqlx::QueryBuilder;
use sqlx::types::Json;

use crate::listed::{Lengths, push_in};
use crate::{Conn, StoreResult};

/// A posting with the caller's reference and details.
#[derive(Debug)]
pub(super) struct Recorded<'a> {
    pub(super) posting: Posting,
    pub(super) reference: Option<&'a str>,
    pub(super) details: Option<&'a serde_json::Value>,
}

/// Inserts transactions of wallets with their entries.
pub(super) async fn insert(
    conn: &mut Conn,
    recorded: &[(WalletId, &Recorded<'_>)],
    lengths: Lengths,
) -> StoreResult<()> {
    for rows in lengths.split(recorded) {
        let mut query = QueryBuilder::new(
            "INSERT INTO ledger_transactions (id, wallet_id, kind, hold_id, reverses_id, reference, details,
                                              created_at) ",
        );
        query.push_values(rows, |mut row, (wallet, Recorded { posting, reference, details })| {
            row.push_bind(posting.id.to_string())
                .push_bind(wallet.to_string())
                .push_bind(posting.kind.code())
                .push_bind(posting.hold.map(|id| id.to_string()))
                .push_bind(posting.reverses.map(|id| id.to_string()))
                .push_bind(*reference)
                .push_bind(details.map(Json))
                .push_bind(posting.at);
        });
        query.build().execute(&mut *conn).await?;
    }
    let entries: Vec<(WalletId, TransactionId, u16, &Entry)> = recorded
        .iter()
        .flat_map(|(wallet, Recorded { posting, .. })| {
            let numbered = (0_u16..).zip(&posting.entries);
            numbered.map(move |(line, entry)| (*wallet, posting.id, line, entry))
        })
        .collect();
    for rows in lengths.split(&entries) {
        let mut query = QueryBuilder::new(
            "INSERT INTO ledger_entries (transaction_id, line, wallet_id, account, lot_id, amount_micro) ",
        );
        query.push_values(rows, |mut row, (wallet, transaction, line, entry)| {
            row.push_bind(transaction.to_string())
                .push_bind(*line)
                .push_bind(wallet.to_string())
                .push_bind(entry.account.to_string())
                .push_bind(entry.lot.map(|id| id.to_string()))
                .push_bind(entry.amount.0);
        });
        query.build().execute(&mut *conn).await?;
    }
    Ok(())
}

/// Entries by transaction.
pub(super) type EntriesBy = BTreeMap<TransactionId, Vec<Entry>>;

/// An entry; `owner_id` is the transaction under which it is grouped.
#[derive(sqlx::FromRow)]
struct EntryRow {
    owner_id: String,
    wallet_id: String,
    account: String,
    lot_id: Option<String>,
    amount_micro: i64,
}

/// Loads entries of the wallets by transaction, in order.
pub(super) async fn load_entries(
    conn: &mut Conn,
    wallets: &BTreeSet<WalletId>,
    transactions: &[TransactionId],
) -> StoreResult<EntriesBy> {
    if transactions.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut query = QueryBuilder::new(
        "SELECT transaction_id AS owner_id, wallet_id, account, lot_id, amount_micro FROM ledger_entries
         WHERE transaction_id",
    );
    push_in(&mut query, transactions.iter().map(ToString::to_string));
    query.push(" ORDER BY transaction_id, line");
    group(wallets, query.build_query_as().fetch_all(conn).await?)
}

/// Loads the entries of the wallets' refunds, by the charge that they refund.
pub(super) async fn load_refund_entries(
    conn: &mut Conn,
    wallets: &BTreeSet<WalletId>,
    charges: &[TransactionId],
) -> StoreResult<EntriesBy> {
    if charges.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut query = QueryBuilder::new(
        "SELECT t.reverses_id AS owner_id, t.wallet_id, e.account, e.lot_id, e.amount_micro
         FROM ledger_transactions t JOIN ledger_entries e ON e.transaction_id = t.id
         WHERE t.reverses_id",
    );
    push_in(&mut query, charges.iter().map(ToString::to_string));
    query.push(" ORDER BY t.created_at, t.id, e.line");
    group(wallets, query.build_query_as().fetch_all(conn).await?)
}

fn group(wallets: &BTreeSet<WalletId>, rows: Vec<EntryRow>) -> StoreResult<EntriesBy> {
    let mut groups = EntriesBy::new();
    for row in rows {
        let wallet: WalletId = super::decode_text("wallet id", &row.wallet_id)?;
        if !wallets.contains(&wallet) {
            continue;
        }
        let lot = row.lot_id.as_deref().map(|id| super::decode_text("lot id", id)).transpose()?;
        let account = super::decode_text("account", &row.account)?;
        let entry = Entry { account, lot, amount: MicroCoins(row.amount_micro) };
        groups.entry(super::decode_text("transaction id", &row.owner_id)?).or_default().push(entry);
    }
    Ok(groups)
}
