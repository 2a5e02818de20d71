//! Table `ledger_holds`. The lots of a hold are read from the entries that placed it.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::id::{AccountId, HoldId, TransactionId, WalletId, WidgetId};
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::ledger::{Hold, HoldState};
use sqlx::{FromRow as _, QueryBuilder, Row as _};

use super::transactions;
use crate::error::expect_one;
use crate::listed::push_in;
use crate::sql_text::sql;
use crate::{Conn, StoreError, StoreResult};

/// Expired holds released in one run; the rest is left to the next run.
const MAX_EXPIRED_HOLDS: u32 = 500;

/// A hold without its lots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HoldRow {
    /// Id of the hold.
    pub id: HoldId,
    /// The wallet.
    pub wallet_id: WalletId,
    /// The transaction that placed the hold.
    pub placed_by: TransactionId,
    /// Reserved coins.
    pub amount: MicroCoins,
    /// Coins charged by the capture; zero unless captured.
    pub captured: MicroCoins,
    /// Current state.
    pub state: HoldState,
    /// When the hold expires.
    pub expires_at: DateTime<Utc>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    wallet_id: String,
    transaction_id: String,
    amount_micro: i64,
    captured_micro: i64,
    state: String,
    expires_at: DateTime<Utc>,
}

impl TryFrom<Row> for HoldRow {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: super::decode_text("hold id", &row.id)?,
            wallet_id: super::decode_text("wallet id", &row.wallet_id)?,
            placed_by: super::decode_text("transaction id", &row.transaction_id)?,
            amount: MicroCoins(row.amount_micro),
            captured: MicroCoins(row.captured_micro),
            state: super::decode_text("hold state", &row.state)?,
            expires_at: row.expires_at,
        })
    }
}

const SELECT: &str = "SELECT id, wallet_id, transaction_id, amount_micro, captured_micro, state, expires_at
    FROM ledger_holds WHERE ";

/// Lists at most `limit` open holds of a wallet, the next to expire first.
pub async fn list_open_holds(conn: &mut Conn, wallet: WalletId, limit: u32) -> StoreResult<Vec<HoldRow>> {
    let rows: Vec<Row> =
        sqlx::query_as(sql!(SELECT, "wallet_id = ? AND state = 'open' ORDER BY expires_at, id LIMIT ?"))
            .bind(wallet.to_string())
            .bind(limit)
            .fetch_all(conn)
            .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Finds a hold of one of a widget's customers, with its account. Holds of other widgets are not found.
pub async fn find_hold_of_widget(
    conn: &mut Conn,
    widget: WidgetId,
    id: HoldId,
) -> StoreResult<Option<(HoldRow, AccountId)>> {
    let row = sqlx::query(
        "SELECT h.id, h.wallet_id, h.transaction_id, h.amount_micro, h.captured_micro, h.state, h.expires_at,
                i.account_id
         FROM ledger_holds h JOIN wallets w ON w.id = h.wallet_id JOIN installs i ON i.id = w.install_id
         WHERE h.id = ? AND w.widget_id = ?",
    )
    .bind(id.to_string())
    .bind(widget.to_string())
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let account = AccountId(row.try_get("account_id")?);
    Ok(Some((Row::from_row(&row)?.try_into()?, account)))
}

/// Loads the named holds of a wallet and its expired holds.
pub(super) async fn load(
    conn: &mut Conn,
    wallet: WalletId,
    named: &[HoldId],
    now: DateTime<Utc>,
) -> StoreResult<BTreeMap<HoldId, Hold>> {
    let mut query = QueryBuilder::new(SELECT);
    query.push("wallet_id = ").push_bind(wallet.to_string());
    query.push(" AND state = 'open' AND expires_at <= ").push_bind(now);
    query.push(" ORDER BY expires_at LIMIT ").push_bind(MAX_EXPIRED_HOLDS);
    let mut rows: Vec<Row> = query.build_query_as().fetch_all(&mut *conn).await?;
    if !named.is_empty() {
        let mut query = QueryBuilder::new(SELECT);
        query.push("wallet_id = ").push_bind(wallet.to_string()).push(" AND id");
        push_in(&mut query, named.iter().map(ToString::to_string));
        rows.extend(query.build_query_as::<Row>().fetch_all(&mut *conn).await?);
    }
    let rows: Vec<HoldRow> = rows.into_iter().map(TryInto::try_into).collect::<StoreResult<_>>()?;
    let placed_by: Vec<TransactionId> = rows.iter().map(|row| row.placed_by).collect();
    let mut entries = transactions::load_entries(conn, wallet, &placed_by).await?;
    let hold = |row: HoldRow| Hold {
        id: row.id,
        placed_by: row.placed_by,
        amount: row.amount,
        parts: Hold::parts_of(&entries.remove(&row.placed_by).unwrap_or_default()),
        state: row.state,
        captured: row.captured,
        expires_at: row.expires_at,
    };
    // A hold that is both named and expired would be read twice, and its entries would be missing the second time.
    let unique: BTreeMap<HoldId, HoldRow> = rows.into_iter().map(|row| (row.id, row)).collect();
    Ok(unique.into_values().map(hold).map(|hold| (hold.id, hold)).collect())
}

/// Inserts new holds and updates the state of existing ones.
pub(super) async fn save(
    conn: &mut Conn,
    wallet: WalletId,
    before: &BTreeMap<HoldId, Hold>,
    after: &BTreeMap<HoldId, Hold>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let fresh: Vec<&Hold> = after.values().filter(|hold| !before.contains_key(&hold.id)).collect();
    if !fresh.is_empty() {
        let mut query = QueryBuilder::new(
            "INSERT INTO ledger_holds (id, wallet_id, transaction_id, amount_micro, captured_micro, state,
                                       expires_at, created_at, updated_at) ",
        );
        query.push_values(fresh, |mut row, hold| {
            row.push_bind(hold.id.to_string())
                .push_bind(wallet.to_string())
                .push_bind(hold.placed_by.to_string())
                .push_bind(hold.amount.0)
                .push_bind(hold.captured.0)
                .push_bind(hold.state.as_str())
                .push_bind(hold.expires_at)
                .push_bind(now)
                .push_bind(now);
        });
        query.build().execute(&mut *conn).await?;
    }
    for hold in after.values() {
        if before.get(&hold.id).is_none_or(|old| old == hold) {
            continue;
        }
        let updated = sqlx::query(
            "UPDATE ledger_holds SET state = ?, captured_micro = ?, updated_at = ?
             WHERE id = ? AND wallet_id = ? AND state = 'open'",
        )
        .bind(hold.state.as_str())
        .bind(hold.captured.0)
        .bind(now)
        .bind(hold.id.to_string())
        .bind(wallet.to_string())
        .execute(&mut *conn)
        .await?;
        expect_one(&updated, "hold")?;
    }
    Ok(())
}
