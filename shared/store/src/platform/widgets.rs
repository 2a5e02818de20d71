//! Table `widgets`: what vendors registered.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use flysk_domain::id::WidgetId;
use flysk_domain::platform::crm::Crm;
use flysk_domain::platform::lifecycle::EventKind;
use serde_json::Value;
use sqlx::types::Json;

use super::changes::{self, Subject};
use crate::error::expect_one;
use crate::{Conn, StoreResult};

/// A widget: an integration of amoCRM, and how its backend is reached.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct Widget {
    /// Its id.
    #[sqlx(try_from = "String")]
    pub id: WidgetId,
    /// Unique short name, used in addresses.
    pub code: String,
    /// For people.
    pub name: String,
    /// Where it lives.
    #[sqlx(try_from = "String", rename = "platform")]
    pub crm: Crm,
    /// The integration's client id.
    pub client_uuid: String,
    /// The integration's secret key, sealed for `widgets.client_secret:<id>`.
    pub client_secret_sealed: String,
    /// Byte for byte as in the integration's settings.
    pub redirect_uri: String,
    /// The backend's token, sealed for `widgets.project_token:<id>`.
    pub project_token_sealed: String,
    /// What it is found by.
    pub project_token_hash: String,
    /// The token before, while both are valid.
    pub former_token_hash: Option<String>,
    /// Until when the token before is valid.
    pub former_token_until: Option<DateTime<Utc>>,
    /// Where events without an address of their own go.
    pub event_url: Option<String>,
    /// Addresses of single kinds of event.
    pub event_urls: Option<Json<BTreeMap<String, String>>>,
    /// The key events are signed with, sealed for `widgets.event_secret:<id>`.
    pub event_secret_sealed: Option<String>,
    /// Seconds between attempts to deliver an event, if not the usual ones.
    pub delivery_delays: Option<Json<Vec<u32>>>,
    /// What settings must look like, as JSON Schema.
    pub settings_schema: Option<Json<Value>>,
    /// Access is sold by subscription.
    pub uses_subscriptions: bool,
    /// Use is paid in Flycoins.
    pub uses_flycoins: bool,
    /// The rest of its billing settings.
    pub billing: Option<Json<Value>>,
    /// Days of free trial.
    pub trial_days: u16,
    /// When it was registered.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

impl Widget {
    /// Where events of this kind go.
    pub fn event_url_of(&self, kind: EventKind) -> Option<&str> {
        let own = self.event_urls.as_ref().and_then(|urls| urls.0.get(kind.as_str()));
        own.or(self.event_url.as_ref()).map(String::as_str)
    }
}

/// A widget to be registered.
#[derive(Debug)]
pub struct NewWidget<'a> {
    /// Its id.
    pub id: WidgetId,
    /// Unique short name.
    pub code: &'a str,
    /// For people.
    pub name: &'a str,
    /// Where it lives.
    pub crm: Crm,
    /// The integration's client id, lower-case.
    pub client_uuid: &'a str,
    /// The integration's secret key, sealed.
    pub client_secret_sealed: &'a str,
    /// Byte for byte as in the integration's settings.
    pub redirect_uri: &'a str,
    /// The backend's token, sealed.
    pub project_token_sealed: &'a str,
    /// What it is found by.
    pub project_token_hash: &'a str,
    /// The key events are signed with, sealed.
    pub event_secret_sealed: &'a str,
}

pub(super) const COLUMNS: &str = "id, code, name, platform, client_uuid, client_secret_sealed, redirect_uri, \
     project_token_sealed, project_token_hash, former_token_hash, former_token_until, event_url, event_urls, \
     event_secret_sealed, delivery_delays, settings_schema, uses_subscriptions, uses_flycoins, billing, \
     trial_days, created_at, updated_at";

/// Writes a widget; [`StoreError::Taken`](crate::StoreError::Taken) names the key somebody else has:
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

/// What an operator may change; `None` leaves a field as it is, and the inner `None` empties it.
#[derive(Debug, Default)]
pub struct Changes {
    /// For people.
    pub name: Option<String>,
    /// Byte for byte as in the integration's settings.
    pub redirect_uri: Option<String>,
    /// Where events without an address of their own go.
    pub event_url: Option<Option<String>>,
    /// Addresses of single kinds of event.
    pub event_urls: Option<Option<BTreeMap<String, String>>>,
    /// Seconds between attempts to deliver an event.
    pub delivery_delays: Option<Option<Vec<u32>>>,
    /// What settings must look like.
    pub settings_schema: Option<Option<Value>>,
    /// Access is sold by subscription.
    pub uses_subscriptions: Option<bool>,
    /// Use is paid in Flycoins.
    pub uses_flycoins: Option<bool>,
    /// The rest of its billing settings.
    pub billing: Option<Option<Value>>,
    /// Days of free trial.
    pub trial_days: Option<u16>,
}

