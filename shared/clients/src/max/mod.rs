//! Client of MAX's Bot API.
//!
//! The token is the value of `Authorization`, without "Bearer". The host's certificate is issued by the Russian Trusted
//! Root CA, which the configuration adds for this client only. Sources: dev.max.ru, docs-api; `schema.yaml` 0.0.30 of
//! `max-messenger/max-bot-api-client-go`.

mod contact;
mod send;
mod update;

use flysk_domain::flysense::activation::message::{Incoming, Keyboard, Outgoing};
use flysk_domain::flysense::activation::messenger::Messenger;
use reqwest::{Client, Method};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use crate::http::{BuildError, Idempotency, Malformed};
use crate::messenger::{Bot, BotIdentity, Config, MessengerError, WebhookState};

/// Header of webhooks with the secret.
pub const SECRET_HEADER: &str = "X-Max-Bot-Api-Secret";

/// Kinds of updates that the bot uses.
const UPDATE_TYPES: [&str; 3] = ["bot_started", "message_created", "bot_stopped"];

/// A client of one bot; clones share connections.
#[derive(Debug, Clone)]
pub struct Max {
    client: Client,
    base_url: String,
    token: SecretString,
}

#[derive(Deserialize)]
struct Me {
    user_id: i64,
    username: String,
}

#[derive(Deserialize)]
struct Subscriptions {
    #[serde(default)]
    subscriptions: Vec<Subscription>,
}

#[derive(Deserialize)]
struct Subscription {
    url: String,
    #[serde(default)]
    update_types: Option<Vec<String>>,
}

impl Subscription {
    /// Without a list, all kinds are delivered.
    fn has_all_types(&self) -> bool {
        let known = |wanted: &&str| {
            self.update_types.as_ref().is_none_or(|known| known.iter().any(|kind| kind == wanted))
        };
        UPDATE_TYPES.iter().all(known)
    }
}

impl Max {
    /// Builds the client; sends nothing.
    pub fn new(config: &Config) -> Result<Self, BuildError> {
        Ok(Self {
            client: config.client()?,
            base_url: config.base_url.as_str().trim_end_matches('/').to_owned(),
            token: config.token.clone(),
        })
    }
}

/// Reads the body of a webhook (see [`Bot::parse_update`]); `token` of the bot verifies contacts.
pub fn parse_update(body: &[u8], token: &SecretString) -> Result<Incoming, Malformed> {
    update::parse(body, token)
}

impl Bot for Max {
    fn messenger(&self) -> Messenger {
        Messenger::Max
    }

    async fn who_am_i(&self) -> Result<BotIdentity, MessengerError> {
        let me: Me = self.call(Method::GET, "/me", &[], None, Idempotency::Safe).await?;
        Ok(BotIdentity { id: me.user_id, username: me.username })
    }

    /// MAX drops a webhook that failed for 8 hours, so this must be called regularly. MAX reports neither waiting updates nor
    /// failed deliveries.
    async fn ensure_webhook(
        &self,
        url: &Url,
        secret: &SecretString,
        force: bool,
    ) -> Result<WebhookState, MessengerError> {
        let known: Subscriptions =
            self.call(Method::GET, "/subscriptions", &[], None, Idempotency::Safe).await?;
        let ours = known.subscriptions.into_iter().find(|known| known.url == url.as_str());
        let is_set = ours.as_ref().is_some_and(Subscription::has_all_types);
        if !is_set || force {
            // Whether a second POST replaces the secret is not documented.
            if ours.is_some() {
                let query = [("url", url.as_str())];
                let _: Value =
                    self.call(Method::DELETE, "/subscriptions", &query, None, Idempotency::Safe).await?;
            }
            let wanted =
                json!({ "url": url, "secret": secret.expose_secret(), "update_types": UPDATE_TYPES });
            let _: Value =
                self.call(Method::POST, "/subscriptions", &[], Some(&wanted), Idempotency::Safe).await?;
        }
        Ok(WebhookState { was_repaired: !is_set || force, pending: None, last_error: None })
    }

    async fn send(&self, chat_id: i64, message: &Outgoing) -> Result<(), MessengerError> {
        let mut body = json!({ "text": message.text });
        if let Some(rows) = buttons(&message.keyboard) {
            body["attachments"] = json!([{ "type": "inline_keyboard", "payload": { "buttons": rows } }]);
        }
        let chat = chat_id.to_string();
        let query = [("chat_id", chat.as_str()), ("disable_link_preview", "true")];
        let _: Value =
            self.call(Method::POST, "/messages", &query, Some(&body), Idempotency::NotSafe).await?;
        Ok(())
    }

    fn parse_update(&self, body: &[u8]) -> Result<Incoming, Malformed> {
        parse_update(body, &self.token)
    }
}

/// Rows of an inline keyboard. MAX has no other keyboards, so there is nothing to remove.
fn buttons(keyboard: &Keyboard) -> Option<Vec<Value>> {
    match keyboard {
        // A sealed address opens no page.
        Keyboard::Unchanged | Keyboard::Removed | Keyboard::SealedLink { .. } => None,
        Keyboard::RequestContact(label) => Some(vec![json!([{ "type": "request_contact", "text": label }])]),
        Keyboard::Texts(labels) => {
            Some(labels.iter().map(|label| json!([{ "type": "message", "text": label }])).collect())
        }
        Keyboard::Link { label, url } => Some(vec![json!([{ "type": "link", "text": label, "url": url }])]),
    }
}
