//! A widget and its install in one account, in one read.

use flysk_domain::id::AccountId;
use sqlx::{FromRow as _, Row as _};

use super::installs::{self, Install};
use super::widgets::{self, Widget};
use crate::{Conn, StoreResult};

/// The widget of an integration, and its install in the account if there is one.
pub async fn find(
    conn: &mut Conn,
    client_uuid: &str,
    account_id: AccountId,
) -> StoreResult<Option<(Widget, Option<Install>)>> {
    let sql = format!(
        "SELECT {}, {} FROM widgets w LEFT JOIN installs i ON i.widget_id = w.id AND i.account_id = ?
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
    Ok(Some((widget, install)))
}

/// `w.id AS id, …`
fn columns(table: &str, names: &str, prefix: &str) -> String {
    let name = |name: &str| format!("{table}.{name} AS {prefix}{name}");
    names.split(',').map(|part| name(part.trim())).collect::<Vec<_>>().join(", ")
}
