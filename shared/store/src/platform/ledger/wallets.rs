//! Table `wallets`: one per install, with its balances.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use flysk_domain::id::{InstallId, WalletId, WidgetId};
use flysk_domain::money::MicroCoins;
use sqlx::QueryBuilder;

use crate::error::{expect_rows, unless_duplicate_of};
use crate::listed::{MAX_ROWS, filled_up, push_in};
use crate::sql_text::sql;
use crate::{Conn, StoreError, StoreResult};

/// A wallet's balances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WalletRow {
    /// `wal_…`, ordered by the time of creation.
    pub id: WalletId,
    /// Install that owns the wallet.
    pub install_id: InstallId,
    /// Widget of the install.
    pub widget_id: WidgetId,
    /// Coins that can be spent. Expired coins are included until the next sweep or command.
    pub available: MicroCoins,
    /// Coins reserved by open holds.
    pub held: MicroCoins,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    install_id: String,
    widget_id: String,
    available_micro: i64,
    held_micro: i64,
}

impl TryFrom<Row> for WalletRow {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            id: super::decode_text("wallet id", &row.id)?,
            install_id: super::decode_text("install id", &row.install_id)?,
            widget_id: super::decode_text("widget id", &row.widget_id)?,
            available: MicroCoins(row.available_micro),
            held: MicroCoins(row.held_micro),
        })
    }
}

const SELECT: &str = "SELECT id, install_id, widget_id, available_micro, held_micro FROM wallets WHERE ";

/// Reads one row without a lock; `None` if there is none.
pub async fn find_wallet(conn: &mut Conn, id: WalletId) -> StoreResult<Option<WalletRow>> {
    let row: Option<Row> =
        sqlx::query_as(sql!(SELECT, "id = ?")).bind(id.to_string()).fetch_optional(conn).await?;
    row.map(TryInto::try_into).transpose()
}

/// Without a lock; `None` before the wallet is opened.
pub async fn find_wallet_of_install(conn: &mut Conn, install: InstallId) -> StoreResult<Option<WalletRow>> {
    let row: Option<Row> =
        sqlx::query_as(sql!(SELECT, "install_id = ?")).bind(install.to_string()).fetch_optional(conn).await?;
    row.map(TryInto::try_into).transpose()
}

