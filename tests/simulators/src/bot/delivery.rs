//! Delivery of updates to a webhook: in order within a dialogue, repeated after failures, given up in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration as StdDuration;

use chrono::{DateTime, Duration, Utc};
use flysk_domain::Clock;
use serde::Serialize;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::amocrm::outbound::OutboundClient;
use crate::control::Control;
use crate::lock::locked;

/// A webhook that the bot has set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Webhook {
    /// Destination.
    pub url: String,
    /// Sent in the messenger's header.
    pub secret: Option<String>,
    /// Kinds of updates that are delivered.
    pub kinds: Vec<String>,
}

/// An attempt to deliver an update.
#[derive(Debug, Clone, Serialize)]
pub struct Delivered {
    /// Time, by the simulator's clock.
    pub at: DateTime<Utc>,
    /// The update.
    pub body: Value,
    /// HTTP status; `None` if there was no response in time.
    pub answer: Option<u16>,
}

/// Rules of a messenger.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) secret_header: &'static str,
    pub(crate) accepts: fn(u16) -> bool,
    pub(crate) timeout: StdDuration,
    /// Delay after the first failure; doubled up to `max_delay`.
    pub(crate) first_delay: Duration,
    pub(crate) max_delay: Duration,
    /// Age at which an undelivered update is dropped.
    pub(crate) keep: Duration,
    /// The webhook is removed after failing for so long, with this status if one is given.
    pub(crate) unsubscribe_after: (Duration, Option<u16>),
}

#[derive(Debug)]
pub(crate) struct Deliveries {
    rules: Rules,
    http: OutboundClient,
    control: Control,
    background: CancellationToken,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    webhook: Option<Webhook>,
    waiting: BTreeMap<u64, Waiting>,
    last_number: u64,
    busy: BTreeSet<i64>,
    failing_since: Option<DateTime<Utc>>,
    last_error: Option<(DateTime<Utc>, String)>,
    log: Vec<Delivered>,
    copies: u32,
}

#[derive(Debug, Clone)]
struct Waiting {
    chat: i64,
    kind: String,
    body: Value,
    since: DateTime<Utc>,
}

impl Deliveries {
    pub(crate) fn new(
        rules: Rules,
        control: Control,
        background: CancellationToken,
    ) -> Result<Arc<Self>, reqwest::Error> {
        let state = Mutex::new(State { copies: 1, ..State::default() });
        Ok(Arc::new(Self { rules, http: OutboundClient::new()?, control, background, state }))
    }

    /// Sends requests for `origin` to `to`.
    pub(crate) fn route(&self, origin: &str, to: &str) {
        self.http.route(origin, to);
    }

    pub(crate) fn webhook(&self) -> Option<Webhook> {
        locked(&self.state).webhook.clone()
    }

    pub(crate) fn set_webhook(self: &Arc<Self>, webhook: Option<Webhook>) {
        {
            let mut state = locked(&self.state);
            state.webhook = webhook;
            state.failing_since = None;
        }
        self.kick();
    }

    /// Every update is delivered this many times.
    pub(crate) fn set_copies(&self, copies: u32) {
        locked(&self.state).copies = copies;
    }

    pub(crate) fn log(&self) -> Vec<Delivered> {
        locked(&self.state).log.clone()
    }

    pub(crate) fn last_error(&self) -> Option<(DateTime<Utc>, String)> {
        locked(&self.state).last_error.clone()
    }

    /// Number of updates that wait.
    pub(crate) fn pending(&self) -> usize {
        locked(&self.state).waiting.len()
    }

    /// Adds an update, which `body` builds from its number.
    pub(crate) fn push(self: &Arc<Self>, chat: i64, kind: &str, body: impl FnOnce(u64) -> Value) {
        {
            let mut state = locked(&self.state);
            state.last_number += 1;
            let number = state.last_number;
            let since = self.control.clock().now();
            state.waiting.insert(number, Waiting { chat, kind: kind.to_owned(), body: body(number), since });
        }
        self.kick();
    }

    /// Updates from `after` on, for long polling; earlier ones are confirmed and dropped.
    pub(crate) fn poll(&self, from: u64, limit: usize) -> Vec<(u64, Value)> {
        let mut state = locked(&self.state);
        state.waiting.retain(|number, _| *number >= from);
        state.waiting.iter().take(limit).map(|(number, update)| (*number, update.body.clone())).collect()
    }

    fn kick(self: &Arc<Self>) {
        let mut state = locked(&self.state);
        if state.webhook.is_none() {
            return;
        }
        let chats: BTreeSet<i64> = state.waiting.values().map(|update| update.chat).collect();
        for chat in chats {
            if state.busy.insert(chat) {
                let (this, stop) = (Arc::clone(self), self.background.clone());
                tokio::spawn(async move {
                    tokio::select! {
                        () = stop.cancelled() => {}
                        () = this.deliver(chat) => {}
                    }
                });
            }
        }
    }

    /// Delivers the updates of one dialogue in order.
    async fn deliver(&self, chat: i64) {
        let mut delay = self.rules.first_delay;
        while let Some((number, update, webhook, copies)) = self.next(chat) {
            let mut is_accepted = true;
            for _ in 0..copies {
                is_accepted &= self.post(&webhook, &update).await;
            }
            if is_accepted {
                let mut state = locked(&self.state);
                state.waiting.remove(&number);
                state.failing_since = None;
                delay = self.rules.first_delay;
                continue;
            }
            let clock = self.control.clock();
            clock.sleep_until(clock.now() + delay).await;
            delay = (delay * 2).min(self.rules.max_delay);
        }
    }

    /// The next update to deliver. Without one, the dialogue is no longer busy.
    fn next(&self, chat: i64) -> Option<(u64, Waiting, Webhook, u32)> {
        let mut state = locked(&self.state);
        let oldest = self.control.clock().now() - self.rules.keep;
        let webhook = state.webhook.clone();
        let kinds = webhook.as_ref().map(|webhook| webhook.kinds.clone()).unwrap_or_default();
        state
            .waiting
            .retain(|_, update| update.since >= oldest && (kinds.is_empty() || kinds.contains(&update.kind)));
        let found = state.waiting.iter().find(|(_, update)| update.chat == chat);
        let found = found.map(|(number, update)| (*number, update.clone()));
        let next =
            webhook.zip(found).map(|(webhook, (number, update))| (number, update, webhook, state.copies));
        if next.is_none() {
            state.busy.remove(&chat);
        }
        next
    }

    async fn post(&self, webhook: &Webhook, update: &Waiting) -> bool {
        let secret = webhook.secret.as_deref().map(|secret| (self.rules.secret_header, secret));
        let body = update.body.to_string();
        let answer = self.http.post_json(&webhook.url, secret, body, self.rules.timeout).await;
        let is_accepted = answer.is_some_and(self.rules.accepts);
        let now = self.control.clock().now();
        let mut state = locked(&self.state);
        state.log.push(Delivered { at: now, body: update.body.clone(), answer });
        if !is_accepted {
            let told = answer.map_or("Connection timed out".to_owned(), |status| {
                format!("Wrong response from the webhook: {status}")
            });
            state.last_error = Some((now, told));
            let since = *state.failing_since.get_or_insert(now);
            let (limit, status) = self.rules.unsubscribe_after;
            if now - since >= limit && status.is_none_or(|status| answer == Some(status)) {
                state.webhook = None;
            }
        }
        is_accepted
    }
}
