//! Notifications: signed, and repeated hourly for a day until the receiver answers `OK`.

use std::time::Duration;

use chrono::{DateTime, Utc};
use flysk_domain::Clock;
use futures::future::join_all;
use poem::http::header;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::sync::oneshot;

use super::behaviour::Order;
use super::model::{Payment, Source};
use super::scenario_error::ScenarioError;
use super::{TBank, signature};
use crate::lock::locked;

/// Timeout for the answer to a notification (eacq/notification).
const NOTIFICATION_RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);
/// Number of retries: hourly for 24 h, then the notification is archived.
const MAX_NOTIFICATION_RETRIES: u32 = 24;
/// Delay between two notifications that must arrive in order.
const NOTIFICATION_SPACING: Duration = Duration::from_millis(60);

/// An attempt to deliver a notification, as in `/_sim/notifications`.
#[derive(Debug, Clone, Serialize)]
pub struct Delivery {
    /// Time of the attempt, by the simulator's clock.
    pub at: DateTime<Utc>,
    /// Destination URL.
    pub url: String,
    /// `PaymentId`.
    pub payment_id: String,
    /// Status in the notification.
    pub status: String,
    /// Number of the attempt, from 1.
    pub attempt: u32,
    /// HTTP status; `None` if there was no response in time.
    pub answer: Option<u16>,
    /// Whether the response was 200 with the body `OK`.
    pub accepted: bool,
    /// Request body.
    pub body: String,
}

/// A repeated notification, or one that contradicts the payment's state.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Forged {
    /// `PaymentId`.
    pub payment_id: String,
    /// Another status.
    pub status: Option<String>,
    /// Another amount, kopecks.
    pub amount: Option<i64>,
    /// Another `OrderId`.
    pub order_id: Option<String>,
    /// Another terminal key. Signed with that terminal's password if it exists, otherwise with the payment's.
    pub terminal_key: Option<String>,
    /// Another error code.
    pub error_code: Option<u32>,
    /// An invalid token.
    pub wrong_token: bool,
    /// Number of copies; by default one.
    pub copies: Option<u32>,
}

/// Content of a notification, captured at the time of the change.
#[derive(Debug, Clone)]
pub(super) struct Notification {
    pub(super) payment: Payment,
    /// Status after the change.
    pub(super) status: String,
    /// Error code of a declined payment; otherwise 0.
    pub(super) error_code: u32,
}

impl Notification {
    /// Notification about the payment's current state.
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
        match (&payment.card, payment.source()) {
            (Some(card), Source::Card) => {
                put("CardId", json!(payment.card_id.unwrap_or_else(|| card.bytes().map(u64::from).sum())));
                put("Pan", json!(masked(card)));
                put("ExpDate", json!("1230"));
            }
            (Some(_), Source::Sbp) => put("Pan", json!("+7 (916) ***-**-67")),
            _ => {}
        }
        if let Some(rebill_id) = payment.rebill_id.filter(|_| self.error_code == 0) {
            put("RebillId", json!(rebill_id));
        }
        put("Data", json!({"Source": payment.source()}));
        fields
    }
}

/// A card number with its middle hidden.
pub(super) fn masked(card: &str) -> String {
    format!("{}******{}", &card[..6], &card[12..])
}

/// A signed request body.
#[derive(Debug, Clone)]
struct Letter {
    url: String,
    payment_id: String,
    status: String,
    body: String,
}

impl TBank {
    /// Attempts to deliver notifications, oldest first.
    pub fn deliveries(&self) -> Vec<Delivery> {
        locked(&self.inner.deliveries).clone()
    }

