//! The HTTP request to a vendor's backend.

use chrono::{DateTime, SecondsFormat, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::platform::signature;
use flysk_queue::JobError;
use flysk_services::events::data_for_backend;
use flysk_store::platform::events::Event;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use secrecy::ExposeSecret;
use serde::Serialize;
use serde_json::Value;
use url::Url;

use super::credentials::{EventCredentials, secret_unusable};

/// Body of an event, the same in every attempt.
#[derive(Debug, Serialize)]
pub(super) struct EventBody<'a> {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    account_id: u64,
    subdomain: &'a str,
    base_domain: &'a str,
    install_id: String,
    /// Number among the install's events. A backend that detects a gap can request the missing events.
    sequence: u64,
    /// Number among the widget's events: the `after_number` of `GET /v1/backend/events`.
    number: u64,
    time: String,
    /// Data of the kind.
    data: Value,
}

impl<'a> EventBody<'a> {
    /// The body of `event`, with the page where its invoice is paid.
    ///
    /// # Errors
    ///
    /// The stored data is not JSON.
    pub(super) fn new(event: &'a Event, pay_link: Option<&Url>) -> Result<Self, serde_json::Error> {
        let data = data_for_backend(event, pay_link)?;
        Ok(Self {
            id: event.id.to_string(),
            kind: event.kind.as_str(),
            account_id: event.account_id.0,
            subdomain: event.host.split('.').next().unwrap_or_default(),
            base_domain: &event.host,
            install_id: event.install_id.to_string(),
            sequence: event.sequence,
            number: event.number,
            time: event.happened_at.to_rfc3339_opts(SecondsFormat::Millis, true),
            data,
        })
    }
}

/// Headers: `X-Project-Token` if the widget wants it, and a signature by each valid event secret, separated by spaces, so
/// that a backend verifies events before and after it has taken over a new secret.
///
/// Source: Standard Webhooks specification 1.0, "Signature scheme" and "Multiple signatures".
pub(super) fn headers(
    credentials: &EventCredentials,
    event: &Event,
    body: &str,
    now: DateTime<Utc>,
) -> Result<HeaderMap, JobError> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(token) = &credentials.project_token {
        insert_secret(&mut headers, "x-project-token", token.expose_secret());
    }
    if credentials.event_secrets.is_empty() {
        return Ok(headers);
    }
    let (id, timestamp) = (event.id.to_string(), now.timestamp());
    let signatures = credentials.event_secrets.iter().map(|secret| {
        signature::sign(secret.expose_secret(), &id, timestamp, body)
            .map_err(|error| secret_unusable("event secret", &error))
    });
    let signatures = signatures.collect::<Result<Vec<_>, _>>()?.join(" ");
    insert_secret(&mut headers, "webhook-id", &id);
    insert_secret(&mut headers, "webhook-timestamp", &timestamp.to_string());
    insert_secret(&mut headers, "webhook-signature", &signatures);
    Ok(headers)
}

/// All values are visible ASCII. An invalid one would be omitted rather than altered.
fn insert_secret(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(mut value) = HeaderValue::from_str(value) {
        value.set_sensitive(true);
        headers.insert(name, value);
    }
}
