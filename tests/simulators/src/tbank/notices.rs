//! Notices: signed, posted, and repeated hourly for a day until somebody answers `OK`.

use std::time::Duration;

use chrono::{DateTime, Utc};
use flysk_domain::Clock;
use futures::future::join_all;
use poem::http::header;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::sync::oneshot;

use super::behaviour::Order;
use super::model::Payment;
use super::payer::SceneError;
use super::{TBank, signature};
use crate::control::locked;

/// How long the bank waits for the answer to a notice (eacq/notification).
const PATIENCE: Duration = Duration::from_secs(10);
/// Hourly for 24 hours, then to the archive.
const RETRIES: u32 = 24;
/// Between two notices that must not arrive at the same time.
const APART: Duration = Duration::from_millis(60);

/// One try to deliver a notice, as `/_sim/notices` shows it.
#[derive(Debug, Clone, Serialize)]
pub struct Delivery {
    /// When, by the simulator's clock.
    pub at: DateTime<Utc>,
    /// Where to.
    pub url: String,
    /// Which payment it tells of.
    pub payment_id: String,
    /// What it tells.
    pub status: String,
    /// Which try this was, from 1.
    pub attempt: u32,
    /// HTTP status; `None` if nobody answered in time.
    pub answer: Option<u16>,
    /// 200 with the body `OK`.
    pub accepted: bool,
    /// What was posted.
    pub body: String,
}

/// A notice that tells something else than the payment's state, or tells it again.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Forged {
    /// Which payment.
    pub payment_id: String,
    /// Another status.
    pub status: Option<String>,
    /// Another amount, kopecks.
    pub amount: Option<i64>,
    /// Another order.
    pub order_id: Option<String>,
    /// Another terminal, with its password if it is known here, else with the payment's own.
    pub terminal_key: Option<String>,
    /// Another code.
    pub error_code: Option<u32>,
    /// A token that fits nothing.
    pub wrong_token: bool,
    /// How many copies; none means one.
    pub copies: Option<u32>,
}

/// What is told, taken down at the moment of the change.
#[derive(Debug, Clone)]
pub(super) struct Notice {
    payment: Payment,
    status: String,
    error_code: u32,
}

impl Notice {
    /// Of the payment as it stands.
    pub(super) fn of(payment: &Payment) -> Self {
        Self { payment: payment.clone(), status: payment.status.clone(), error_code: payment.error_code }
    }

    fn fields(&self) -> Map<String, Value> {
        let payment = &self.payment;
        let mut fields = Map::new();
        let mut put = |name: &str, value: Value| drop(fields.insert(name.to_owned(), value));
        put("TerminalKey", json!(payment.terminal));
        put("OrderId", json!(payment.order_id));
        put("Success", json!(self.error_code == 0));
        put("Status", json!(self.status));
        put("PaymentId", json!(payment.id.parse::<u64>().unwrap_or_default()));
        put("ErrorCode", json!(self.error_code.to_string()));
        put("Amount", json!(payment.left));
        if let Some(card) = &payment.card {
            put("CardId", json!(card.bytes().map(u64::from).sum::<u64>()));
            put("Pan", json!(format!("{}******{}", &card[..6], &card[12..])));
            put("ExpDate", json!("1230"));
        }
        if let Some(rebill_id) = payment.rebill_id.filter(|_| self.error_code == 0) {
            put("RebillId", json!(rebill_id));
        }
        put("Data", json!({"Source": "Cards"}));
        fields
    }
}

/// A body ready to be posted.
#[derive(Debug, Clone)]
struct Letter {
    url: String,
    payment_id: String,
    status: String,
    body: String,
}

impl TBank {
    /// Tries to deliver notices, oldest first.
    pub fn deliveries(&self) -> Vec<Delivery> {
        locked(&self.inner.deliveries).clone()
    }

