//! List of installs.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::id::{AccountId, InstallId, WidgetId};
use flysk_domain::platform::lifecycle::InstallStatus;

use crate::admin::listing::{Keyset, arrange};
use crate::listed::push_in;
use crate::{Conn, StoreResult, TextColumn};

/// Filter of installs; `None` selects any.
#[derive(Debug, Clone, Default)]
pub struct InstallFilter {
    /// Status.
    pub status: Option<InstallStatus>,
    /// Widget.
    pub widget_id: Option<WidgetId>,
    /// Account.
    pub account_id: Option<AccountId>,
}

/// An install with the names of its account and widget.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct InstallRow {
    /// Id of the install.
    #[sqlx(try_from = "String")]
    pub id: InstallId,
    /// Status.
    #[sqlx(try_from = "TextColumn")]
    pub status: InstallStatus,
    /// Id of the widget.
    #[sqlx(try_from = "String")]
    pub widget_id: WidgetId,
    /// Code of the widget.
    pub widget_code: String,
    /// Account.
    #[sqlx(try_from = "u64")]
    pub account_id: AccountId,
    /// Name of the account.
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
    if keyset.counts {
        query.push("CAST(COUNT(*) AS CHAR) FROM (SELECT 1");
    } else {
        query.push("id");
    }
    query.push(" FROM installs WHERE 1 = 1");
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
    match (keyset.counts, keyset.descending) {
        (true, _) => query.push(" LIMIT ").push_bind(keyset.limit).push(") counted"),
        (false, true) => query
            .push(" AND id < ")
            .push_bind(keyset.from.clone())
            .push(" ORDER BY id DESC LIMIT ")
            .push_bind(keyset.limit),
        (false, false) => query
            .push(" AND id > ")
            .push_bind(keyset.from.clone())
            .push(" ORDER BY id LIMIT ")
            .push_bind(keyset.limit),
    };
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
         FROM installs i JOIN widgets w ON w.id = i.widget_id
         LEFT JOIN accounts a ON a.platform = i.platform AND a.id = i.account_id WHERE i.id",
    );
    push_in(&mut query, ids.iter().cloned());
    let rows: Vec<InstallRow> = query.build_query_as().fetch_all(conn).await?;
    Ok(arrange(rows, ids, |row| row.id.to_string()))
}