/// Applies `changes`.
pub async fn update(conn: &mut Conn, id: WidgetId, changes: &Changes, now: DateTime<Utc>) -> StoreResult<()> {
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
    if let Some(delays) = &changes.delivery_delays {
        query.push(", delivery_delays = ").push_bind(delays.as_ref().map(Json));
    }
    if let Some(schema) = &changes.settings_schema {
        query.push(", settings_schema = ").push_bind(schema.as_ref().map(Json));
    }
    if let Some(uses) = changes.uses_subscriptions {
        query.push(", uses_subscriptions = ").push_bind(uses);
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
    expect_one(&query.build().execute(&mut *conn).await?, "widget")?;
    changes::note(conn, Subject::Widget(id)).await
}

/// One widget.
pub async fn find(conn: &mut Conn, id: WidgetId) -> StoreResult<Option<Widget>> {
    find_where(conn, "id", &id.to_string()).await
}

/// The widget with this short name.
pub async fn find_by_code(conn: &mut Conn, code: &str) -> StoreResult<Option<Widget>> {
    find_where(conn, "code", code).await
}

/// The widget of an integration.
pub async fn find_by_client_uuid(conn: &mut Conn, client_uuid: &str) -> StoreResult<Option<Widget>> {
    find_where(conn, "client_uuid", client_uuid).await
}

async fn find_where(conn: &mut Conn, column: &'static str, value: &str) -> StoreResult<Option<Widget>> {
    // The column is ASCII: the database refuses to compare it with anything else, and nothing else is in it.
    if !value.is_ascii() {
        return Ok(None);
    }
    let sql = format!("SELECT {COLUMNS} FROM widgets WHERE {column} = ?");
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(value).fetch_optional(conn).await?)
}

/// The widget whose project token has one of these hashes (one per key of the ring) and is valid at `now`.
pub async fn find_by_token(
    conn: &mut Conn,
    hashes: &[String],
    now: DateTime<Utc>,
) -> StoreResult<Option<Widget>> {
    for hash in hashes {
        let sql = format!(
            "SELECT {COLUMNS} FROM widgets WHERE project_token_hash = ?
             UNION ALL
             SELECT {COLUMNS} FROM widgets WHERE former_token_hash = ? AND former_token_until > ? LIMIT 1"
        );
        let found: Option<Widget> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(hash)
            .bind(hash)
            .bind(now)
            .fetch_optional(&mut *conn)
            .await?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// Every widget, by its short name.
pub async fn list(conn: &mut Conn) -> StoreResult<Vec<Widget>> {
    let sql = format!("SELECT {COLUMNS} FROM widgets ORDER BY code");
    Ok(sqlx::query_as(sqlx::AssertSqlSafe(sql)).fetch_all(conn).await?)
}

/// Puts another project token in place; the present one stays valid until `former_until`, if at all.
pub async fn rotate_token(
    conn: &mut Conn,
    id: WidgetId,
    sealed: &str,
    hash: &str,
    former_until: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let result = sqlx::query(
        // Assignments are made from left to right: the former hash is taken before it is replaced.
        "UPDATE widgets SET former_token_hash = IF(? IS NULL, NULL, project_token_hash), former_token_until = ?,
                project_token_hash = ?, project_token_sealed = ?, updated_at = ? WHERE id = ?",
    )
    .bind(former_until)
    .bind(former_until)
    .bind(hash)
    .bind(sealed)
    .bind(now)
    .bind(id.to_string())
    .execute(&mut *conn)
    .await?;
    expect_one(&result, "widget")?;
    changes::note(conn, Subject::Widget(id)).await
}

/// Ends the validity of the token before.
pub async fn revoke_former_token(conn: &mut Conn, id: WidgetId, now: DateTime<Utc>) -> StoreResult<()> {
    sqlx::query(
        "UPDATE widgets SET former_token_hash = NULL, former_token_until = NULL, updated_at = ? WHERE id = ?",
    )
    .bind(now)
    .bind(id.to_string())
    .execute(&mut *conn)
    .await?;
    changes::note(conn, Subject::Widget(id)).await
}

/// Replaces secrets by others, if nobody changed them since they were read.
pub async fn replace_secrets(
    conn: &mut Conn,
    read: &Widget,
    sealed: &Sealed<'_>,
    now: DateTime<Utc>,
) -> StoreResult<bool> {
    let replaced = reseal(conn, read, sealed, now).await?;
    changes::note(conn, Subject::Widget(read.id)).await?;
    Ok(replaced)
}

/// Replaces sealed texts by the same secrets under another key, if nobody changed them since they were read.
///
/// No change is noted: whoever remembers the former text opens it with the key it still has, since keys come and go
/// with the process, and its memory with it.
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

/// The secrets of a widget, sealed.
#[derive(Debug)]
pub struct Sealed<'a> {
    /// The integration's secret key.
    pub client_secret: &'a str,
    /// The backend's token.
    pub project_token: &'a str,
    /// What it is found by.
    pub project_token_hash: &'a str,
    /// The key events are signed with.
    pub event_secret: Option<&'a str>,
}

impl<'a> Sealed<'a> {
    /// What a widget has.
    pub fn of(widget: &'a Widget) -> Self {
        Self {
            client_secret: &widget.client_secret_sealed,
            project_token: &widget.project_token_sealed,
            project_token_hash: &widget.project_token_hash,
            event_secret: widget.event_secret_sealed.as_deref(),
        }
    }
}

/// The next number of the widget's events. The row stays locked until the transaction ends, so numbers
/// become visible in their order and without gaps.
pub async fn next_event_number(conn: &mut Conn, id: WidgetId) -> StoreResult<u64> {
    let result =
        sqlx::query("UPDATE widgets SET event_number = LAST_INSERT_ID(event_number + 1) WHERE id = ?")
            .bind(id.to_string())
            .execute(conn)
            .await?;
    expect_one(&result, "widget")?;
    Ok(result.last_insert_id())
}
