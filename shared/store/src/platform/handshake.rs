//! A widget, its install in one account and the wallet there, in one read.

use flysk_domain::id::{AccountId, InvalidId};
use flysk_domain::money::MicroCoins;
use sqlx::mysql::MySqlRow;
use sqlx::{FromRow as _, Row as _};

use super::installs::{self, Install};
use super::widgets::{self, Widget};
use crate::ledger::WalletRow;
use crate::{Conn, StoreError, StoreResult};

/// What a widget's token leads to.
#[derive(Debug, Clone)]
pub struct Found {
    /// The widget.
    pub widget: Widget,
    /// The widget in the account, if it is installed there.
    pub install: Option<Install>,
    /// Its wallet, if it has one. Coins whose time is over are in it until the next sweep.
    pub wallet: Option<WalletRow>,
}

/// The widget of an integration, and what it has in the account.
pub async fn find(conn: &mut Conn, client_uuid: &str, account_id: AccountId) -> StoreResult<Option<Found>> {
    // The column is ASCII: the database refuses to compare it with anything else, and nothing else is in it.
    if !client_uuid.is_ascii() {
        return Ok(None);
    }
    let sql = format!(
        "SELECT {}, {}, c.id AS wallet_id, c.available_micro, c.held_micro
         FROM widgets w LEFT JOIN installs i ON i.widget_id = w.id AND i.account_id = ?
             LEFT JOIN wallets c ON c.install_id = i.id
         WHERE w.client_uuid = ?",
        columns("w", widgets::COLUMNS, ""),
        columns("i", installs::COLUMNS, installs::PREFIX),
    );
    let row = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(account_id.0)
        .bind(client_uuid)
        .fetch_optional(conn)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let widget = Widget::from_row(&row)?;
    let install_id: Option<String> = row.try_get(format!("{}id", installs::PREFIX).as_str())?;
    let install = install_id.map(|_| installs::read_prefixed(&row)).transpose()?;
    let wallet = install.as_ref().map(|install| read_wallet(&row, install)).transpose()?.flatten();
    Ok(Some(Found { widget, install, wallet }))
}

fn read_wallet(row: &MySqlRow, install: &Install) -> StoreResult<Option<WalletRow>> {
    let Some(id) = row.try_get::<Option<String>, _>("wallet_id")? else { return Ok(None) };
    let id = id
        .parse()
        .map_err(|error: InvalidId| StoreError::Corrupt { what: "wallet id", reason: error.to_string() })?;
    Ok(Some(WalletRow {
        id,
        install_id: install.id,
        widget_id: install.widget_id,
        available: MicroCoins(row.try_get("available_micro")?),
        held: MicroCoins(row.try_get("held_micro")?),
    }))
}

/// `w.id AS id, …`
fn columns(table: &str, names: &str, prefix: &str) -> String {
    let name = |name: &str| format!("{table}.{name} AS {prefix}{name}");
    names.split(',').map(|part| name(part.trim())).collect::<Vec<_>>().join(", ")
}
