//! Operations of the Bot API.

use flysk_domain::Clock as _;
use poem::web::{Data, Query};
use poem::{Body, Request, Response, handler};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Max;
use super::refusal::{Refusal, respond, unsuccessful};
use crate::bot::{Buttons, LinkButton, Webhook};
use crate::lock::locked;

/// Longest text of a message, characters.
const MAX_TEXT_CHARS: usize = 4_000;
const UPDATE_TYPES: [&str; 16] = [
    "bot_started",
    "bot_stopped",
    "bot_added",
    "bot_removed",
    "user_added",
    "user_removed",
    "chat_title_changed",
    "message_created",
    "message_edited",
    "message_removed",
    "message_callback",
    "dialog_cleared",
    "dialog_removed",
    "dialog_muted",
    "dialog_unmuted",
    "message_chat_created",
];

impl Max {
    /// The token is the whole header; "Bearer" and the former query parameter are refused. Counts the request.
    fn authorize(&self, request: &Request) -> Result<(), Refusal> {
        if request.header("authorization") != Some(self.0.token.as_str()) {
            return Err(Refusal(401, "verify.token", "Invalid access_token".to_owned()));
        }
        let now = self.0.control.clock().now();
        if !locked(&self.0.state).host_pace.take((), now) {
            return Err(Refusal(429, "too.many.requests", "Too many requests".to_owned()));
        }
        Ok(())
    }
}

#[handler]
pub(super) fn me(Data(max): Data<&Max>, request: &Request) -> Response {
    respond(max.authorize(request).map(|()| {
        json!({ "user_id": 1, "first_name": "FlySense", "name": "FlySense", "username": max.0.username,
            "is_bot": true, "last_activity_time": max.0.control.clock().now().timestamp_millis() })
    }))
}

