//! Methods of the Bot API.

use flysk_domain::Clock as _;
use poem::http::StatusCode;
use poem::web::{Data, Json, Path};
use poem::{Body, IntoResponse as _, Request, Response, handler};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::Telegram;
use crate::bot::{Buttons, LinkButton, Webhook};
use crate::lock::locked;

/// Longest text of a message, characters.
const MAX_TEXT_CHARS: usize = 4_096;

/// A refusal: status, description, seconds until the next attempt.
struct Refusal(u16, String, Option<u64>);

impl Refusal {
    fn bad(description: &str) -> Self {
        Self(400, format!("Bad Request: {description}"), None)
    }
}

type Answer = Result<Value, Refusal>;

#[handler]
pub(super) async fn call(
    Data(telegram): Data<&Telegram>,
    Path((bot, method)): Path<(String, String)>,
    request: &Request,
    body: Body,
) -> Response {
    let answer = match parameters(request, body).await {
        Ok(parameters) => telegram.method(&bot, &method, parameters),
        Err(refusal) => Err(refusal),
    };
    match answer {
        Ok(result) => Json(json!({ "ok": true, "result": result })).into_response(),
        Err(Refusal(status, description, after)) => {
            let mut body = json!({ "ok": false, "error_code": status, "description": description });
            if let Some(after) = after {
                body["parameters"] = json!({ "retry_after": after });
            }
            let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
            Json(body).with_status(status).into_response()
        }
    }
}

