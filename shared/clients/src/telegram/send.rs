//! Sends one request and reads its result or refusal.

use std::time::Duration;

use flysk_domain::flysense::activation::messenger::Messenger;
use http::HeaderMap;
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Telegram;
use crate::http::{Idempotency, Malformed, ReadError, Transport, read_json, read_limited, retry_after};
use crate::messenger::{MAX_RESPONSE_BYTES, MessengerError, RefusalKind};

/// Upper limit of the delay that Telegram requests, which holds for the whole bot. After an hour one message asks anew, so that a
/// wrong value silences nobody for longer.
const MAX_RETRY_AFTER_S: u64 = 3_600;

/// Response of every method. The description is not read: it may quote the request.
#[derive(Deserialize)]
struct Response {
    ok: bool,
    #[serde(default)]
    result: Value,
    #[serde(default)]
    error_code: Option<u16>,
    #[serde(default)]
    parameters: Parameters,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Parameters {
    retry_after: Option<u64>,
}

impl Telegram {
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        method: &str,
        body: &Value,
        idempotency: Idempotency,
    ) -> Result<T, MessengerError> {
        let url = format!("{}/bot{}/{method}", self.base_url, self.token.expose_secret());
        let no_answer = |source: ReadError| MessengerError::NoAnswer {
            messenger: Messenger::Telegram,
            source,
            idempotency,
        };
        // `Transport` drops the URL of the error.
        let answered = self.client.post(url).json(body).send().await;
        let response = answered.map_err(|error| no_answer(Transport::from(error).into()))?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = read_limited(response, MAX_RESPONSE_BYTES).await.map_err(no_answer)?;
        let read = read_json::<Response>(&bytes);
        let is_success = (200..300).contains(&status);
        match read {
            Ok(answer) if is_success && answer.ok => {
                let result = serde_json::from_value(answer.result);
                result.map_err(|error| {
                    unreadable(Malformed { line: error.line(), column: error.column() }, idempotency)
                })
            }
            // A refusal in a success, which the server never sends.
            Ok(answer) => {
                let status = answer.error_code.unwrap_or(status);
                Err(refused(status, delay(answer.parameters.retry_after, &headers), idempotency))
            }
            // A page of a proxy.
            Err(_) if !is_success => Err(refused(status, delay(None, &headers), idempotency)),
            Err(malformed) => Err(unreadable(malformed, idempotency)),
        }
    }
}

/// The delay that a response requests in its body, `seconds`, or in its headers.
fn delay(seconds: Option<u64>, headers: &HeaderMap) -> Option<Duration> {
    let wanted = seconds.map(Duration::from_secs).or_else(|| retry_after(headers))?;
    Some(wanted.min(Duration::from_secs(MAX_RETRY_AFTER_S)))
}

fn unreadable(source: Malformed, idempotency: Idempotency) -> MessengerError {
    MessengerError::Unreadable { messenger: Messenger::Telegram, source, idempotency }
}

/// Statuses, because descriptions are not stable: 401 and 404 mean a wrong token, 403 a blocked bot or a person who never
/// started it.
fn refused(status: u16, after: Option<Duration>, idempotency: Idempotency) -> MessengerError {
    let kind = match status {
        429 => RefusalKind::TooMany,
        403 => RefusalKind::Unreachable,
        401 | 404 => RefusalKind::Unauthorized,
        500..=599 => RefusalKind::Fault,
        _ => RefusalKind::Invalid,
    };
    MessengerError::Refused { messenger: Messenger::Telegram, status, code: None, after, kind, idempotency }
}

#[cfg(test)]
mod tests {
    use http::header::RETRY_AFTER;

    use super::*;

    #[test]
    fn a_requested_delay_has_an_upper_limit() {
        let limit = Some(Duration::from_secs(MAX_RETRY_AFTER_S));
        let mut headers = HeaderMap::new();
        assert_eq!(delay(None, &headers), None);
        for (seconds, expected) in [(35, Some(Duration::from_secs(35))), (3_601, limit), (u64::MAX, limit)] {
            assert_eq!(delay(Some(seconds), &headers), expected);
        }
        headers.insert(RETRY_AFTER, "7200".parse().unwrap());
        assert_eq!((delay(None, &headers), delay(Some(2), &headers)), (limit, Some(Duration::from_secs(2))));
    }
}