#[handler]
pub(super) fn subscriptions(Data(max): Data<&Max>, request: &Request) -> Response {
    respond(max.authorize(request).map(|()| {
        let known: Vec<Value> = max
            .webhook()
            .into_iter()
            .map(|known| json!({ "url": known.url, "time": 1, "update_types": known.kinds, "version": "0.0.33" }))
            .collect();
        json!({ "subscriptions": known })
    }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Subscribe {
    url: String,
    #[serde(default)]
    secret: Option<String>,
    #[serde(default)]
    update_types: Vec<String>,
}

#[handler]
pub(super) async fn subscribe(Data(max): Data<&Max>, request: &Request, body: Body) -> Response {
    let wanted = match (max.authorize(request), body.into_json::<Subscribe>().await) {
        (Err(refusal), _) => return respond(Err(refusal)),
        (Ok(()), Err(error)) => return respond(Err(Refusal::bad(error.to_string()))),
        (Ok(()), Ok(wanted)) => wanted,
    };
    let url = url::Url::parse(&wanted.url).ok();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let fits = |secret: &str| (5..=256).contains(&secret.len()) && secret.bytes().all(plain);
    respond(Ok(if url.is_none_or(|url| url.scheme() != "https") {
        unsuccessful("Subscription url must be https")
    } else if wanted.secret.as_deref().is_some_and(|secret| !fits(secret)) {
        unsuccessful("Invalid secret")
    } else if wanted.update_types.iter().any(|kind| !UPDATE_TYPES.contains(&kind.as_str())) {
        unsuccessful("Unknown update type")
    } else {
        let webhook = Webhook { url: wanted.url, secret: wanted.secret, kinds: wanted.update_types };
        max.0.deliveries.set_webhook(Some(webhook));
        json!({ "success": true })
    }))
}

#[derive(Deserialize)]
struct Unsubscribe {
    url: String,
}

#[handler]
pub(super) fn unsubscribe(
    Data(max): Data<&Max>,
    request: &Request,
    Query(wanted): Query<Unsubscribe>,
) -> Response {
    respond(max.authorize(request).map(|()| {
        if max.webhook().is_none_or(|known| known.url != wanted.url) {
            return unsuccessful("No such subscription");
        }
        max.0.deliveries.set_webhook(None);
        json!({ "success": true })
    }))
}

#[derive(Deserialize)]
struct Poll {
    #[serde(default)]
    limit: Option<usize>,
    #[serde(default)]
    marker: Option<u64>,
}

/// While a webhook is set, polling returns nothing.
#[handler]
pub(super) fn updates(Data(max): Data<&Max>, request: &Request, Query(wanted): Query<Poll>) -> Response {
    respond(max.authorize(request).map(|()| {
        let marker = wanted.marker.unwrap_or_default();
        if max.webhook().is_some() {
            return json!({ "updates": [], "marker": marker });
        }
        let found = max.0.deliveries.poll(marker, wanted.limit.unwrap_or(100).clamp(1, 1_000));
        let next = found.last().map_or(marker, |(number, _)| number + 1);
        let updates: Vec<Value> = found.into_iter().map(|(_, update)| update).collect();
        json!({ "updates": updates, "marker": next })
    }))
}

#[derive(Deserialize)]
struct Recipient {
    chat_id: Option<i64>,
    user_id: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewMessage {
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    attachments: Option<Vec<Attachment>>,
    #[serde(default, rename = "notify")]
    _notify: Option<bool>,
    #[serde(default, rename = "format")]
    _format: Option<String>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum Attachment {
    InlineKeyboard { payload: KeyboardPayload },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyboardPayload {
    buttons: Vec<Vec<Button>>,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
enum Button {
    RequestContact { text: String },
    Message { text: String },
    Link { text: String, url: String },
}

#[handler]
pub(super) async fn send(
    Data(max): Data<&Max>,
    request: &Request,
    Query(to): Query<Recipient>,
    body: Body,
) -> Response {
    let answer = match (max.authorize(request), body.into_json::<NewMessage>().await) {
        (Err(refusal), _) => Err(refusal),
        (Ok(()), Err(error)) => Err(Refusal::bad(error.to_string())),
        (Ok(()), Ok(message)) => max.send(&to, message),
    };
    respond(answer)
}

impl Max {
    fn send(&self, to: &Recipient, message: NewMessage) -> Result<Value, Refusal> {
        let text = message.text.unwrap_or_default();
        let keyboard = message.attachments.map(|attachments| keyboard_of(&attachments)).transpose()?;
        if text.is_empty() && keyboard.is_none() {
            return Err(Refusal::bad("empty message"));
        }
        if text.chars().count() > MAX_TEXT_CHARS {
            return Err(Refusal::bad("text: length must be at most 4000"));
        }
        let now = self.0.control.clock().now();
        let mut state = locked(&self.0.state);
        let chat_id = match (to.chat_id, to.user_id) {
            (Some(chat_id), None) => chat_id,
            (None, Some(user)) => state.chats.of(user).map_err(|_| not_found())?.chat_id,
            _ => return Err(Refusal::bad("chat_id or user_id is required")),
        };
        let dialogue = state.chats.by_chat(chat_id).ok_or_else(not_found)?;
        if !dialogue.is_open() {
            return Err(Refusal(403, "chat.denied", "The dialog is suspended by the user".to_owned()));
        }
        let user_id = dialogue.person.id;
        if !state.chat_pace.take(chat_id, now) {
            return Err(Refusal(429, "too.many.requests", "Too many requests".to_owned()));
        }
        state.last_message += 1;
        let mid = format!("mid.{:016x}", state.last_message);
        let dialogue = state.chats.by_chat(chat_id).ok_or_else(not_found)?;
        let (buttons, link) = keyboard.unwrap_or_default();
        dialogue.write_with_link(text.clone(), link);
        dialogue.buttons = buttons;
        Ok(json!({ "message": { "timestamp": now.timestamp_millis(),
            "sender": { "user_id": 1, "first_name": "FlySense", "is_bot": true },
            "recipient": { "chat_id": chat_id, "chat_type": "dialog", "user_id": user_id },
            "body": { "mid": mid, "seq": 1, "text": text, "attachments": null } } }))
    }
}

fn not_found() -> Refusal {
    Refusal(404, "chat.not.found", "Chat not found".to_owned())
}

/// The buttons of a message that answer it, and the one that opens a page.
fn keyboard_of(attachments: &[Attachment]) -> Result<(Buttons, Option<LinkButton>), Refusal> {
    let Some(Attachment::InlineKeyboard { payload }) = attachments.first() else {
        return Ok((Buttons::None, None));
    };
    let rows = &payload.buttons;
    if rows.is_empty() || rows.len() > 30 || rows.iter().any(|row| row.is_empty() || row.len() > 7) {
        return Err(Refusal::bad("keyboard: at most 30 rows of 7 buttons"));
    }
    let (mut labels, mut contact, mut link) = (Vec::new(), None, None);
    for button in rows.iter().flatten() {
        let (Button::RequestContact { text } | Button::Message { text } | Button::Link { text, .. }) = button;
        if !(1..=128).contains(&text.chars().count()) {
            return Err(Refusal::bad("button: text must have 1 to 128 characters"));
        }
        match button {
            Button::RequestContact { text } => contact = Some(text.clone()),
            Button::Message { text } => labels.push(text.clone()),
            Button::Link { url, .. } if url.len() > 2_048 || !url.starts_with("http") => {
                return Err(Refusal::bad("button: invalid url"));
            }
            Button::Link { text, url } => link = Some(LinkButton { label: text.clone(), url: url.clone() }),
        }
    }
    let buttons = match contact {
        Some(label) => Buttons::RequestContact(label),
        None if labels.is_empty() => Buttons::None,
        None => Buttons::Texts(labels),
    };
    Ok((buttons, link))
}
