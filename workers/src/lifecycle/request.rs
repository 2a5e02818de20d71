//! What a vendor's backend gets.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use flysk_domain::platform::signature;
use flysk_jobs::JobError;
use flysk_store::platform::events::Event;
use flysk_store::platform::widgets::Widget;
use flysk_vault::{Vault, places};
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use secrecy::ExposeSecret;
use serde::Serialize;

/// The body of an event, the same in every attempt.
#[derive(Debug, Serialize)]
pub(super) struct Body<'a> {
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
    account_id: u64,
    subdomain: &'a str,
    base_domain: &'a str,
    install_id: String,
    /// Numbers the events of the install: who sees a gap asks for what it missed.
    sequence: u64,
    /// Numbers the events of the widget: the `after` of `GET /v1/backend/events`.
    number: u64,
    time: String,
}

impl<'a> From<&'a Event> for Body<'a> {
    fn from(event: &'a Event) -> Self {
        Self {
            id: event.id.to_string(),
            kind: event.kind.as_str(),
            account_id: event.account_id.0,
            subdomain: event.host.split('.').next().unwrap_or_default(),
            base_domain: &event.host,
            install_id: event.install_id.to_string(),
            sequence: event.sequence,
            number: event.number,
            time: event.happened_at.to_rfc3339_opts(SecondsFormat::Micros, true),
        }
    }
}

/// `X-Project-Token`, and the signature headers of Standard Webhooks for backends that prefer to verify.
///
/// Source: Standard Webhooks specification 1.0, "Signature scheme".
pub(super) fn headers(
    vault: &Vault,
    widget: &Widget,
    event: &Event,
    body: &str,
    now: DateTime<Utc>,
) -> Result<HeaderMap, JobError> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let token = vault.keyring().open(&widget.project_token_sealed, &places::project_token(widget.id));
    let token = token.map_err(|error| unusable("project token", &error))?;
    insert_secret(&mut headers, "x-project-token", token.expose_secret());
    if let Some(sealed) = &widget.event_secret_sealed {
        let secret = vault.keyring().open(sealed, &places::event_secret(widget.id));
        let secret = secret.map_err(|error| unusable("event secret", &error))?;
        let (id, timestamp) = (event.id.to_string(), now.timestamp());
        let signature = signature::sign(secret.expose_secret(), &id, timestamp, body);
        let signature = signature.map_err(|error| unusable("event secret", &error))?;
        insert_secret(&mut headers, "webhook-id", &id);
        insert_secret(&mut headers, "webhook-timestamp", &timestamp.to_string());
        insert_secret(&mut headers, "webhook-signature", &signature);
    }
    Ok(headers)
}

/// Another release or key ring may help; the vendor cannot, so the event waits.
fn unusable(what: &str, error: &impl std::fmt::Display) -> JobError {
    tracing::error!(alert = "widget_secret", error = %error, "the {what} cannot be used");
    JobError::Wait { after: Duration::from_mins(5), reason: format!("the {what} cannot be used: {error}") }
}

/// All our values are visible ASCII; one that is not would be left out rather than sent mangled.
fn insert_secret(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(mut value) = HeaderValue::from_str(value) {
        value.set_sensitive(true);
        headers.insert(name, value);
    }
}
