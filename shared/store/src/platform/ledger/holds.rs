//! Table `ledger_holds`. The lots of a hold are read from the entries that placed it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::id::{AccountId, HoldId, TransactionId, WalletId, WidgetId};
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::ledger::{Hold, HoldState};
use sqlx::{FromRow as _, QueryBuilder, Row as _};

use super::changed::Changed;
use super::transactions;
use crate::error::expect_rows;
use crate::listed::{MAX_ROWS, filled_up, in_few_lengths, push_in};
use crate::sql_text::sql;
use crate::{Conn, StoreError, StoreResult};

/// Expired holds of a wallet released in one run; the rest is left to the next run. Of wallets that share a transaction that many
/// are read at once.
const MAX_EXPIRED_HOLDS: u32 = 500;

/// A hold without its lots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HoldRow {
    /// `hld_…`, ordered by the time of creation.
    pub id: HoldId,
    /// Row of `wallets`; an install has at most one.
    pub wallet_id: WalletId,
    /// `hold` transaction that took the coins out of their lots.
    pub placed_by: TransactionId,
    /// Reserved coins.
    pub amount: MicroCoins,
    /// Coins charged by the capture; zero unless captured.
    pub captured: MicroCoins,
    /// Open until a capture, a release or the expiry.
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

/// Holds by wallet and id.
pub(super) type HoldsOf = BTreeMap<WalletId, BTreeMap<HoldId, Hold>>;

/// Loads the expired holds of those of the wallets that may have some, `holding`, and those of the named holds that are the
/// wallets'.
pub(super) async fn load(
    conn: &mut Conn,
    wallets: &BTreeSet<WalletId>,
    holding: &BTreeSet<WalletId>,
    named: &BTreeSet<HoldId>,
    now: DateTime<Utc>,
) -> StoreResult<HoldsOf> {
    let rows = load_rows(conn, wallets, holding, named, now).await?;
    let placed_by: Vec<TransactionId> = rows.values().map(|row| row.placed_by).collect();
    let mut entries = transactions::load_entries(conn, wallets, &placed_by).await?;
    let mut holds = HoldsOf::new();
    for row in rows.into_values() {
        let hold = Hold {
            id: row.id,
            placed_by: row.placed_by,
            amount: row.amount,
            parts: Hold::parts_of(&entries.remove(&row.placed_by).unwrap_or_default()),
            state: row.state,
            captured: row.captured,
            expires_at: row.expires_at,
        };
        holds.entry(row.wallet_id).or_default().insert(hold.id, hold);
    }
    Ok(holds)
}

/// The rows by id: a hold that is both named and expired is read twice.
async fn load_rows(
    conn: &mut Conn,
    wallets: &BTreeSet<WalletId>,
    holding: &BTreeSet<WalletId>,
    named: &BTreeSet<HoldId>,
    now: DateTime<Utc>,
) -> StoreResult<BTreeMap<HoldId, HoldRow>> {
    let mut rows = BTreeMap::new();
    let together = load_expired(conn, holding, now).await?;
    // A wallet with very many of them leaves the others without theirs, and they may need the coins.
    let are_some_missing = holding.len() > 1 && together.len() >= MAX_EXPIRED_HOLDS as usize;
    if are_some_missing {
        for wallet in holding {
            let own = load_expired(conn, &BTreeSet::from([*wallet]), now).await?;
            rows.extend(own.into_iter().map(|row| (row.id, row)));
        }
    } else {
        rows.extend(together.into_iter().map(|row| (row.id, row)));
    }
    if !named.is_empty() {
        let mut query = QueryBuilder::new(SELECT);
        query.push("id");
        push_in(&mut query, named.iter().map(ToString::to_string));
        for row in query.build_query_as::<Row>().fetch_all(conn).await? {
            let row = HoldRow::try_from(row)?;
            if wallets.contains(&row.wallet_id) {
                rows.insert(row.id, row);
            }
        }
    }
    Ok(rows)
}

/// At most [`MAX_EXPIRED_HOLDS`] open holds of the wallets that have expired, the first to expire first.
async fn load_expired(
    conn: &mut Conn,
    wallets: &BTreeSet<WalletId>,
    now: DateTime<Utc>,
) -> StoreResult<Vec<HoldRow>> {
    if wallets.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = QueryBuilder::new(SELECT);
    query.push("state = 'open' AND expires_at <= ").push_bind(now).push(" AND wallet_id");
    push_in(&mut query, wallets.iter().map(ToString::to_string));
    query.push(" ORDER BY expires_at LIMIT ").push_bind(MAX_EXPIRED_HOLDS);
    let rows: Vec<Row> = query.build_query_as().fetch_all(conn).await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Inserts new holds and ends existing ones.
pub(super) async fn save(
    conn: &mut Conn,
    changed: &[Changed<'_, HoldId, Hold>],
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let fresh: Vec<(WalletId, &Hold)> = changed.iter().flat_map(Changed::fresh).collect();
    for rows in in_few_lengths(&fresh) {
        let mut query = QueryBuilder::new(
            "INSERT INTO ledger_holds (id, wallet_id, transaction_id, amount_micro, captured_micro, state,
                                       expires_at, created_at, updated_at) ",
        );
        query.push_values(rows, |mut row, (wallet, hold)| {
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
    for state in [HoldState::Captured, HoldState::Released, HoldState::Expired] {
        let altered = changed.iter().flat_map(Changed::altered);
        let ended: Vec<&Hold> = altered.map(|(_, hold)| hold).filter(|hold| hold.state == state).collect();
        for holds in ended.chunks(MAX_ROWS) {
            end(conn, holds, state, now).await?;
        }
    }
    Ok(())
}

/// Ends at most [`MAX_ROWS`] open holds in the same way. The index is named: by that of the state the statement would lock open
/// holds of other wallets.
async fn end(conn: &mut Conn, ended: &[&Hold], state: HoldState, now: DateTime<Utc>) -> StoreResult<()> {
    let holds = filled_up(ended);
    let mut query =
        QueryBuilder::new("UPDATE ledger_holds FORCE INDEX (PRIMARY) SET captured_micro = CASE id");
    for hold in &holds {
        query.push(" WHEN ").push_bind(hold.id.to_string());
        query.push(" THEN CAST(").push_bind(hold.captured.0).push(" AS SIGNED)");
    }
    query.push(" ELSE captured_micro END, state = ").push_bind(state.as_str());
    query.push(", updated_at = ").push_bind(now).push(" WHERE state = 'open' AND id");
    push_in(&mut query, holds.iter().map(|hold| hold.id.to_string()));
    expect_rows(&query.build().execute(conn).await?, ended.len(), "hold")
}
