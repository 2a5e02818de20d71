//! Updates. Sources: dev.max.ru, objects/Update; `schema.yaml` of MAX's Go client.
//!
//! MAX has no ids of updates, so an update is identified by what it contains. A part that cannot be read is no message,
//! never an error: `message_created` about a voice message arrives without `message`.

use std::fmt::Write as _;

use flysk_domain::flysense::activation::message::{Incoming, Person, PersonMessage, Said};
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::contact::{self, ContactPayload};
use crate::http::{Malformed, read_json};

/// Maximum length of a key in the table of updates.
const MAX_KEY_LEN: usize = 100;

#[derive(Deserialize)]
struct Update {
    #[serde(rename = "update_type")]
    kind: String,
    #[serde(default)]
    timestamp: i64,
    #[serde(default)]
    chat_id: Option<i64>,
    #[serde(default)]
    user: Option<Value>,
    #[serde(default)]
    payload: Option<Value>,
    #[serde(default)]
    message: Option<Value>,
}

#[derive(Deserialize)]
struct User {
    #[serde(rename = "user_id")]
    id: i64,
    #[serde(default)]
    first_name: String,
    #[serde(default)]
    is_bot: bool,
}

#[derive(Deserialize)]
struct Message {
    sender: User,
    recipient: Recipient,
    #[serde(default)]
    link: Option<Link>,
    body: Body,
}

#[derive(Deserialize)]
struct Recipient {
    chat_id: i64,
    chat_type: String,
}

#[derive(Deserialize)]
struct Link {
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct Body {
    mid: String,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    attachments: Option<Vec<Value>>,
}

#[derive(Deserialize)]
struct ContactAttachment {
    payload: ContactPayload,
}

/// Reads an update; `token` verifies contacts.
pub(super) fn parse(body: &[u8], token: &SecretString) -> Result<Incoming, Malformed> {
    let update: Update = read_json(body)?;
    let user = update.user.and_then(|value| serde_json::from_value::<User>(value).ok());
    let message = update.message.and_then(|value| serde_json::from_value::<Message>(value).ok());
    let key = match (update.kind.as_str(), &user, &message) {
        ("message_created", _, Some(message)) => format!("message:{}", message.body.mid),
        (kind @ ("bot_started" | "bot_stopped"), Some(user), _) => {
            format!("{kind}:{}:{}", user.id, update.timestamp)
        }
        _ => digest(body),
    };
    let key = if key.len() <= MAX_KEY_LEN && key.is_ascii() { key } else { digest(body) };
    let message = match update.kind.as_str() {
        "message_created" => message.and_then(|message| created(&message, token)),
        "bot_started" => {
            let payload = update.payload.and_then(|value| value.as_str().map(str::to_owned));
            event(user, update.chat_id, Said::Start(payload.filter(|payload| !payload.is_empty())))
        }
        "bot_stopped" => event(user, update.chat_id, Said::Stopped),
        _ => None,
    };
    Ok(Incoming { key, message })
}

fn digest(body: &[u8]) -> String {
    let mut key = String::from("digest:");
    for byte in Sha256::digest(body) {
        // Writing to a String cannot fail.
        let _ = write!(key, "{byte:02x}");
    }
    key
}

fn event(user: Option<User>, chat_id: Option<i64>, said: Said) -> Option<PersonMessage> {
    let user = user.filter(|user| !user.is_bot)?;
    let person = Person { user_id: user.id, chat_id: chat_id?, name: user.first_name };
    Some(PersonMessage { person, said })
}

/// A message in a dialogue. Its `recipient.chat_id` is the dialogue; `recipient.user_id` would be the bot itself.
fn created(message: &Message, token: &SecretString) -> Option<PersonMessage> {
    let Message { sender, recipient, .. } = message;
    if sender.is_bot || recipient.chat_type != "dialog" {
        return None;
    }
    let is_forwarded = message.link.as_ref().is_some_and(|link| link.kind == "forward");
    let contact = message.body.attachments.iter().flatten().find(|part| part["type"] == "contact");
    let said = if let Some(contact) = contact {
        let attachment: ContactAttachment = serde_json::from_value(contact.clone()).ok()?;
        Said::Contact(contact::check(&attachment.payload, sender.id, is_forwarded, token))
    } else {
        match message.body.text.as_deref().map(str::trim) {
            Some(text) if !text.is_empty() => Said::from_text(text),
            _ => Said::Other,
        }
    };
    let person = Person { user_id: sender.id, chat_id: recipient.chat_id, name: sender.first_name.clone() };
    Some(PersonMessage { person, said })
}

#[cfg(test)]
mod tests {
    use flysk_domain::flysense::activation::message::{Contact, ContactFault};
    use serde_json::json;