/// Lists the wallets of these installs.
pub async fn list_wallets_of_installs(
    conn: &mut Conn,
    installs: &[InstallId],
) -> StoreResult<Vec<WalletRow>> {
    if installs.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = QueryBuilder::new(SELECT);
    query.push("install_id");
    push_in(&mut query, installs.iter().map(ToString::to_string));
    let rows: Vec<Row> = query.build_query_as().fetch_all(conn).await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

pub(super) struct LockedWallet {
    pub(super) row: WalletRow,
    /// Balance below which its widget gets an event, if the widget has set one.
    pub(super) low_balance: Option<MicroCoins>,
}

#[derive(sqlx::FromRow)]
struct LockedRow {
    #[sqlx(flatten)]
    row: Row,
    low_balance_micro: Option<i64>,
}

impl TryFrom<LockedRow> for LockedWallet {
    type Error = StoreError;

    fn try_from(row: LockedRow) -> Result<Self, StoreError> {
        Ok(Self { row: row.row.try_into()?, low_balance: row.low_balance_micro.map(MicroCoins) })
    }
}

/// The widget's row is only read: a subquery of a locking read locks nothing.
const SELECT_LOCKED: &str = "SELECT id, install_id, widget_id, available_micro, held_micro,
        (SELECT CAST(JSON_EXTRACT(w.billing, '$.flycoins.low_balance_micro') AS SIGNED) FROM widgets w
         WHERE w.id = wallets.widget_id) AS low_balance_micro
    FROM wallets ";

/// Locks the wallet's row until the transaction ends.
pub(super) async fn lock(conn: &mut Conn, id: WalletId) -> StoreResult<LockedWallet> {
    let row: Option<LockedRow> = sqlx::query_as(sql!(SELECT_LOCKED, "WHERE id = ? FOR UPDATE"))
        .bind(id.to_string())
        .fetch_optional(conn)
        .await?;
    row.ok_or(StoreError::WrongState { what: "wallet" })?.try_into()
}

/// Locks the rows of those of the wallets that no other transaction has locked, in the order of their ids, until the
/// transaction ends. It waits for none.
///
/// The index is named, because a scan of a small table would lock the neighbours for a moment.
pub(super) async fn lock_unlocked(
    conn: &mut Conn,
    ids: &BTreeSet<WalletId>,
) -> StoreResult<BTreeMap<WalletId, LockedWallet>> {
    if ids.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut query = QueryBuilder::new(SELECT_LOCKED);
    query.push("FORCE INDEX (PRIMARY) WHERE id");
    push_in(&mut query, ids.iter().map(ToString::to_string));
    query.push(" ORDER BY id FOR UPDATE SKIP LOCKED");
    let rows: Vec<LockedRow> = query.build_query_as().fetch_all(conn).await?;
    let wallet = |row: LockedRow| LockedWallet::try_from(row).map(|locked| (locked.row.id, locked));
    rows.into_iter().map(wallet).collect()
}

/// Makes transactions that begin with this run one after another for each wallet, so that they see each other's rows. The
/// row is written and not only locked: nodes of a cluster compare writes.
///
/// # Errors
///
/// There is no such wallet, or the database fails.
pub async fn write_lock_wallet(conn: &mut Conn, id: WalletId, now: DateTime<Utc>) -> StoreResult<()> {
    let written = sqlx::query(
        "UPDATE wallets SET updated_at = GREATEST(DATE_ADD(updated_at, INTERVAL 1 MICROSECOND), ?) WHERE id = ?",
    )
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    if written.rows_affected() == 1 { Ok(()) } else { Err(StoreError::WrongState { what: "wallet" }) }
}

/// Creates the wallet of an install; `false` if it exists.
pub async fn insert_wallet(
    conn: &mut Conn,
    id: WalletId,
    install: InstallId,
    widget: WidgetId,
    now: DateTime<Utc>,
) -> StoreResult<bool> {
    let inserted = sqlx::query(
        "INSERT INTO wallets (id, install_id, widget_id, created_at, updated_at) VALUES (?, ?, ?, ?, ?)",
    )
    .bind(id.to_string())
    .bind(install.to_string())
    .bind(widget.to_string())
    .bind(now)
    .bind(now)
    .execute(conn)
    .await;
    unless_duplicate_of(inserted, "wallets_install")
}

#[derive(Clone, Copy)]
pub(super) struct NewBalances<'a> {
    /// The row as it was locked.
    pub(super) old: &'a WalletRow,
    /// Coins that can be spent.
    pub(super) available: MicroCoins,
    /// Coins reserved by open holds.
    pub(super) held: MicroCoins,
}

impl NewBalances<'_> {
    fn moves_held(&self) -> bool {
        self.held != self.old.held
    }
}

/// Writes the balances of locked wallets. The statement also compares the old balances: a caller without the locks fails
/// instead of overwriting a concurrent change.
///
/// Most groups move no held coins. Theirs are then neither compared nor written, which is half of the statement.
pub(super) async fn update_balances(
    conn: &mut Conn,
    balances: &[NewBalances<'_>],
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let is_held_moved = balances.iter().any(NewBalances::moves_held);
    for written in balances.chunks(MAX_ROWS) {
        let rows = filled_up(written);
        let mut query =
            QueryBuilder::new("UPDATE wallets FORCE INDEX (PRIMARY) SET available_micro = CASE id");
        for row in &rows {
            query.push(" WHEN ").push_bind(row.old.id.to_string());
            query.push(" THEN CAST(").push_bind(row.available.0).push(" AS SIGNED)");
        }
        query.push(" ELSE available_micro END");
        if is_held_moved {
            query.push(", held_micro = CASE id");
            for row in &rows {
                query.push(" WHEN ").push_bind(row.old.id.to_string());
                query.push(" THEN CAST(").push_bind(row.held.0).push(" AS SIGNED)");
            }
            query.push(" ELSE held_micro END");
        }
        query.push(", updated_at = ").push_bind(now);
        query.push(" WHERE available_micro = CASE id");
        for row in &rows {
            query.push(" WHEN ").push_bind(row.old.id.to_string());
            query.push(" THEN CAST(").push_bind(row.old.available.0).push(" AS SIGNED)");
        }
        query.push(" END");
        if is_held_moved {
            query.push(" AND held_micro = CASE id");
            for row in &rows {
                query.push(" WHEN ").push_bind(row.old.id.to_string());
                query.push(" THEN CAST(").push_bind(row.old.held.0).push(" AS SIGNED)");
            }
            query.push(" END");
        }
        query.push(" AND id");
        push_in(&mut query, rows.iter().map(|row| row.old.id.to_string()));
        expect_rows(&query.build().execute(&mut *conn).await?, written.len(), "wallet")?;
    }
    Ok(())
}
