//! Widgets of one vendor.

use std::ops::Deref;

use flysk_domain::id::{VendorId, WidgetId};

use crate::platform::widgets::{COLUMNS, Widget};
use crate::sql_text::sql;
use crate::{Conn, StoreResult};

/// A widget that was found as one of a vendor's own.
#[derive(Debug, Clone)]
pub struct OwnWidget(Widget);

impl Deref for OwnWidget {
    type Target = Widget;

    fn deref(&self) -> &Widget {
        &self.0
    }
}

/// Finds a widget of a vendor. Widgets of other vendors are not found.
pub async fn find(conn: &mut Conn, vendor: VendorId, id: WidgetId) -> StoreResult<Option<OwnWidget>> {
    let found: Option<Widget> =
        sqlx::query_as(sql!("SELECT ", COLUMNS, " FROM widgets w WHERE w.id = ? AND w.vendor_id = ?"))
            .bind(id.to_string())
            .bind(vendor.to_string())
            .fetch_optional(conn)
            .await?;
    Ok(found.map(OwnWidget))
}

/// Lists the widgets of a vendor, by code.
pub async fn list(conn: &mut Conn, vendor: VendorId) -> StoreResult<Vec<OwnWidget>> {
    let found: Vec<Widget> =
        sqlx::query_as(sql!("SELECT ", COLUMNS, " FROM widgets w WHERE w.vendor_id = ? ORDER BY w.code"))
            .bind(vendor.to_string())
            .fetch_all(conn)
            .await?;
    Ok(found.into_iter().map(OwnWidget).collect())
}
