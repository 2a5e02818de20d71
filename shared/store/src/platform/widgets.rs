//! Table `widgets`: registered widgets.

mod changes;

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::id::{InstallId, VendorId, WidgetId};
use flysk_domain::platform::crm::Crm;
use flysk_domain::platform::events::EventKind;
use serde_json::Value;
use sqlx::types::Json;

pub use changes::{Changes, update, update_as_read};

use super::cache_invalidations::{self, Subject};
use crate::error::expect_one;
use crate::listed::push_in;
use crate::sql_text::sql;
use crate::text_column::decode_text;
use crate::{Conn, StoreResult, TextColumn};

/// A widget: an integration of amoCRM and the data of its backend.
#[derive(Debug, Clone, sqlx::FromRow)]
#[expect(clippy::struct_excessive_bools, reason = "independent settings of a vendor, one column each")]
pub struct Widget {
    /// `wgt_…`, ordered by the time of creation.
    #[sqlx(try_from = "String")]
    pub id: WidgetId,
    /// Unique code, used in URLs.
    pub code: String,
    /// Display name.
    pub name: String,
    /// Service that the widget is registered in.
    #[sqlx(try_from = "TextColumn", rename = "platform")]
    pub crm: Crm,
    /// The integration's client id.
    pub client_uuid: String,
    /// The integration's secret key, sealed for `widgets.client_secret:<id>`.
    pub client_secret_sealed: String,
    /// Redirect URI, byte for byte as in the integration's settings.
    pub redirect_uri: String,
    /// The project token, sealed for `widgets.project_token:<id>`.
    pub project_token_sealed: String,
    /// Keyed hash of the project token, for lookup.
    pub project_token_hash: String,
    /// When the backend first authenticated with the project token; `None` if it has not yet.
    pub project_token_used_at: Option<DateTime<Utc>>,
    /// Latest end of a former project token.
    pub former_tokens_until: Option<DateTime<Utc>>,
    /// Latest end of a former event secret.
    pub former_secrets_until: Option<DateTime<Utc>>,
    /// Whether events carry the project token beside their signatures.
    pub events_carry_token: bool,
    /// Default event URL.
    pub event_url: Option<String>,
    /// Event URLs by kind of event.
    pub event_urls: Option<Json<BTreeMap<String, String>>>,
    /// Kinds of events that the widget receives; `None` for [`EventKind::DEFAULT`].
    pub event_kinds: Option<Json<Vec<String>>>,
    /// Event secret, which signs events, sealed for `widgets.event_secret:<id>`.
    pub event_secret_sealed: Option<String>,
    /// Delays between delivery attempts, in seconds; `None` for the defaults.
    pub delivery_delays: Option<Json<Vec<u32>>>,
    /// JSON Schema that settings must match; `None` accepts any.
    pub settings_schema: Option<Json<Value>>,
    /// Whether access is sold by subscription.
    pub uses_subscriptions: bool,
    /// Whether access was ever sold by subscription: who bought one can still cancel it and unlink the card.
    pub sold_subscriptions: bool,
    /// Whether use is paid in Flycoins.
    pub uses_flycoins: bool,
    /// Other billing settings, as JSON.
    pub billing: Option<Json<Value>>,
    /// Free trial, days.
    pub trial_days: u16,
    /// When it was registered.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

impl Widget {
    /// URL for this kind alone, or else the URL for all kinds.
    pub fn event_url_of(&self, kind: EventKind) -> Option<&str> {
        event_url_of(self.event_urls.as_ref(), self.event_url.as_deref(), kind)
    }

    /// Whether the widget receives this kind of event.
    pub fn receives(&self, kind: EventKind) -> bool {
        self.event_rules().receives(kind)
    }

    /// What decides about its events.
    pub fn event_rules(&self) -> EventRules<'_> {
        EventRules {
            widget: self.id,
            chosen: self.event_kinds.as_ref().map(|kinds| kinds.0.as_slice()),
            has_default_url: self.event_url.is_some(),
            urls: self.event_urls.as_ref().map(|urls| &urls.0),
        }
    }
}

/// The URL for this kind alone, or else the `default` for all kinds.
pub(crate) fn event_url_of<'a>(
    by_kind: Option<&'a Json<BTreeMap<String, String>>>,
    default: Option<&'a str>,
    kind: EventKind,
) -> Option<&'a str> {
    let own = by_kind.and_then(|urls| urls.0.get(kind.as_str()));
    own.map(String::as_str).or(default)
}

/// What of a widget decides about its events.
#[derive(Debug, Clone, Copy)]
pub struct EventRules<'a> {
    /// The widget.
    pub widget: WidgetId,
    /// Kinds that it has chosen; `None` for [`EventKind::DEFAULT`].
    pub(crate) chosen: Option<&'a [String]>,
    /// Whether it has a URL for all kinds.
    pub(crate) has_default_url: bool,
    /// URLs by kind.
    pub(crate) urls: Option<&'a BTreeMap<String, String>>,
}

