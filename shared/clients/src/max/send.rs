//! Sends one request and reads its result or refusal.

use std::time::Duration;

use flysk_domain::flysense::activation::messenger::Messenger;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Max;
use crate::http::{Idempotency, Malformed, ReadError, Transport, read_json, read_limited, retry_after};
use crate::messenger::{MAX_RESPONSE_BYTES, MessengerError, RefusalKind, plain_code};

/// Fields of refusals. Messages are not read: they may quote the request.
#[derive(Default, Deserialize)]
struct ErrorFields {
    /// Some methods answer 200 with `false`.
    #[serde(default)]
    success: Option<bool>,
    #[serde(default)]
    code: Option<Value>,
}

impl Max {
    /// Sends a request.
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, &str)],
        body: Option<&Value>,
        idempotency: Idempotency,
    ) -> Result<T, MessengerError> {
        let no_answer =
            |source: ReadError| MessengerError::NoAnswer { messenger: Messenger::Max, source, idempotency };
        let mut request = self.client.request(method, format!("{}{path}", self.base_url)).query(query);
        // A token with a line break is not a valid header value. MAX answers 401 without the header.
        if let Ok(mut token) = HeaderValue::from_str(self.token.expose_secret()) {
            token.set_sensitive(true);
            request = request.header(AUTHORIZATION, token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(|error| no_answer(Transport::from(error).into()))?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = read_limited(response, MAX_RESPONSE_BYTES).await.map_err(no_answer)?;
        let is_success = (200..300).contains(&status);
        let fields: ErrorFields = read_json(&bytes).unwrap_or_default();
        if !is_success || fields.success == Some(false) {
            return Err(refused(status, &fields, retry_after(&headers), idempotency));
        }
        read_json(&bytes).map_err(|source: Malformed| MessengerError::Unreadable {
            messenger: Messenger::Max,
            source,
            idempotency,
        })
    }
}

/// 403 and 404 mean that the person stopped the bot, never started it, or that the dialogue is gone.
fn refused(
    status: u16,
    fields: &ErrorFields,
    after: Option<Duration>,
    idempotency: Idempotency,
) -> MessengerError {
    let kind = match status {
        429 => RefusalKind::TooMany,
        403 | 404 => RefusalKind::Unreachable,
        401 => RefusalKind::Unauthorized,
        500..=599 => RefusalKind::Fault,
        _ => RefusalKind::Invalid,
    };
    let code = fields.code.as_ref().and_then(Value::as_str).and_then(plain_code);
    MessengerError::Refused { messenger: Messenger::Max, status, code, after, kind, idempotency }
}
