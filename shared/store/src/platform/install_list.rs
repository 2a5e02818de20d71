//! Installs as their vendor lists them: rows of `installs` with the account's host and name.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::id::{AccountId, InstallId, WidgetId};
use flysk_domain::platform::lifecycle::InstallStatus;

use crate::sql_text::sql;
use crate::text_column::decode_text;
use crate::{Conn, StoreResult, TextColumn};

/// An install as its vendor sees it in lists.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct InstallSummary {
    /// `ins_…`, ordered by the time of creation.
    #[sqlx(try_from = "String")]
    pub id: InstallId,
    /// amoCRM's number of the account.
    #[sqlx(try_from = "u64")]
    pub account_id: AccountId,
    /// Host of the account.
    pub host: Option<String>,
    /// As amoCRM spells it; `None` while the account has no row.
    pub account_name: Option<String>,
    /// Status, computed from the facts.
    #[sqlx(try_from = "TextColumn")]
    pub status: InstallStatus,
    /// Incremented by each change of the settings.
    pub settings_version: u32,
    /// Sequence number of the last event about this install.
    pub event_sequence: u64,
    /// When access was last granted.
    pub granted_at: Option<DateTime<Utc>>,
    /// When the account first began to install the widget.
    pub created_at: DateTime<Utc>,
    /// When the row last changed.
    pub updated_at: DateTime<Utc>,
}

const SUMMARY: &str = "SELECT i.id, i.account_id, a.host, a.name AS account_name, i.status, i.settings_version, i.event_sequence,
            i.granted_at, i.created_at, i.updated_at
     FROM installs i LEFT JOIN accounts a ON a.platform = i.platform AND a.id = i.account_id
     WHERE i.widget_id = ?";

/// Lists at most `limit` installs of a widget with account ids above `after`, by account id; only those with `status`, if
/// given.
pub async fn list_summaries(
    conn: &mut Conn,
    widget_id: WidgetId,
    status: Option<InstallStatus>,
    after: AccountId,
    limit: u32,
) -> StoreResult<Vec<InstallSummary>> {
    let status = status.map(InstallStatus::as_str);
    Ok(sqlx::query_as(sql!(
        SUMMARY,
        " AND i.account_id > ? AND (? IS NULL OR i.status = ?) ORDER BY i.account_id LIMIT ?"
    ))
    .bind(widget_id.to_string())
    .bind(after.0)
    .bind(status)
    .bind(status)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// Finds an install of a widget by its id. Installs of other widgets are not found.
pub async fn find_summary(
    conn: &mut Conn,
    widget_id: WidgetId,
    id: InstallId,
) -> StoreResult<Option<InstallSummary>> {
    Ok(sqlx::query_as(sql!(SUMMARY, " AND i.id = ?"))
        .bind(widget_id.to_string())
        .bind(id.to_string())
        .fetch_optional(conn)
        .await?)
}

/// Finds the id of the newest install of a widget in `status`.
pub async fn find_newest(
    conn: &mut Conn,
    widget_id: WidgetId,
    status: InstallStatus,
) -> StoreResult<Option<InstallId>> {
    let id: Option<String> = sqlx::query_scalar(
        "SELECT id FROM installs WHERE widget_id = ? AND status = ? ORDER BY id DESC LIMIT 1",
    )
    .bind(widget_id.to_string())
    .bind(status.as_str())
    .fetch_optional(conn)
    .await?;
    id.map(|id| decode_text("install id", &id)).transpose()
}
