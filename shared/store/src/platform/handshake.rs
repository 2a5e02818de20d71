//! Data of a handshake: a widget, its install in an account and the install's wallet, in one read.

use flysk_domain::id::{AccountId, InvalidId};
use flysk_domain::money::MicroCoins;
use sqlx::mysql::MySqlRow;
use sqlx::{FromRow as _, Row as _};

use super::installs::{self, Install};
use super::widgets::{self, Widget};
use crate::platform::ledger::WalletRow;
use crate::sql_text::sql;
use crate::{Conn, StoreError, StoreResult};

/// Data of a handshake.
#[derive(Debug, Clone)]
pub struct HandshakeRow {
    /// Widget whose integration has the client id.
    pub widget: Widget,
    /// The install in the account, if the widget is installed there.
    pub install: Option<Install>,
    /// The wallet, if there is one. Its balance includes expired coins until the next sweep.
    pub wallet: Option<WalletRow>,
}

/// Finds a widget by its integration, with its install and wallet in the account.
pub async fn find(
    conn: &mut Conn,
    client_uuid: &str,
    account_id: AccountId,
) -> StoreResult<Option<HandshakeRow>> {
    // The column is ASCII: the database refuses to compare it with other characters, and they cannot match.
    if !client_uuid.is_ascii() {
        return Ok(None);
    }
    let row = sqlx::query(sql!(
        "SELECT ",
        widgets::COLUMNS,
        ", ",
        installs::PREFIXED_COLUMNS,
        ", c.id AS wallet_id, c.available_micro, c.held_micro
         FROM widgets w LEFT JOIN installs i ON i.widget_id = w.id AND i.account_id = ?
             LEFT JOIN wallets c ON c.install_id = i.id
         WHERE w.client_uuid = ?",
    ))
    .bind(account_id.0)
    .bind(client_uuid)
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let widget = Widget::from_row(&row)?;
    let install = installs::read_prefixed(&row)?;
    let wallet = install.as_ref().map(|install| read_wallet(&row, install)).transpose()?.flatten();
    Ok(Some(HandshakeRow { widget, install, wallet }))
}

fn read_wallet(row: &MySqlRow, install: &Install) -> StoreResult<Option<WalletRow>> {
    let Some(id) = row.try_get::<Option<String>, _>("wallet_id")? else { return Ok(None) };
    let id = id.parse().map_err(|error: InvalidId| StoreError::InvalidRow {
        what: "wallet id",
        reason: error.to_string(),
    })?;
    Ok(Some(WalletRow {
        id,
        install_id: install.id,
        widget_id: install.widget_id,
        available: MicroCoins(row.try_get("available_micro")?),
        held: MicroCoins(row.try_get("held_micro")?),
    }))
}
