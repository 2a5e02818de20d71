//! List of wallets.

use chrono::{DateTime, Utc};
use flysk_domain::id::{AccountId, InstallId, WalletId, WidgetId};
use flysk_domain::money::MicroCoins;
use sqlx::{MySql, QueryBuilder};

use crate::admin::listing::{Keyset, arrange, push_page, push_selection};
use crate::admin::sorting::{SortColumn, SortedPage, push_sorted_page, push_sorted_selection};
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

impl WalletFilter {
    /// Whether an index has the rows of the filter in the order of a column, so that a page reads no others.
    pub const fn can_sort_by(&self, column: SortColumn) -> bool {
        let Self { install_id, widget_id, is_empty } = self;
        matches!(column, SortColumn::Balance) && install_id.is_none() && widget_id.is_none() && !*is_empty
    }
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

/// Ids of the wallets that match, one page of them; their keys if the list is sorted.
pub async fn ids(conn: &mut Conn, filter: &WalletFilter, keyset: &Keyset) -> StoreResult<Vec<String>> {
    if let Some(column) = keyset.sort {
        return sorted(conn, filter, column, keyset).await;
    }
    let mut query = QueryBuilder::new("SELECT ");
    push_selection(&mut query, keyset);
    query.push(" FROM wallets WHERE 1 = 1");
    push_wallet_filter(&mut query, filter);
    push_page(&mut query, keyset);
    Ok(keyset.in_order(query.build_query_scalar().fetch_all(conn).await?))
}

async fn sorted(
    conn: &mut Conn,
    filter: &WalletFilter,
    column: SortColumn,
    keyset: &Keyset,
) -> StoreResult<Vec<String>> {
    let mut page = SortedPage::of(column, keyset);
    while let Some(part) = page.next_part() {
        let mut query = QueryBuilder::new("SELECT ");
        push_sorted_selection(&mut query, &part);
        query.push("balance_step AS sort_value FROM wallets FORCE INDEX (wallets_balance)");
        query.push(" WHERE 1 = 1");
        push_wallet_filter(&mut query, filter);
        push_sorted_page(&mut query, &part);
        page.take(query.build_query_scalar().fetch_all(&mut *conn).await?);
    }
    Ok(page.into_keys())
}

fn push_wallet_filter(query: &mut QueryBuilder<MySql>, filter: &WalletFilter) {
    if let Some(id) = filter.install_id {
        query.push(" AND install_id = ").push_bind(id.to_string());
    }
    if let Some(id) = filter.widget_id {
        query.push(" AND widget_id = ").push_bind(id.to_string());
    }
    if filter.is_empty {
        query.push(" AND is_empty = TRUE");
    }
}

/// The wallets with these ids, in their order.
pub async fn rows(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<WalletListRow>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = QueryBuilder::new(
        "SELECT l.id, l.install_id, w.code AS widget_code, i.account_id, a.name AS account_name, l.available_micro,
                l.held_micro, l.updated_at
         FROM wallets l JOIN installs i ON i.id = l.install_id JOIN widgets w ON w.id = l.widget_id
         LEFT JOIN accounts a ON a.platform = i.platform AND a.id = i.account_id WHERE l.id",
    );
    push_in(&mut query, ids.iter().cloned());
    let rows: Vec<WalletListRow> = query.build_query_as().fetch_all(conn).await?;
    Ok(arrange(rows, ids, |row| row.id.to_string()))
}
