//! One signed request, and what its answer comes down to.

use http::StatusCode;
use http::header::CONTENT_TYPE;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::{Refusal, TBankError};
use super::{TBank, token};
use crate::http::{Transport, json_of, read_limited, retry_after};

/// Answers are a page long; orders with many payments a few.
const LONGEST_ANSWER: usize = 1 << 20;

/// What a second call would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing more.
    Repeatable,
    /// Perhaps take money again.
    Once,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct OfTerminal<'a, T> {
    terminal_key: &'a str,
    #[serde(flatten)]
    request: &'a T,
}

impl TBank {
    /// Signs, sends, and takes anything but `Success` for an error.
    pub(super) async fn call<T: DeserializeOwned>(
        &self,
        method: &'static str,
        request: &(impl Serialize + Sync),
        effect: Effect,
    ) -> Result<T, TBankError> {
        let body = self.signed(request).map_err(|_| TBankError::Unwritable)?;
        let url = self.base_url.join(method).map_err(|_| TBankError::Unwritable)?;
        let request = self.client.post(url).header(CONTENT_TYPE, "application/json").body(body);
        let lost = |source| TBankError::NoAnswer { source, effect };
        let response = request.send().await.map_err(|error| lost(Transport::from(error).into()))?;
        let (status, wait) = (response.status(), retry_after(response.headers()));
        let body = read_limited(response, LONGEST_ANSWER).await.map_err(lost)?;
        if status == StatusCode::TOO_MANY_REQUESTS {
            return Err(TBankError::TooMany { after: wait, effect });
        }
        // The body is looked at first, whatever the status: refusals come with 200 and with errors alike.
        let unreadable = || TBankError::Unreadable { status: status.as_u16(), effect };
        let answer = json_of(&body).filter(Value::is_object).ok_or_else(unreadable)?;
        match Refusal::of(&answer, effect) {
            Some(refusal) => Err(TBankError::Refused(Box::new(refusal))),
            None if status.is_success() => serde_json::from_value(answer).map_err(|_| unreadable()),
            None => Err(unreadable()),
        }
    }

    /// The request's JSON with the terminal and, put on afterwards, the token of exactly these bytes.
    fn signed(&self, request: &impl Serialize) -> Result<Vec<u8>, serde_json::Error> {
        let mut body = serde_json::to_vec(&OfTerminal { terminal_key: &self.terminal.key, request })?;
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
