//! Table `wallets`: one per install, its balances beside the entries.

use chrono::{DateTime, Utc};
use flysk_domain::id::{InstallId, WalletId, WidgetId};
use flysk_domain::money::MicroCoins;

use crate::error::expect_one;
use crate::{Conn, StoreError, StoreResult};

/// A wallet's balances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WalletRow {
    /// Which.
    pub id: WalletId,
    /// Whose.
    pub install_id: InstallId,
    /// Of which widget.
    pub widget_id: WidgetId,
    /// What can be spent. Coins whose time is over are among them until the next sweep or command.
    pub available: MicroCoins,
    /// What is set aside.
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
            id: super::read("wallet id", &row.id)?,
            install_id: super::read("install id", &row.install_id)?,
            widget_id: super::read("widget id", &row.widget_id)?,
            available: MicroCoins(row.available_micro),
            held: MicroCoins(row.held_micro),
        })
    }
}

const SELECT: &str = "SELECT id, install_id, widget_id, available_micro, held_micro FROM wallets WHERE ";

async fn one(conn: &mut Conn, rest: &'static str, id: String) -> StoreResult<Option<WalletRow>> {
    let sql = format!("{SELECT}{rest}");
    let row: Option<Row> = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(id).fetch_optional(conn).await?;
    row.map(TryInto::try_into).transpose()
}

/// One wallet.
pub async fn find_wallet(conn: &mut Conn, id: WalletId) -> StoreResult<Option<WalletRow>> {
    one(conn, "id = ?", id.to_string()).await
}

/// The wallet of an install.
pub async fn find_wallet_of_install(conn: &mut Conn, install: InstallId) -> StoreResult<Option<WalletRow>> {
    one(conn, "install_id = ?", install.to_string()).await
}

/// Locks the wallet's row for the rest of the transaction.
pub(super) async fn lock(conn: &mut Conn, id: WalletId) -> StoreResult<WalletRow> {
    one(conn, "id = ? FOR UPDATE", id.to_string()).await?.ok_or(StoreError::Stale { what: "wallet" })
}

/// Creates the wallet of an install; `false` if it has one.
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
        Err(StoreError::Taken { key }) if key == "wallets_install" => Ok(false),
        Err(error) => Err(error),
    }
}

/// Writes the balances of a locked wallet. The old ones are asked for as well: whoever forgot the lock
/// fails here instead of losing somebody's coins.
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