impl EventRules<'_> {
    /// Whether the widget receives this kind of event.
    pub fn receives(&self, kind: EventKind) -> bool {
        if !kind.is_optional() {
            return true;
        }
        match self.chosen {
            Some(chosen) => chosen.iter().any(|one| one == kind.as_str()),
            None => EventKind::DEFAULT.contains(&kind),
        }
    }

    /// Whether the widget has a URL for this kind of event.
    pub fn has_url_of(&self, kind: EventKind) -> bool {
        self.has_default_url || self.urls.is_some_and(|urls| urls.contains_key(kind.as_str()))
    }
}

/// A widget to be registered.
#[derive(Debug)]
pub struct NewWidget<'a> {
    /// `wgt_…`, chosen by the caller.
    pub id: WidgetId,
    /// Unique code.
    pub code: &'a str,
    /// Display name.
    pub name: &'a str,
    /// Service that the widget is registered in.
    pub crm: Crm,
    /// The integration's client id, lower-case.
    pub client_uuid: &'a str,
    /// The integration's secret key, sealed.
    pub client_secret_sealed: &'a str,
    /// Redirect URI, byte for byte as in the integration's settings.
    pub redirect_uri: &'a str,
    /// Sealed for `widgets.project_token:<id>`.
    pub project_token_sealed: &'a str,
    /// Keyed hash of the project token, for lookup.
    pub project_token_hash: &'a str,
    /// Sealed for `widgets.event_secret:<id>`.
    pub event_secret_sealed: &'a str,
}

/// Columns of a [`Widget`]; alias `w` is the table.
pub(crate) const COLUMNS: &str = "w.id, w.code, w.name, w.platform, w.client_uuid, w.client_secret_sealed, w.redirect_uri, w.project_token_sealed, \
     w.project_token_hash, w.project_token_used_at, w.former_tokens_until, w.former_secrets_until, \
     w.events_carry_token, w.event_url, w.event_urls, \
     w.event_kinds, w.event_secret_sealed, w.delivery_delays, w.settings_schema, w.uses_subscriptions, w.sold_subscriptions, w.uses_flycoins, w.billing, \
     w.trial_days, w.created_at, w.updated_at";

/// Inserts a widget. [`StoreError::Duplicate`](crate::StoreError::Duplicate) names the violated key:
/// `widgets_code` or `widgets_client_uuid`.
pub async fn insert(conn: &mut Conn, widget: &NewWidget<'_>, now: DateTime<Utc>) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO widgets (id, code, name, platform, client_uuid, client_secret_sealed, redirect_uri,
                              project_token_sealed, project_token_hash, event_secret_sealed, created_at, updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(widget.id.to_string())
    .bind(widget.code)
    .bind(widget.name)
    .bind(widget.crm.as_str())
    .bind(widget.client_uuid)
    .bind(widget.client_secret_sealed)
    .bind(widget.redirect_uri)
    .bind(widget.project_token_sealed)
    .bind(widget.project_token_hash)
    .bind(widget.event_secret_sealed)
    .bind(now)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Reads one row without a lock; `None` if there is none.
pub async fn find(conn: &mut Conn, id: WidgetId) -> StoreResult<Option<Widget>> {
    Ok(sqlx::query_as(sql!("SELECT ", COLUMNS, " FROM widgets w WHERE w.id = ?"))
        .bind(id.to_string())
        .fetch_optional(conn)
        .await?)
}

/// Reads the widget of an install, without a lock.
pub async fn find_of_install(conn: &mut Conn, install: InstallId) -> StoreResult<Option<Widget>> {
    Ok(sqlx::query_as(sql!(
        "SELECT ",
        COLUMNS,
        " FROM widgets w JOIN installs i ON i.widget_id = w.id WHERE i.id = ?"
    ))
    .bind(install.to_string())
    .fetch_optional(conn)
    .await?)
}

/// Reads the row with this unique code, without a lock.
pub async fn find_by_code(conn: &mut Conn, code: &str) -> StoreResult<Option<Widget>> {
    // The column is ASCII: the database refuses to compare it with other characters, and they cannot match.
    if !code.is_ascii() {
        return Ok(None);
    }
    Ok(sqlx::query_as(sql!("SELECT ", COLUMNS, " FROM widgets w WHERE w.code = ?"))
        .bind(code)
        .fetch_optional(conn)
        .await?)
}

/// Finds a widget by the client id of its integration.
pub async fn find_by_client_uuid(conn: &mut Conn, client_uuid: &str) -> StoreResult<Option<Widget>> {
    // As in `find_by_code`.
    if !client_uuid.is_ascii() {
        return Ok(None);
    }
    Ok(sqlx::query_as(sql!("SELECT ", COLUMNS, " FROM widgets w WHERE w.client_uuid = ?"))
        .bind(client_uuid)
        .fetch_optional(conn)
        .await?)
}

/// Lists all widgets, by code.
pub async fn list(conn: &mut Conn) -> StoreResult<Vec<Widget>> {
    Ok(sqlx::query_as(sql!("SELECT ", COLUMNS, " FROM widgets w ORDER BY w.code")).fetch_all(conn).await?)
}

/// Lists those of these widgets that exist.
pub async fn list_by_ids(conn: &mut Conn, ids: &[WidgetId]) -> StoreResult<Vec<Widget>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = sqlx::QueryBuilder::new(sql!("SELECT ", COLUMNS, " FROM widgets w WHERE w.id"));
    push_in(&mut query, ids.iter().map(ToString::to_string));
    Ok(query.build_query_as().fetch_all(conn).await?)
}

