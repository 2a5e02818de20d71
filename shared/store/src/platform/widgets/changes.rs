//! Changes of a row of `widgets`.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::id::WidgetId;
use flysk_domain::platform::events::EventKind;
use serde_json::Value;
use sqlx::types::Json;

use super::Widget;
use crate::error::expect_one;
use crate::platform::cache_invalidations::{self, Subject};
use crate::{Conn, StoreResult};

/// Changes by an operator; `None` keeps a field, and the inner `None` clears it.
#[derive(Debug, Default)]
pub struct Changes {
    /// Display name.
    pub name: Option<String>,
    /// Redirect URI, byte for byte as in the integration's settings.
    pub redirect_uri: Option<String>,
    /// Default event URL.
    pub event_url: Option<Option<String>>,
    /// Event URLs by kind of event.
    pub event_urls: Option<Option<BTreeMap<String, String>>>,
    /// Kinds of events that the widget receives.
    pub event_kinds: Option<Option<Vec<EventKind>>>,
    /// Whether events carry the project token.
    pub events_carry_token: Option<bool>,
    /// Delays between delivery attempts, in seconds.
    pub delivery_delays: Option<Option<Vec<u32>>>,
    /// JSON Schema of the settings.
    pub settings_schema: Option<Option<Value>>,
    /// Whether access is sold by subscription.
    pub uses_subscriptions: Option<bool>,
    /// Whether use is paid in Flycoins.
    pub uses_flycoins: Option<bool>,
    /// Other billing settings, as JSON.
    pub billing: Option<Option<Value>>,
    /// Free trial, days.
    pub trial_days: Option<u16>,
}

/// Applies `changes`.
pub async fn update(conn: &mut Conn, id: WidgetId, changes: &Changes, now: DateTime<Utc>) -> StoreResult<()> {
    write(conn, id, None, changes, now).await
}

/// Applies `changes` to a widget that nobody has changed since it was read without a lock;
/// [`crate::StoreError::WrongState`] if somebody has.
pub async fn update_as_read(
    conn: &mut Conn,
    read: &Widget,
    changes: &Changes,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    write(conn, read.id, Some(read.updated_at), changes, now).await
}

/// Applies `changes`, if the last change was at `changed_at`.
async fn write(
    conn: &mut Conn,
    id: WidgetId,
    changed_at: Option<DateTime<Utc>>,
    changes: &Changes,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let mut query = sqlx::QueryBuilder::new("UPDATE widgets SET updated_at = ");
    query.push_bind(now);
    if let Some(name) = &changes.name {
        query.push(", name = ").push_bind(name);
    }
    if let Some(redirect_uri) = &changes.redirect_uri {
        query.push(", redirect_uri = ").push_bind(redirect_uri);
    }
    if let Some(event_url) = &changes.event_url {
        query.push(", event_url = ").push_bind(event_url);
    }
    if let Some(urls) = &changes.event_urls {
        query.push(", event_urls = ").push_bind(urls.as_ref().map(Json));
    }
    if let Some(kinds) = &changes.event_kinds {
        let texts = kinds.as_ref().map(|kinds| kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>());
        query.push(", event_kinds = ").push_bind(texts.map(Json));
    }
    if let Some(carry) = changes.events_carry_token {
        query.push(", events_carry_token = ").push_bind(carry);
    }
    if let Some(delays) = &changes.delivery_delays {
        query.push(", delivery_delays = ").push_bind(delays.as_ref().map(Json));
    }
    if let Some(schema) = &changes.settings_schema {
        query.push(", settings_schema = ").push_bind(schema.as_ref().map(Json));
    }
    if let Some(uses) = changes.uses_subscriptions {
        // Assignments are made from left to right: the former value is meant.
        query.push(", sold_subscriptions = (sold_subscriptions OR uses_subscriptions OR ").push_bind(uses);
        query.push("), uses_subscriptions = ").push_bind(uses);
    }
    if let Some(uses) = changes.uses_flycoins {
        query.push(", uses_flycoins = ").push_bind(uses);
    }
    if let Some(billing) = &changes.billing {
        query.push(", billing = ").push_bind(billing.as_ref().map(Json));
    }
    if let Some(days) = changes.trial_days {
        query.push(", trial_days = ").push_bind(days);
    }
    query.push(" WHERE id = ").push_bind(id.to_string());
    if let Some(changed_at) = changed_at {
        query.push(" AND updated_at = ").push_bind(changed_at);
    }
    expect_one(&query.build().execute(&mut *conn).await?, "widget")?;
    cache_invalidations::record(conn, Subject::Widget(id)).await
}
