//! Client of Telegram's Bot API.
//!
//! The token is part of every URL, so no error and no log line may contain one. Sources: Telegram Bot API 10.1;
//! `tdlib/telegram-bot-api` 10.0 for what its server does.

mod send;
mod update;

use flysk_domain::flysense::activation::message::{Incoming, Keyboard, Outgoing};
use flysk_domain::flysense::activation::messenger::Messenger;
use reqwest::Client;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use crate::http::{BuildError, Idempotency, Malformed};
use crate::messenger::{Bot, BotIdentity, Config, MessengerError, WebhookState};

/// Header of webhooks with the secret.
pub const SECRET_HEADER: &str = "X-Telegram-Bot-Api-Secret-Token";

/// Kinds of updates that the bot uses.
const ALLOWED_UPDATES: [&str; 2] = ["message", "my_chat_member"];

/// A client of one bot; clones share connections.
#[derive(Debug, Clone)]
pub struct Telegram {
    client: Client,
    base_url: String,
    token: SecretString,
}

#[derive(Deserialize)]
struct Me {
    id: i64,
    username: String,
}

#[derive(Deserialize)]
struct WebhookInfo {
    url: String,
    #[serde(default)]
    pending_update_count: u64,
    #[serde(default)]
    last_error_message: Option<String>,
    #[serde(default)]
    allowed_updates: Vec<String>,
}

impl Telegram {
    /// Builds the client; sends nothing.
    pub fn new(config: &Config) -> Result<Self, BuildError> {
        Ok(Self {
            client: config.client()?,
            base_url: config.base_url.as_str().trim_end_matches('/').to_owned(),
            token: config.token.clone(),
        })
    }
}

/// Reads the body of a webhook (see [`Bot::parse_update`]).
pub fn parse_update(body: &[u8]) -> Result<Incoming, Malformed> {
    update::parse(body)
}

impl Bot for Telegram {
    fn messenger(&self) -> Messenger {
        Messenger::Telegram
    }

    async fn who_am_i(&self) -> Result<BotIdentity, MessengerError> {
        let me: Me = self.call("getMe", &json!({}), Idempotency::Safe).await?;
        Ok(BotIdentity { id: me.id, username: me.username })
    }

    async fn ensure_webhook(
        &self,
        url: &Url,
        secret: &SecretString,
        force: bool,
    ) -> Result<WebhookState, MessengerError> {
        let info: WebhookInfo = self.call("getWebhookInfo", &json!({}), Idempotency::Safe).await?;
        let is_set = info.url == url.as_str()
            && ALLOWED_UPDATES.iter().all(|kind| info.allowed_updates.iter().any(|known| known == kind));
        if !is_set || force {
            let wanted = json!({ "url": url, "secret_token": secret.expose_secret(), "allowed_updates": ALLOWED_UPDATES });
            let _: bool = self.call("setWebhook", &wanted, Idempotency::Safe).await?;
        }
        Ok(WebhookState {
            was_repaired: !is_set || force,
            pending: Some(info.pending_update_count),
            last_error: info.last_error_message,
        })
    }

    async fn send(&self, chat_id: i64, message: &Outgoing) -> Result<(), MessengerError> {
        let mut body = json!({ "chat_id": chat_id, "text": message.text, "link_preview_options": { "is_disabled": true } });
        if let Some(markup) = reply_markup(&message.keyboard) {
            body["reply_markup"] = markup;
        }
        let _: Value = self.call("sendMessage", &body, Idempotency::NotSafe).await?;
        Ok(())
    }

    fn parse_update(&self, body: &[u8]) -> Result<Incoming, Malformed> {
        parse_update(body)
    }
}

/// Only a reply keyboard can request a contact, and only an inline one can open a page.
fn reply_markup(keyboard: &Keyboard) -> Option<Value> {
    let with = |rows: Value| json!({ "keyboard": rows, "resize_keyboard": true, "one_time_keyboard": true });
    match keyboard {
        // A sealed address opens no page.
        Keyboard::Unchanged | Keyboard::SealedLink { .. } => None,
        Keyboard::Removed => Some(json!({ "remove_keyboard": true })),
        Keyboard::RequestContact(label) => Some(with(json!([[{ "text": label, "request_contact": true }]]))),
        Keyboard::Texts(labels) => {
            let rows: Vec<Value> = labels.iter().map(|label| json!([{ "text": label }])).collect();
            Some(with(Value::Array(rows)))
        }
        Keyboard::Link { label, url } => {
            Some(json!({ "inline_keyboard": [[{ "text": label, "url": url }]] }))
        }
    }
}
