//! Events to be delivered, with the settings of the backends that receive them: tables `lifecycle_events` and `widgets`.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use flysk_domain::id::{EventId, WidgetId};
use flysk_domain::platform::events::EventKind;
use sqlx::QueryBuilder;
use sqlx::types::Json;

use super::events::Event;
use super::widgets::event_url_of;
use crate::listed::push_in;
use crate::{Conn, StoreResult};

/// The part of a [`Widget`](super::widgets::Widget) that a delivery to its backend needs.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct EventBackend {
    /// Row of `widgets`.
    #[sqlx(try_from = "String", rename = "widget_id")]
    pub id: WidgetId,
    /// Unique code.
    pub code: String,
    /// Default event URL.
    pub event_url: Option<String>,
    /// Event URLs by kind of event.
    pub event_urls: Option<Json<BTreeMap<String, String>>>,
    /// Event secret, sealed for `widgets.event_secret:<id>`.
    pub event_secret_sealed: Option<String>,
    /// Latest end of a former event secret.
    pub former_secrets_until: Option<DateTime<Utc>>,
    /// Whether events carry the project token beside their signatures.
    pub events_carry_token: bool,
    /// The project token, sealed for `widgets.project_token:<id>`.
    pub project_token_sealed: String,
    /// When the backend first authenticated with the project token; `None` if it has not yet.
    pub project_token_used_at: Option<DateTime<Utc>>,
    /// Latest end of a former project token.
    pub former_tokens_until: Option<DateTime<Utc>>,
    /// Delays between delivery attempts, in seconds; `None` for the defaults.
    pub delivery_delays: Option<Json<Vec<u32>>>,
}

impl EventBackend {
    /// URL for this kind alone, or else the URL for all kinds.
    pub fn event_url_of(&self, kind: EventKind) -> Option<&str> {
        event_url_of(self.event_urls.as_ref(), self.event_url.as_deref(), kind)
    }
}

/// An event, its place in the line of its install, and its backend.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct QueuedEvent {
    /// As it is stored.
    #[sqlx(flatten)]
    pub event: Event,
    /// The event's widget.
    #[sqlx(flatten)]
    pub backend: EventBackend,
    /// Number of earlier events of the install that still wait.
    pub waiting_before: i64,
    /// Whether an endpoint of the widget has a circuit breaker that counts failures ([`super::endpoints`]).
    pub has_failures: bool,
}

/// Finds events whose widget exists, by one statement: each with its widget and the number of earlier events of its install that
/// still wait. The order of the join is written down, so that few events are found among many by their ids.
pub async fn list_queued(conn: &mut Conn, ids: &[EventId]) -> StoreResult<Vec<QueuedEvent>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = QueryBuilder::new(
        "SELECT e.id, e.widget_id, e.number, e.install_id, e.sequence, e.type, e.account_id, e.host, e.state, e.attempts,
             e.happened_at, e.data, w.code, w.event_url, w.event_urls, w.event_secret_sealed, w.former_secrets_until,
             w.events_carry_token, w.project_token_sealed, w.project_token_used_at, w.former_tokens_until, w.delivery_delays,
             (SELECT COUNT(*) FROM lifecycle_events p
              WHERE p.install_id = e.install_id AND p.state = 'waiting' AND p.sequence < e.sequence) AS waiting_before,
             EXISTS (SELECT 1 FROM event_endpoints f WHERE f.widget_id = e.widget_id) AS has_failures
         FROM lifecycle_events e FORCE INDEX (PRIMARY) STRAIGHT_JOIN widgets w ON w.id = e.widget_id WHERE e.id",
    );
    push_in(&mut query, ids.iter().map(ToString::to_string));
    Ok(query.build_query_as().fetch_all(conn).await?)
}