async fn parameters(request: &Request, body: Body) -> Result<Value, Refusal> {
    let text = body.into_string().await.map_err(|_| Refusal::bad("strings must be encoded in UTF-8"))?;
    if text.is_empty() {
        return Ok(json!({}));
    }
    if request.content_type().is_none_or(|kind| !kind.starts_with("application/json")) {
        return Err(Refusal::bad("unsupported content type"));
    }
    serde_json::from_str(&text).map_err(|_| Refusal::bad("can't parse JSON object"))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetWebhook {
    url: String,
    #[serde(default)]
    secret_token: Option<String>,
    #[serde(default)]
    allowed_updates: Option<Vec<String>>,
    #[serde(default, rename = "max_connections")]
    _max_connections: Option<u8>,
    #[serde(default, rename = "drop_pending_updates")]
    _drop_pending_updates: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GetUpdates {
    #[serde(default)]
    offset: u64,
    #[serde(default)]
    limit: Option<usize>,
    #[serde(default, rename = "timeout")]
    _timeout: u64,
    #[serde(default, rename = "allowed_updates")]
    _allowed_updates: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SendMessage {
    chat_id: i64,
    text: String,
    #[serde(default)]
    reply_markup: Option<ReplyMarkup>,
    #[serde(default, rename = "link_preview_options")]
    _link_preview_options: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReplyMarkup {
    #[serde(default)]
    keyboard: Option<Vec<Vec<Button>>>,
    #[serde(default)]
    inline_keyboard: Option<Vec<Vec<InlineButton>>>,
    #[serde(default)]
    remove_keyboard: bool,
    #[serde(default, rename = "resize_keyboard")]
    _resize_keyboard: bool,
    #[serde(default, rename = "one_time_keyboard")]
    _one_time_keyboard: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Button {
    text: String,
    #[serde(default)]
    request_contact: bool,
}

/// A button below a message; only those that open a page are known here.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InlineButton {
    text: String,
    url: String,
}

fn read<T: DeserializeOwned>(parameters: Value) -> Result<T, Refusal> {
    serde_json::from_value(parameters).map_err(|error| Refusal::bad(&error.to_string()))
}

impl Telegram {
    fn method(&self, bot: &str, method: &str, parameters: Value) -> Answer {
        let token = bot.strip_prefix("bot").filter(|token| token.contains(':'));
        let token = token.ok_or_else(|| Refusal(404, "Not Found".to_owned(), None))?;
        if token != self.0.token {
            return Err(Refusal(401, "Unauthorized".to_owned(), None));
        }
        match method.to_ascii_lowercase().as_str() {
            "getme" => read::<Nothing>(parameters).map(|_| self.me()),
            "setwebhook" => self.set_webhook(read(parameters)?),
            "deletewebhook" => {
                self.0.deliveries.set_webhook(None);
                Ok(json!(true))
            }
            "getwebhookinfo" => read::<Nothing>(parameters).map(|_| self.webhook_info()),
            "getupdates" => self.updates(&read(parameters)?),
            "sendmessage" => self.send(&read(parameters)?),
            _ => Err(Refusal(404, "Not Found: method not found".to_owned(), None)),
        }
    }

    fn me(&self) -> Value {
        let id: i64 = self.0.token.split(':').next().and_then(|id| id.parse().ok()).unwrap_or_default();
        json!({ "id": id, "is_bot": true, "first_name": "FlySense", "username": self.0.username,
            "can_join_groups": false, "can_read_all_group_messages": false, "supports_inline_queries": false })
    }

    fn set_webhook(&self, wanted: SetWebhook) -> Answer {
        if wanted.url.is_empty() {
            self.0.deliveries.set_webhook(None);
            return Ok(json!(true));
        }
        let url = url::Url::parse(&wanted.url).map_err(|_| Refusal::bad("bad webhook: invalid URL"))?;
        if url.scheme() != "https" {
            return Err(Refusal::bad("bad webhook: An HTTPS URL must be provided for webhook"));
        }
        if !matches!(url.port_or_known_default(), Some(443 | 80 | 88 | 8443)) {
            return Err(Refusal::bad("bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443"));
        }
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        let fits = |secret: &str| (1..=256).contains(&secret.len()) && secret.bytes().all(plain);
        if wanted.secret_token.as_deref().is_some_and(|secret| !fits(secret)) {
            return Err(Refusal::bad("secret token contains unallowed characters"));
        }
        // An omitted list leaves the former one.
        let former = self.webhook().map(|webhook| webhook.kinds);
        let kinds = wanted.allowed_updates.or(former).unwrap_or_default();
        let webhook = Webhook { url: wanted.url, secret: wanted.secret_token, kinds };
        self.0.deliveries.set_webhook(Some(webhook));
        Ok(json!(true))
    }

    fn webhook_info(&self) -> Value {
        let webhook = self.webhook();
        let mut info = json!({
            "url": webhook.as_ref().map(|webhook| webhook.url.as_str()).unwrap_or_default(),
            "has_custom_certificate": false,
            "pending_update_count": self.pending(),
        });
        if let Some(webhook) = webhook {
            info["max_connections"] = json!(40);
            info["allowed_updates"] = json!(webhook.kinds);
        }
        if let Some((at, message)) = self.0.deliveries.last_error() {
            info["last_error_date"] = json!(at.timestamp());
            info["last_error_message"] = json!(message);
        }
        info
    }

    fn updates(&self, wanted: &GetUpdates) -> Answer {
        if self.webhook().is_some() {
            let told = "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first";
            return Err(Refusal(409, told.to_owned(), None));
        }
        let limit = wanted.limit.unwrap_or(100).clamp(1, 100);
        let updates = self.0.deliveries.poll(wanted.offset, limit);
        Ok(updates.into_iter().map(|(_, update)| update).collect())
    }

    fn send(&self, wanted: &SendMessage) -> Answer {
        let now = self.0.control.clock().now();
        let length = wanted.text.chars().count();
        if length == 0 {
            return Err(Refusal::bad("message text is empty"));
        }
        if length > MAX_TEXT_CHARS {
            return Err(Refusal::bad("message is too long"));
        }
        let markup = wanted.reply_markup.as_ref();
        // Buttons below a message leave those below the input field.
        let buttons = markup.filter(|markup| markup.inline_keyboard.is_none()).map(buttons_of).transpose()?;
        let link = markup.map(link_of).transpose()?.flatten();
        let mut state = locked(&self.0.state);
        let Some(dialogue) = state.chats.by_chat(wanted.chat_id) else {
            return Err(Refusal::bad("chat not found"));
        };
        if !dialogue.is_started {
            let told = "Forbidden: bot can't initiate conversation with a user";
            return Err(Refusal(403, told.to_owned(), None));
        }
        if dialogue.is_blocked {
            return Err(Refusal(403, "Forbidden: bot was blocked by the user".to_owned(), None));
        }
        let chat_id = dialogue.chat_id;
        if !state.chat_pace.take(chat_id, now) || !state.bot_pace.take((), now) {
            return Err(Refusal(429, "Too Many Requests: retry after 1".to_owned(), Some(1)));
        }
        state.last_message_id += 1;
        let message_id = state.last_message_id;
        let Some(dialogue) = state.chats.by_chat(chat_id) else { return Err(Refusal::bad("chat not found")) };
        dialogue.write_with_link(wanted.text.clone(), link);
        if let Some(buttons) = buttons {
            dialogue.buttons = buttons;
        }
        Ok(json!({ "message_id": message_id, "date": now.timestamp(), "text": wanted.text,
            "chat": { "id": chat_id, "type": "private", "first_name": dialogue.person.name } }))
    }
}

/// The button below the message that opens a page.
fn link_of(markup: &ReplyMarkup) -> Result<Option<LinkButton>, Refusal> {
    let Some(rows) = &markup.inline_keyboard else { return Ok(None) };
    let buttons: Vec<&InlineButton> = rows.iter().flatten().collect();
    if buttons.iter().any(|button| button.text.is_empty()) {
        return Err(Refusal::bad("can't parse inline keyboard button: Text buttons are unallowed"));
    }
    let opens = |button: &InlineButton| {
        url::Url::parse(&button.url).is_ok_and(|url| matches!(url.scheme(), "http" | "https" | "tg"))
    };
    if !buttons.iter().all(|button| opens(button)) {
        return Err(Refusal::bad("BUTTON_URL_INVALID"));
    }
    Ok(buttons.first().map(|button| LinkButton { label: button.text.clone(), url: button.url.clone() }))
}

fn buttons_of(markup: &ReplyMarkup) -> Result<Buttons, Refusal> {
    let Some(rows) = &markup.keyboard else {
        let removes = if markup.remove_keyboard {
            Ok(Buttons::None)
        } else {
            Err(Refusal::bad("object expected as reply markup"))
        };
        return removes;
    };
    let buttons: Vec<&Button> = rows.iter().flatten().collect();
    if buttons.iter().any(|button| button.text.is_empty()) {
        return Err(Refusal::bad("text buttons are unallowed in the keyboard"));
    }
    if let Some(contact) = buttons.iter().find(|button| button.request_contact) {
        return Ok(Buttons::RequestContact(contact.text.clone()));
    }
    Ok(Buttons::Texts(buttons.iter().map(|button| button.text.clone()).collect()))
}
