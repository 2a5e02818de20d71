//! List of events for vendors' backends.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::id::{EventId, InstallId, WidgetId};
use flysk_domain::platform::events::EventKind;

use crate::admin::listing::{Keyset, arrange, push_page, push_selection};
use crate::listed::push_in;
use crate::platform::events::{Event, EventState};
use crate::{Conn, StoreResult};

/// Filter of events; `None` selects any.
#[derive(Debug, Clone, Default)]
pub struct EventFilter {
    /// Keeps rows in this state.
    pub state: Option<EventState>,
    /// Chooses the URL and the shape of the data.
    pub kind: Option<EventKind>,
    /// Keeps rows of this widget.
    pub widget_id: Option<WidgetId>,
    /// Keeps rows of this install.
    pub install_id: Option<InstallId>,
    /// Keeps rows created at this time or later.
    pub created_from: Option<DateTime<Utc>>,
    /// Keeps rows created before this time.
    pub created_until: Option<DateTime<Utc>>,
}

/// Ids of the events that match, one page of them.
pub async fn ids(conn: &mut Conn, filter: &EventFilter, keyset: &Keyset) -> StoreResult<Vec<String>> {
    let mut query = sqlx::QueryBuilder::new("SELECT ");
    push_selection(&mut query, keyset);
    // Otherwise the servers read all rows of the value by another of its indexes, and sort them.
    match filter {
        EventFilter { install_id: Some(_), .. } => {
            query.push(" FROM lifecycle_events FORCE INDEX (lifecycle_events_install)")
        }
        EventFilter { widget_id: Some(_), state: Some(_), .. } => {
            query.push(" FROM lifecycle_events FORCE INDEX (lifecycle_events_widget_state)")
        }
        EventFilter { widget_id: Some(_), .. } => {
            query.push(" FROM lifecycle_events FORCE INDEX (lifecycle_events_widget)")
        }
        _ => query.push(" FROM lifecycle_events"),
    };
    query.push(" WHERE 1 = 1");
    if let Some(state) = filter.state {
        query.push(" AND state = ").push_bind(state.as_str());
    }
    if let Some(kind) = filter.kind {
        query.push(" AND type = ").push_bind(kind.as_str());
    }
    if let Some(id) = filter.widget_id {
        query.push(" AND widget_id = ").push_bind(id.to_string());
    }
    if let Some(id) = filter.install_id {
        query.push(" AND install_id = ").push_bind(id.to_string());
    }
    if let Some(from) = filter.created_from {
        query.push(" AND id >= ").push_bind(EventId::first_at(from).to_string());
    }
    if let Some(until) = filter.created_until {
        query.push(" AND id < ").push_bind(EventId::first_at(until).to_string());
    }
    push_page(&mut query, keyset);
    Ok(keyset.in_order(query.build_query_scalar().fetch_all(conn).await?))
}

/// The events with these ids, in their order.
pub async fn rows(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<Event>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = sqlx::QueryBuilder::new(
        "SELECT id, widget_id, number, install_id, sequence, type, account_id, host, state, attempts, happened_at,
                data
         FROM lifecycle_events WHERE id",
    );
    push_in(&mut query, ids.iter().cloned());
    let rows: Vec<Event> = query.build_query_as().fetch_all(conn).await?;
    Ok(arrange(rows, ids, |row| row.id.to_string()))
}
