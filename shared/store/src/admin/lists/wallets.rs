//! List of wallets.

use chrono::{DateTime, Utc};
use flysk_domain::id::{AccountId, InstallId, WalletId, WidgetId};
use flysk_domain::money::MicroCoins;

use crate::admin::listing::{Keyset, arrange, push_page, push_selection};
use crate::listed::push_in;
use crate::{Conn, StoreResult};

/// Filter of wallets; `None` selects any.
#[derive(Debug, Clone, Default)]
pub struct WalletFilter {
    /// Keeps rows of this install.
    pub install_id: Option<InstallId>,
    /// Keeps rows of this widget.
    pub widget_id: Option<WidgetId>,
    /// Whether nothing is available.
    pub is_empty: bool,
}

/// A wallet with the name of its account.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct WalletListRow {
    /// `wal_…`, ordered by the time of creation.
    #[sqlx(try_from = "String")]
    pub id: WalletId,
    /// Row of `installs`, which has the widget and the account.
    #[sqlx(try_from = "String")]
    pub install_id: InstallId,
    /// Unique word by which commands name the widget.
    pub widget_code: String,
    /// amoCRM's number of the account.
    #[sqlx(try_from = "u64")]
    pub account_id: AccountId,
    /// As amoCRM spells it; `None` while the account has no row.
    pub account_name: Option<String>,
    available_micro: i64,
    held_micro: i64,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

impl WalletListRow {
    /// Coins that can be spent.
    pub fn available(&self) -> MicroCoins {
        MicroCoins(self.available_micro)
    }

    /// Coins in open holds.
    pub fn held(&self) -> MicroCoins {
        MicroCoins(self.held_micro)
    }
}

/// Ids of the wallets that match, one page of them.
pub async fn ids(conn: &mut Conn, filter: &WalletFilter, keyset: &Keyset) -> StoreResult<Vec<String>> {
    let mut query = sqlx::QueryBuilder::new("SELECT ");
    push_selection(&mut query, keyset);
    match filter {
        // Otherwise MariaDB may read the wallets by their ids until it has met enough empty ones.
        WalletFilter { install_id: None, widget_id: None, is_empty: true } => {
            query.push(" FROM wallets FORCE INDEX (wallets_empty)")
        }
        _ => query.push(" FROM wallets"),
    };
    query.push(" WHERE 1 = 1");
    if let Some(id) = filter.install_id {
        query.push(" AND install_id = ").push_bind(id.to_string());
    }
    if let Some(id) = filter.widget_id {
        query.push(" AND widget_id = ").push_bind(id.to_string());
    }
    if filter.is_empty {
        query.push(" AND is_empty = TRUE");
    }
    push_page(&mut query, keyset);
    Ok(keyset.in_order(query.build_query_scalar().fetch_all(conn).await?))
}

/// The wallets with these ids, in their order.
pub async fn rows(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<WalletListRow>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = sqlx::QueryBuilder::new(
        "SELECT l.id, l.install_id, w.code AS widget_code, i.account_id, a.name AS account_name, l.available_micro,
                l.held_micro, l.updated_at
         FROM wallets l STRAIGHT_JOIN installs i ON i.id = l.install_id
         STRAIGHT_JOIN widgets w ON w.id = l.widget_id
         LEFT JOIN accounts a ON a.platform = i.platform AND a.id = i.account_id WHERE l.id",
    );
    push_in(&mut query, ids.iter().cloned());
    let rows: Vec<WalletListRow> = query.build_query_as().fetch_all(conn).await?;
    Ok(arrange(rows, ids, |row| row.id.to_string()))
}
