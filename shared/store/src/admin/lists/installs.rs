//! List of installs.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::id::{AccountId, InstallId, WidgetId};
use flysk_domain::platform::lifecycle::InstallStatus;

use crate::admin::listing::{Keyset, arrange, push_page, push_selection};
use crate::listed::push_in;
use crate::{Conn, StoreResult, TextColumn};

/// Filter of installs; `None` selects any.
#[derive(Debug, Clone, Default)]
pub struct InstallFilter {
    /// Keeps rows in this state.
    pub status: Option<InstallStatus>,
    /// Keeps rows of this widget.
    pub widget_id: Option<WidgetId>,
    /// Keeps rows of this account.
    pub account_id: Option<AccountId>,
}

/// An install with the names of its account and widget.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct InstallRow {
    /// `ins_…`, ordered by the time of creation.
    #[sqlx(try_from = "String")]
    pub id: InstallId,
    /// Follows from the facts of the install, by `flysk_domain::platform::lifecycle`.
    #[sqlx(try_from = "TextColumn")]
    pub status: InstallStatus,
    /// Row of `widgets`.
    #[sqlx(try_from = "String")]
    pub widget_id: WidgetId,
    /// Unique word by which commands name the widget.
    pub widget_code: String,
    /// amoCRM's number of the account.
    #[sqlx(try_from = "u64")]
    pub account_id: AccountId,
    /// As amoCRM spells it; `None` while the account has no row.
    pub account_name: Option<String>,
    /// Host of the account.
    pub host: Option<String>,
    /// When it was installed first.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// Ids of the installs that match, one page of them.
pub async fn ids(conn: &mut Conn, filter: &InstallFilter, keyset: &Keyset) -> StoreResult<Vec<String>> {
    let mut query = sqlx::QueryBuilder::new("SELECT ");
    push_selection(&mut query, keyset);
    // Otherwise the servers read all rows of the value by another of its indexes, and sort them.
    match filter {
        InstallFilter { account_id: None, widget_id: Some(_), .. } => {
            query.push(" FROM installs FORCE INDEX (installs_widget)")
        }
        // Or, once few ids are left, all of these.
        InstallFilter { account_id: None, status: Some(_), .. } => {
            query.push(" FROM installs FORCE INDEX (installs_status)")
        }
        _ => query.push(" FROM installs"),
    };
    query.push(" WHERE 1 = 1");
    if let Some(status) = filter.status {
        query.push(" AND status = ").push_bind(status.as_str());
    }
    if let Some(id) = filter.widget_id {
        query.push(" AND widget_id = ").push_bind(id.to_string());
    }
    if let Some(id) = filter.account_id {
        // The index on accounts begins with the platform.
        query.push(" AND platform IN ('amocrm', 'kommo') AND account_id = ").push_bind(id.0);
    }
    push_page(&mut query, keyset);
    Ok(keyset.in_order(query.build_query_scalar().fetch_all(conn).await?))
}

/// The installs with these ids, in their order.
pub async fn rows(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<InstallRow>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = sqlx::QueryBuilder::new(
        "SELECT i.id, i.status, i.widget_id, w.code AS widget_code, i.account_id, a.name AS account_name, a.host,
                i.created_at, i.updated_at
         FROM installs i STRAIGHT_JOIN widgets w ON w.id = i.widget_id
         LEFT JOIN accounts a ON a.platform = i.platform AND a.id = i.account_id WHERE i.id",
    );
    push_in(&mut query, ids.iter().cloned());
    let rows: Vec<InstallRow> = query.build_query_as().fetch_all(conn).await?;
    Ok(arrange(rows, ids, |row| row.id.to_string()))
}
