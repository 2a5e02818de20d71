//! Lookup of a widget's customer: account, install and wallet in one read.

use flysk_domain::id::{AccountId, InstallId, WidgetId};
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::lifecycle::InstallStatus;

use super::WalletRow;
use crate::{Conn, StoreResult};

/// An account that installed a widget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Customer {
    /// Install of the widget in the account.
    pub install_id: InstallId,
    /// Follows from the facts of the install, by `flysk_domain::platform::lifecycle`.
    pub status: InstallStatus,
    /// The wallet. `None` until it is created on first use, if the install is older than the widget's use of Flycoins.
    pub wallet: Option<WalletRow>,
}

/// Columns of an install and, if it exists, of its wallet.
type Row = (String, String, Option<String>, Option<i64>, Option<i64>);

/// Finds an account as a customer of a widget; `None` if the widget was never installed there.
pub async fn find_customer(
    conn: &mut Conn,
    widget: WidgetId,
    account: AccountId,
) -> StoreResult<Option<Customer>> {
    let row: Option<Row> = sqlx::query_as(
        "SELECT i.id, i.status, w.id, w.available_micro, w.held_micro
         FROM installs i LEFT JOIN wallets w ON w.install_id = i.id
         WHERE i.widget_id = ? AND i.account_id = ?",
    )
    .bind(widget.to_string())
    .bind(account.0)
    .fetch_optional(conn)
    .await?;
    let Some((install, status, wallet, available, held)) = row else { return Ok(None) };
    let install_id: InstallId = super::decode_text("install id", &install)?;
    let wallet = match (wallet, available, held) {
        (Some(id), Some(available), Some(held)) => Some(WalletRow {
            id: super::decode_text("wallet id", &id)?,
            install_id,
            widget_id: widget,
            available: MicroCoins(available),
            held: MicroCoins(held),
        }),
        _ => None,
    };
    Ok(Some(Customer { install_id, status: super::decode_text("install status", &status)?, wallet }))
}