    /// Sends the notifications of one change. The returned future completes when each was answered once or timed
    /// out.
    pub(super) fn announce(&self, notifications: Vec<Notification>) -> impl Future<Output = ()> + use<> {
        let behaviour = self.behaviour();
        let notifications = if self.note_changes(&notifications) { Vec::new() } else { notifications };
        let mut waits = Vec::new();
        let count = u32::try_from(notifications.len()).unwrap_or(u32::MAX);
        let late = (behaviour.notification_delay_s > 0).then(|| {
            self.control().clock().now() + chrono::Duration::seconds(behaviour.notification_delay_s.into())
        });
        for (index, notification) in (0_u32..).zip(notifications) {
            let Some(url) = notification.payment.notification_url.clone() else { continue };
            let delay = match behaviour.notification_order {
                Order::Together => Duration::ZERO,
                Order::InOrder => NOTIFICATION_SPACING * index,
                Order::Reversed => NOTIFICATION_SPACING * (count - 1 - index),
            };
            let Some(letter) = self.letter(url, &notification.payment.terminal, notification.fields()) else {
                continue;
            };
            for _ in 0..behaviour.notification_copies {
                let answered = self.post(letter.clone(), delay, late);
                if late.is_none() {
                    waits.push(answered);
                }
            }
        }
        async move {
            drop(join_all(waits).await);
        }
    }

    /// Sends a forged notification.
    pub fn forge(&self, forged: &Forged) -> Result<(), ScenarioError> {
        let payment = self.payment(&forged.payment_id).ok_or(ScenarioError::UnknownPayment)?;
        let url = payment.notification_url.clone().ok_or(ScenarioError::NoAddress)?;
        let mut fields = Notification::of(&payment).fields();
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
        let signer = forged
            .terminal_key
            .as_deref()
            .filter(|key| locked(&self.inner.bank_state).terminal(key).is_some());
        let signer = signer.unwrap_or(&payment.terminal).to_owned();
        let mut letter = self.letter(url, &signer, fields).ok_or(ScenarioError::UnknownTerminal)?;
        if forged.wrong_token {
            letter.body = letter.body.replacen("\"Token\":\"", "\"Token\":\"0", 1);
        }
        for _ in 0..forged.copies.unwrap_or(1) {
            drop(self.post(letter.clone(), Duration::ZERO, None));
        }
        Ok(())
    }

    /// Sends a notification that is not about a payment of ours.
    pub(super) fn send_fields(
        &self,
        url: String,
        terminal: &str,
        fields: &Value,
    ) -> Result<(), ScenarioError> {
        let fields = fields.as_object().cloned().unwrap_or_default();
        let letter = self.letter(url, terminal, fields).ok_or(ScenarioError::UnknownTerminal)?;
        drop(self.post(letter, Duration::ZERO, None));
        Ok(())
    }

    fn letter(&self, url: String, signer: &str, mut fields: Map<String, Value>) -> Option<Letter> {
        let password = locked(&self.inner.bank_state).terminal(signer)?.password.clone();
        let text =
            |name: &str| fields.get(name).map(|value| value.to_string().replace('"', "")).unwrap_or_default();
        let (payment_id, status) = (text("PaymentId"), text("Status"));
        let token = signature::sign(&Value::Object(fields.clone()).to_string(), &password)?;
        fields.insert("Token".to_owned(), json!(token));
        Some(Letter { url, payment_id, status, body: Value::Object(fields).to_string() })
    }

    /// Posts until accepted or for a day. The receiver resolves after the first attempt.
    /// `late`: not before this time of the simulator's clock.
    fn post(&self, letter: Letter, delay: Duration, late: Option<DateTime<Utc>>) -> oneshot::Receiver<()> {
        let (first, answered) = oneshot::channel();
        let mut first = Some(first);
        let bank = self.clone();
        let start = self.control().clock().sleep_until(late.unwrap_or_else(|| self.control().clock().now()));
        self.spawn(async move {
            let mut work = start.await;
            // Of no delay the timer would make a millisecond or two, for which the charge waits.
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            for attempt in 1..=MAX_NOTIFICATION_RETRIES + 1 {
                let accepted = bank.try_once(&letter, attempt).await;
                drop(first.take());
                if accepted {
                    return;
                }
                let clock = bank.control().clock();
                let retry = clock.sleep_until(clock.now() + chrono::Duration::hours(1));
                drop(work);
                work = retry.await;
            }
        });
        answered
    }

    async fn try_once(&self, letter: &Letter, attempt: u32) -> bool {
        let at = self.control().clock().now();
        let request = self
            .inner
            .http
            .post(self.notification_target(&letter.url))
            .timeout(NOTIFICATION_RESPONSE_TIMEOUT);
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
