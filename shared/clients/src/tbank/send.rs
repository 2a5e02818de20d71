//! Sends one signed request and classifies its response.

use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::{Rejection, TBankError};
use super::{TBank, token};
use crate::http::{Idempotency, Transport, json_of, read_limited, retry_after};

/// Well above responses about orders with many payments.
const MAX_RESPONSE_BYTES: usize = 1 << 20;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct TerminalRequest<'a, T> {
    terminal_key: &'a str,
    #[serde(flatten)]
    request: &'a T,
}

impl TBank {
    /// Signs and sends a request. Everything but `Success` is an error.
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        method: &'static str,
        request: &(impl Serialize + Sync),
        idempotency: Idempotency,
    ) -> Result<T, TBankError> {
        let (status, answer) = self.exchange(method, request, idempotency).await?;
        let unreadable = || TBankError::Unreadable { status: status.as_u16(), idempotency };
        let answer = Some(answer).filter(Value::is_object).ok_or_else(unreadable)?;
        match Rejection::from_response(&answer, idempotency) {
            Some(refusal) => Err(TBankError::Refused(Box::new(refusal))),
            None if status.is_success() => serde_json::from_value(answer).map_err(|_| unreadable()),
            None => Err(unreadable()),
        }
    }

    /// The same for a method that answers with a bare list. A refusal is an object.
    pub(super) async fn call_list<T: DeserializeOwned>(
        &self,
        method: &'static str,
        request: &(impl Serialize + Sync),
    ) -> Result<Vec<T>, TBankError> {
        let idempotency = Idempotency::Safe;
        let (status, answer) = self.exchange(method, request, idempotency).await?;
        let unreadable = || TBankError::Unreadable { status: status.as_u16(), idempotency };
        if answer.is_object()
            && let Some(refusal) = Rejection::from_response(&answer, idempotency)
        {
            return Err(TBankError::Refused(Box::new(refusal)));
        }
        serde_json::from_value(answer).map_err(|_| unreadable())
    }

    /// Signs and sends a request; returns the JSON of its answer.
    async fn exchange(
        &self,
        method: &'static str,
        request: &(impl Serialize + Sync),
        idempotency: Idempotency,
    ) -> Result<(StatusCode, Value), TBankError> {
        let body = self.signed(request).map_err(|_| TBankError::Unwritable)?;
        let url = self.base_url.join(method).map_err(|_| TBankError::Unwritable)?;
        let request = self.client.post(url).header(CONTENT_TYPE, "application/json").body(body);
        let lost = |source| TBankError::NoAnswer { source, idempotency };
        let response = request.send().await.map_err(|error| lost(Transport::from(error).into()))?;
        let (status, wait) = (response.status(), retry_after(response.headers()));
        let body = read_limited(response, MAX_RESPONSE_BYTES).await.map_err(lost)?;
        if status == StatusCode::TOO_MANY_REQUESTS {
            return Err(TBankError::TooMany { after: wait, idempotency });
        }
        // The body takes precedence over the status, because refusals have status 200 or an error status.
        let answer = json_of(&body).ok_or(TBankError::Unreadable { status: status.as_u16(), idempotency })?;
        Ok((status, answer))
    }

    /// Serializes the request with the terminal key and appends the token of exactly these bytes.
    fn signed(&self, request: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
        let mut body = serde_json::to_vec(&TerminalRequest { terminal_key: &self.terminal.key, request })?;
        let token = token::sign(&body, &self.terminal.password)
            .map_err(|error| serde::ser::Error::custom(error.to_string()))?;
        body.pop();
        body.extend_from_slice(format!(",\"Token\":\"{token}\"}}").as_bytes());
        Ok(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::HttpOptions;
    use crate::tbank::{ChargeRequest, Config, Terminal};

    #[test]
    fn a_request_carries_the_token_of_its_own_bytes() {
        let bank = TBank::new(Config {
            base_url: "https://bank.example/v2".parse().unwrap(),
            terminal: Terminal { key: "TinkoffBankTest".to_owned(), password: "TinkoffBankTest".into() },
            http: HttpOptions::default(),
        })
        .unwrap();
        let body =
            bank.signed(&ChargeRequest { payment_id: "111".to_owned(), rebill_id: "222".into() }).unwrap();
        let sent: Value = serde_json::from_slice(&body).unwrap();
        let unsigned = br#"{"PaymentId":"111","RebillId":"222","TerminalKey":"TinkoffBankTest"}"#;
        assert_eq!(sent["Token"], token::sign(unsigned, &"TinkoffBankTest".into()).unwrap());
        assert_eq!(bank.base_url.join("Init").unwrap().path(), "/v2/Init");
        assert!(!format!("{bank:?}").contains("password: \"Tinkoff"));
    }
}
