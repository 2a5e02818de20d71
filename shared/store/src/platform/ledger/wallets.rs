//! Table `wallets`: one per install, with its balances.

use chrono::{DateTime, Utc};
use flysk_domain::id::{InstallId, WalletId, WidgetId};
use flysk_domain::money::MicroCoins;

use crate::error::expect_one;
use crate::sql_text::sql;
use crate::{Conn, StoreError, StoreResult};

/// A wallet's balances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WalletRow {
    /// Id of the wallet.
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

/// Finds a wallet.
pub async fn find_wallet(conn: &mut Conn, id: WalletId) -> StoreResult<Option<WalletRow>> {
    let row: Option<Row> =
        sqlx::query_as(sql!(SELECT, "id = ?")).bind(id.to_string()).fetch_optional(conn).await?;
    row.map(TryInto::try_into).transpose()
}

/// Finds the wallet of an install.
pub async fn find_wallet_of_install(conn: &mut Conn, install: InstallId) -> StoreResult<Option<WalletRow>> {
    let row: Option<Row> =
        sqlx::query_as(sql!(SELECT, "install_id = ?")).bind(install.to_string()).fetch_optional(conn).await?;
    row.map(TryInto::try_into).transpose()
}

/// A locked wallet.
pub(super) struct LockedWallet {
    /// The wallet.
    pub(super) row: WalletRow,
    /// Balance below which its widget is told, if the widget has set one.
    pub(super) low_balance: Option<MicroCoins>,
}

#[derive(sqlx::FromRow)]
struct LockedRow {
    #[sqlx(flatten)]
    row: Row,
    low_balance_micro: Option<i64>,
}

/// Locks the wallet's row until the transaction ends. The widget's row is only read: a subquery of a locking read locks
/// nothing.
pub(super) async fn lock(conn: &mut Conn, id: WalletId) -> StoreResult<LockedWallet> {
    let row: Option<LockedRow> = sqlx::query_as(
        "SELECT id, install_id, widget_id, available_micro, held_micro,
                (SELECT CAST(JSON_EXTRACT(w.billing, '$.flycoins.low_balance_micro') AS SIGNED) FROM widgets w
                 WHERE w.id = wallets.widget_id) AS low_balance_micro
         FROM wallets WHERE id = ? FOR UPDATE",
    )
    .bind(id.to_string())
    .fetch_optional(conn)
    .await?;
    let found = row.ok_or(StoreError::WrongState { what: "wallet" })?;
    let low_balance = found.low_balance_micro.map(MicroCoins);
    Ok(LockedWallet { row: found.row.try_into()?, low_balance })
}

/// Makes transactions that begin with this run one after another for each wallet, so that they see each other's rows. The
/// row is written and not only locked: nodes of a cluster compare writes.
///
/// # Errors
///
/// There is no such wallet, or the database fails.
pub async fn take_turn(conn: &mut Conn, id: WalletId, now: DateTime<Utc>) -> StoreResult<()> {
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
    .await
    .map_err(StoreError::from);
    match inserted {
        Ok(_) => Ok(true),
        Err(StoreError::Duplicate { key }) if key == "wallets_install" => Ok(false),
        Err(error) => Err(error),
    }
}

/// Writes the balances of a locked wallet. The statement also compares the old balances: a caller without the lock
/// fails instead of overwriting a concurrent change.
pub(super) async fn update_balances(
    conn: &mut Conn,
    old: &WalletRow,
    available: MicroCoins,
    held: MicroCoins,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let updated = sqlx::query(
        "UPDATE wallets SET available_micro = ?, held_micro = ?, updated_at = ?
         WHERE id = ? AND available_micro = ? AND held_micro = ?",
    )
    .bind(available.0)
    .bind(held.0)
    .bind(now)
    .bind(old.id.to_string())
    .bind(old.available.0)
    .bind(old.held.0)
    .execute(conn)
    .await?;
    expect_one(&updated, "wallet")
}