    /// Sends notices of one change; the result resolves when each was answered once, or nobody did in time.
    pub(super) fn announce(&self, notices: Vec<Notice>) -> impl Future<Output = ()> + use<> {
        let behaviour = self.behaviour();
        let mut waits = Vec::new();
        let count = u32::try_from(notices.len()).unwrap_or(u32::MAX);
        for (place, notice) in (0_u32..).zip(notices) {
            let Some(url) = notice.payment.notification_url.clone() else { continue };
            let delay = match behaviour.notice_order {
                Order::Together => Duration::ZERO,
                Order::InOrder => APART * place,
                Order::Reversed => APART * (count - 1 - place),
            };
            let Some(letter) = self.letter(url, &notice.payment.terminal, notice.fields()) else { continue };
            for _ in 0..behaviour.notice_copies {
                waits.push(self.post(letter.clone(), delay));
            }
        }
        async move {
            drop(join_all(waits).await);
        }
    }

    /// Sends a notice that need not be true.
    pub fn forge(&self, forged: &Forged) -> Result<(), SceneError> {
        let payment = self.payment(&forged.payment_id).ok_or(SceneError::UnknownPayment)?;
        let url = payment.notification_url.clone().ok_or(SceneError::NoAddress)?;
        let mut fields = Notice::of(&payment).fields();
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                fields.insert(name.to_owned(), value);
            }
        };
        put("Status", forged.status.as_ref().map(|status| json!(status)));
        put("Amount", forged.amount.map(|amount| json!(amount)));
        put("OrderId", forged.order_id.as_ref().map(|order| json!(order)));
        put("ErrorCode", forged.error_code.map(|code| json!(code.to_string())));
        put("Success", forged.error_code.map(|code| json!(code == 0)));
        put("TerminalKey", forged.terminal_key.as_ref().map(|key| json!(key)));
        let signer =
            forged.terminal_key.as_deref().filter(|key| locked(&self.inner.world).terminal(key).is_some());
        let signer = signer.unwrap_or(&payment.terminal).to_owned();
        let mut letter = self.letter(url, &signer, fields).ok_or(SceneError::UnknownTerminal)?;
        if forged.wrong_token {
            letter.body = letter.body.replacen("\"Token\":\"", "\"Token\":\"0", 1);
        }
        for _ in 0..forged.copies.unwrap_or(1) {
            drop(self.post(letter.clone(), Duration::ZERO));
        }
        Ok(())
    }

    fn letter(&self, url: String, signer: &str, mut fields: Map<String, Value>) -> Option<Letter> {
        let password = locked(&self.inner.world).terminal(signer)?.password.clone();
        let text =
            |name: &str| fields.get(name).map(|value| value.to_string().replace('"', "")).unwrap_or_default();
        let (payment_id, status) = (text("PaymentId"), text("Status"));
        let token = signature::sign(&Value::Object(fields.clone()).to_string(), &password)?;
        fields.insert("Token".to_owned(), json!(token));
        Some(Letter { url, payment_id, status, body: Value::Object(fields).to_string() })
    }

    /// Posts until it is accepted or a day has passed; the receiver hears of the first try.
    fn post(&self, letter: Letter, delay: Duration) -> oneshot::Receiver<()> {
        let (first, answered) = oneshot::channel();
        let mut first = Some(first);
        let bank = self.clone();
        self.spawn(async move {
            tokio::time::sleep(delay).await;
            for attempt in 1..=RETRIES + 1 {
                let accepted = bank.try_once(&letter, attempt).await;
                drop(first.take());
                if accepted {
                    return;
                }
                let clock = bank.control().clock();
                clock.sleep_until(clock.now() + chrono::Duration::hours(1)).await;
            }
        });
        answered
    }

    async fn try_once(&self, letter: &Letter, attempt: u32) -> bool {
        let at = self.control().clock().now();
        let request = self.inner.http.post(&letter.url).timeout(PATIENCE);
        let sent =
            request.header(header::CONTENT_TYPE, "application/json").body(letter.body.clone()).send().await;
        let (answer, accepted) = match sent {
            Ok(response) => {
                let status = response.status().as_u16();
                let body = response.text().await.unwrap_or_default();
                (Some(status), status == 200 && body == "OK")
            }
            Err(_) => (None, false),
        };
        let Letter { url, payment_id, status, body } = letter.clone();
        locked(&self.inner.deliveries).push(Delivery {
            at,
            url,
            payment_id,
            status,
            attempt,
            answer,
            accepted,
            body,
        });
        accepted
    }
}