/// The codes of those of these widgets that exist.
pub async fn list_codes(conn: &mut Conn, ids: &[WidgetId]) -> StoreResult<HashMap<WidgetId, String>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let mut query = sqlx::QueryBuilder::new("SELECT id, code FROM widgets WHERE id");
    push_in(&mut query, ids.iter().map(ToString::to_string));
    let rows: Vec<(String, String)> = query.build_query_as().fetch_all(conn).await?;
    rows.into_iter().map(|(id, code)| Ok((decode_text("widget id", &id)?, code))).collect()
}

/// Lists the widgets that a vendor sells, by code.
pub async fn list_of_vendor(conn: &mut Conn, vendor: VendorId) -> StoreResult<Vec<Widget>> {
    let rows =
        sqlx::query_as(sql!("SELECT ", COLUMNS, " FROM widgets w WHERE w.vendor_id = ? ORDER BY w.code"))
            .bind(vendor.to_string());
    Ok(rows.fetch_all(conn).await?)
}

/// Replaces secrets, unless they changed since they were read.
pub async fn replace_secrets(
    conn: &mut Conn,
    read: &Widget,
    sealed: &Sealed<'_>,
    now: DateTime<Utc>,
) -> StoreResult<bool> {
    let replaced = reseal(conn, read, sealed, now).await?;
    cache_invalidations::record(conn, Subject::Widget(read.id)).await?;
    Ok(replaced)
}

/// Replaces sealed texts with the same secrets under another key, unless they changed since they were read.
///
/// Caches are not invalidated: a process that cached the former text can still open it, because its key ring and its
/// cache both last as long as the process.
pub async fn reseal(
    conn: &mut Conn,
    read: &Widget,
    sealed: &Sealed<'_>,
    now: DateTime<Utc>,
) -> StoreResult<bool> {
    let result = sqlx::query(
        "UPDATE widgets SET client_secret_sealed = ?, project_token_sealed = ?, project_token_hash = ?,
                event_secret_sealed = ?, updated_at = ?
         WHERE id = ? AND client_secret_sealed = ? AND project_token_sealed = ? AND event_secret_sealed <=> ?",
    )
    .bind(sealed.client_secret)
    .bind(sealed.project_token)
    .bind(sealed.project_token_hash)
    .bind(sealed.event_secret)
    .bind(now)
    .bind(read.id.to_string())
    .bind(&read.client_secret_sealed)
    .bind(&read.project_token_sealed)
    .bind(&read.event_secret_sealed)
    .execute(conn)
    .await?;
    Ok(result.rows_affected() == 1)
}

/// Sealed secrets of a widget.
#[derive(Debug)]
pub struct Sealed<'a> {
    /// The integration's secret key, sealed.
    pub client_secret: &'a str,
    /// Sealed for `widgets.project_token:<id>`.
    pub project_token: &'a str,
    /// Keyed hash of the project token, for lookup.
    pub project_token_hash: &'a str,
    /// Sealed for `widgets.event_secret:<id>`; `None` if the widget has no secret.
    pub event_secret: Option<&'a str>,
}

impl<'a> Sealed<'a> {
    /// The secrets of a widget as read.
    pub fn from_widget(widget: &'a Widget) -> Self {
        Self {
            client_secret: &widget.client_secret_sealed,
            project_token: &widget.project_token_sealed,
            project_token_hash: &widget.project_token_hash,
            event_secret: widget.event_secret_sealed.as_deref(),
        }
    }
}

/// Returns the next sequence number of the widget's events. The row stays locked until the transaction ends, so numbers
/// become visible in order and without gaps.
pub async fn next_event_number(conn: &mut Conn, id: WidgetId) -> StoreResult<u64> {
    let result =
        sqlx::query("UPDATE widgets SET event_number = LAST_INSERT_ID(event_number + 1) WHERE id = ?")
            .bind(id.to_string())
            .execute(conn)
            .await?;
    expect_one(&result, "widget")?;
    Ok(result.last_insert_id())
}
