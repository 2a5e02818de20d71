//! Lists of what widgets sell, version by version: plans, and packages of Flycoins. There are few, so that the server sorts them by any
//! column.

pub mod packages;
pub mod plans;

use flysk_domain::id::WidgetId;
use sqlx::{MySql, QueryBuilder};

use crate::platform::widgets;
use crate::{Conn, StoreResult};

/// Filter of versions; `None` selects any.
#[derive(Debug, Clone, Default)]
pub struct OfferFilter {
    /// Keeps rows of this widget.
    pub widget_id: Option<WidgetId>,
    /// Code, the same for all versions. It is ASCII, as the column is.
    pub code: Option<String>,
    /// Whether the version is on offer.
    pub active: Option<bool>,
}

/// A version with the code of the widget that sells it.
#[derive(Debug, Clone)]
pub struct Offered<T> {
    /// The version.
    pub offer: T,
    /// Unique word by which commands name the widget; `None` if there is no such widget.
    pub widget_code: Option<String>,
}

fn push_offer_filter(query: &mut QueryBuilder<MySql>, filter: &OfferFilter) {
    if let Some(id) = filter.widget_id {
        query.push(" AND widget_id = ").push_bind(id.to_string());
    }
    if let Some(code) = &filter.code {
        query.push(" AND code = ").push_bind(code.clone());
    }
    if let Some(active) = filter.active {
        query.push(" AND active = ").push_bind(active);
    }
}

/// Adds the codes of the widgets.
async fn with_codes<T: Send>(
    conn: &mut Conn,
    offers: Vec<T>,
    widget_of: fn(&T) -> WidgetId,
) -> StoreResult<Vec<Offered<T>>> {
    let widgets: Vec<WidgetId> = offers.iter().map(widget_of).collect();
    let codes = widgets::list_codes(conn, &widgets).await?;
    let with_code = |offer: T| {
        let widget_code = codes.get(&widget_of(&offer)).cloned();
        Offered { offer, widget_code }
    };
    Ok(offers.into_iter().map(with_code).collect())
}