    use super::*;

    fn read(update: &Value) -> Incoming {
        parse(update.to_string().as_bytes(), &SecretString::from("token")).unwrap()
    }

    fn written(change: impl FnOnce(&mut Value)) -> Incoming {
        let mut update = json!({ "update_type": "message_created", "timestamp": 1_793_500_000_123_i64, "message": {
            "sender": { "user_id": 777, "first_name": "Анна", "is_bot": false },
            "recipient": { "chat_id": 182_182, "chat_type": "dialog", "user_id": 1 }, "timestamp": 1,
            "body": { "mid": "mid.1", "seq": 115_959_348_394_230_784_i64, "text": "7K3M-9QXD", "attachments": null } } });
        change(&mut update);
        read(&update)
    }

    #[test]
    fn a_start_carries_its_payload_and_is_known_again() {
        let started = json!({ "update_type": "bot_started", "timestamp": 1_793_500_000_123_i64, "chat_id": 182_182,
            "user": { "user_id": 777, "first_name": "Анна", "is_bot": false }, "payload": "k3Jd0_x-" });
        let incoming = read(&started);
        assert_eq!(incoming.key, "bot_started:777:1793500000123");
        let message = incoming.message.unwrap();
        assert_eq!(message.person, Person { user_id: 777, chat_id: 182_182, name: "Анна".to_owned() });
        assert_eq!(message.said, Said::Start(Some("k3Jd0_x-".to_owned())));
    }

    #[test]
    fn a_text_is_answered_in_its_dialogue_and_nowhere_else() {
        let text = written(|_| ());
        assert_eq!(text.key, "message:mid.1");
        let message = text.message.unwrap();
        assert_eq!((message.person.chat_id, message.said), (182_182, Said::Text("7K3M-9QXD".to_owned())));
        assert_eq!(written(|u| u["message"]["recipient"]["chat_type"] = json!("chat")).message, None);
        assert_eq!(written(|u| u["message"]["sender"]["is_bot"] = json!(true)).message, None);
    }

    #[test]
    fn a_contact_without_a_proof_is_not_own() {
        let card = json!([{ "type": "contact", "payload": { "vcf_info": "TEL:79990001122", "hash": null } }]);
        let sent = written(|u| u["message"]["body"]["attachments"] = card).message.unwrap();
        assert_eq!(sent.said, Said::Contact(Contact::Unproven(ContactFault::NoProof)));
    }

    #[test]
    fn a_contact_with_both_names_of_its_owner_is_answered() {
        let owner = json!({ "user_id": 777 });
        let card = json!([{ "type": "contact", "payload": { "vcf_info": "TEL:79990001122", "hash": null,
            "max_info": owner.clone(), "tam_info": owner } }]);
        let sent = written(|u| u["message"]["body"]["attachments"] = card).message.unwrap();
        assert_eq!(sent.said, Said::Contact(Contact::Unproven(ContactFault::NoProof)));
    }

    #[test]
    fn unknown_and_incomplete_updates_are_no_message_and_keep_their_key() {
        for update in [
            json!({ "update_type": "message_created", "timestamp": 1 }),
            json!({ "update_type": "dialog_muted", "timestamp": 1, "chat_id": 5, "user": { "user_id": 5 } }),
            json!({ "update_type": "comment_created", "timestamp": 1, "comment": {} }),
            json!({ "update_type": "bot_started", "timestamp": 1, "user": "?" }),
        ] {
            let (first, again) = (read(&update), read(&update));
            assert_eq!(first.message, None, "{update}");
            assert!(first.key.starts_with("digest:") && first.key == again.key, "{update}");
        }
    }
}
