//! Column `widgets.starts_switched_off`: whether new installs of a widget stay inactive until its backend switches them on.

use chrono::{DateTime, Utc};
use flysk_domain::id::WidgetId;

use crate::error::expect_one;
use crate::{Conn, StoreResult};

/// Whether new installs of the widget start switched off.
pub async fn starts_switched_off(conn: &mut Conn, id: WidgetId) -> StoreResult<bool> {
    let starts: Option<bool> = sqlx::query_scalar("SELECT starts_switched_off FROM widgets WHERE id = ?")
        .bind(id.to_string())
        .fetch_optional(conn)
        .await?;
    Ok(starts.unwrap_or_default())
}

/// Sets whether new installs of the widget start switched off. Existing installs stay as they are.
pub async fn set_starts_switched_off(
    conn: &mut Conn,
    id: WidgetId,
    starts_switched_off: bool,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let result = sqlx::query("UPDATE widgets SET starts_switched_off = ?, updated_at = ? WHERE id = ?")
        .bind(starts_switched_off)
        .bind(now)
        .bind(id.to_string())
        .execute(conn)
        .await?;
    expect_one(&result, "widget")
}
