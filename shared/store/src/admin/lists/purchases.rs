//! List of purchases of Flycoins.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::id::{AccountId, PurchaseId, WalletId};
use flysk_domain::money::{Kopecks, MicroCoins};
use flysk_domain::platform::purchases::{Discrepancy, PurchaseState};
use sqlx::{MySql, QueryBuilder};

use crate::admin::listing::{Keyset, arrange, push_page, push_selection};
use crate::admin::sorting::{SortColumn, SortedPage, push_sorted_page, push_sorted_selection};
use crate::listed::push_in;
use crate::{Conn, StoreResult, TextColumn};

/// Filter of purchases; `None` selects any.
#[derive(Debug, Clone, Default)]
pub struct PurchaseFilter {
    /// Keeps rows in this state.
    pub state: Option<PurchaseState>,
    /// Keeps rows of this wallet.
    pub wallet_id: Option<WalletId>,
    /// The bank's number of the payment.
    pub payment_id: Option<String>,
    /// Whether there is a discrepancy to review.
    pub is_disputed: bool,
}

impl PurchaseFilter {
    /// Whether an index has the rows of the filter in the order of a column, so that a page reads no others.
    pub const fn can_sort_by(&self, column: SortColumn) -> bool {
        let Self { state: _, wallet_id, payment_id, is_disputed } = self;
        let has_others = wallet_id.is_some() || payment_id.is_some() || *is_disputed;
        matches!(column, SortColumn::Amount) && !has_others
    }
}

/// A purchase in a list.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct PurchaseRow {
    /// `pur_…`, ordered by the time of creation.
    #[sqlx(try_from = "String")]
    pub id: PurchaseId,
    /// `Failed` may still become `Paid`: a late success is accepted.
    #[sqlx(try_from = "TextColumn")]
    pub state: PurchaseState,
    /// Discrepancy to review.
    #[sqlx(try_from = "TextColumn")]
    pub discrepancy: Option<Discrepancy>,
    /// Title of the package.
    pub title: String,
    price_kopecks: i64,
    refunded_kopecks: i64,
    coins_micro: i64,
    /// The bank's number of the payment.
    pub payment_id: Option<String>,
    /// amoCRM's number of the account.
    #[sqlx(try_from = "u64")]
    pub account_id: AccountId,
    /// As amoCRM spells it; `None` while the account has no row.
    pub account_name: Option<String>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
}

impl PurchaseRow {
    /// What the buyer pays, before refunds.
    pub fn price(&self) -> Kopecks {
        Kopecks(self.price_kopecks)
    }

    /// Money refunded or being refunded.
    pub fn refunded(&self) -> Kopecks {
        Kopecks(self.refunded_kopecks)
    }

    /// Purchased coins, without the bonus.
    pub fn coins(&self) -> MicroCoins {
        MicroCoins(self.coins_micro)
    }
}

/// Ids of the purchases that match, one page of them; their keys if the list is sorted.
pub async fn ids(conn: &mut Conn, filter: &PurchaseFilter, keyset: &Keyset) -> StoreResult<Vec<String>> {
    if let Some(column) = keyset.sort {
        return sorted(conn, filter, column, keyset).await;
    }
    let mut query = QueryBuilder::new("SELECT ");
    push_selection(&mut query, keyset);
    // Otherwise the servers read all rows of the value by another of its indexes, and sort them.
    match filter {
        PurchaseFilter { payment_id: None, wallet_id: Some(_), .. } => {
            query.push(" FROM coin_purchases FORCE INDEX (coin_purchases_wallet_id)")
        }
        PurchaseFilter { payment_id: None, is_disputed: false, state: Some(_), .. } => {
            query.push(" FROM coin_purchases FORCE INDEX (coin_purchases_state)")
        }
        _ => query.push(" FROM coin_purchases"),
    };
    query.push(" WHERE 1 = 1");
    push_purchase_filter(&mut query, filter);
    push_page(&mut query, keyset);
    Ok(keyset.in_order(query.build_query_scalar().fetch_all(conn).await?))
}

async fn sorted(
    conn: &mut Conn,
    filter: &PurchaseFilter,
    column: SortColumn,
    keyset: &Keyset,
) -> StoreResult<Vec<String>> {
    let mut page = SortedPage::of(column, keyset);
    while let Some(part) = page.next_part() {
        let mut query = QueryBuilder::new("SELECT ");
        push_sorted_selection(&mut query, &part);
        match filter.state {
            Some(_) => query.push(
                "price_kopecks AS sort_value FROM coin_purchases FORCE INDEX (coin_purchases_state_price)",
            ),
            None => query
                .push("price_kopecks AS sort_value FROM coin_purchases FORCE INDEX (coin_purchases_price)"),
        };
        query.push(" WHERE 1 = 1");
        push_purchase_filter(&mut query, filter);
        push_sorted_page(&mut query, &part);
        page.take(query.build_query_scalar().fetch_all(&mut *conn).await?);
    }
    Ok(page.into_keys())
}

fn push_purchase_filter(query: &mut QueryBuilder<MySql>, filter: &PurchaseFilter) {
    if let Some(state) = filter.state {
        query.push(" AND state = ").push_bind(state.as_str());
    }
    if let Some(id) = filter.wallet_id {
        query.push(" AND wallet_id = ").push_bind(id.to_string());
    }
    if let Some(id) = &filter.payment_id {
        query.push(" AND payment_id = ").push_bind(id.clone());
    }
    if filter.is_disputed {
        query.push(" AND discrepancy IS NOT NULL");
    }
}

/// The purchases with these ids, in their order.
pub async fn rows(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<PurchaseRow>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = QueryBuilder::new(
        "SELECT p.id, p.state, p.discrepancy, k.title, p.price_kopecks, p.refunded_kopecks, p.coins_micro, p.payment_id,
                i.account_id, a.name AS account_name, p.created_at
         FROM coin_purchases p STRAIGHT_JOIN coin_packages k ON k.id = p.package_id
         STRAIGHT_JOIN wallets l ON l.id = p.wallet_id STRAIGHT_JOIN installs i ON i.id = l.install_id
         LEFT JOIN accounts a ON a.platform = i.platform AND a.id = i.account_id WHERE p.id",
    );
    push_in(&mut query, ids.iter().cloned());
    let rows: Vec<PurchaseRow> = query.build_query_as().fetch_all(conn).await?;
    Ok(arrange(rows, ids, |row| row.id.to_string()))
}
