//! Updates. Sources: Telegram Bot API, Update, Message, Contact, `ChatMemberUpdated`.
//!
//! A part that cannot be read is no message, never an error: one update of an unknown kind must not stop the others.

use flysk_domain::flysense::activation::message::{
    Contact, ContactFault, Incoming, Person, PersonMessage, Said,
};
use flysk_domain::flysense::activation::phone::Phone;
use serde::Deserialize;
use serde_json::Value;

use crate::http::{Malformed, read_json};

#[derive(Deserialize)]
struct Update {
    #[serde(rename = "update_id")]
    id: i64,
    #[serde(default)]
    message: Option<Value>,
    #[serde(default)]
    my_chat_member: Option<Value>,
}

#[derive(Deserialize)]
struct Message {
    chat: Chat,
    from: User,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    contact: Option<SentContact>,
    #[serde(default)]
    forward_origin: Option<Value>,
    /// Former names of `forward_origin`, for self-hosted servers of older versions.
    #[serde(default)]
    forward_date: Option<Value>,
}

#[derive(Deserialize)]
struct Chat {
    id: i64,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct User {
    id: i64,
    #[serde(default)]
    is_bot: bool,
    #[serde(default)]
    first_name: String,
}

#[derive(Deserialize)]
struct SentContact {
    phone_number: String,
    #[serde(default)]
    user_id: Option<i64>,
}

#[derive(Deserialize)]
struct ChatMemberUpdated {
    chat: Chat,
    from: User,
    new_chat_member: ChatMember,
}

#[derive(Deserialize)]
struct ChatMember {
    status: String,
}

/// Reads an update.
pub(super) fn parse(body: &[u8]) -> Result<Incoming, Malformed> {
    let update: Update = read_json(body)?;
    let said =
        update.message.and_then(|value| serde_json::from_value(value).ok()).and_then(|said| message(&said));
    let left = || {
        update
            .my_chat_member
            .and_then(|value| serde_json::from_value(value).ok())
            .and_then(|change| membership(&change))
    };
    Ok(Incoming { key: update.id.to_string(), message: said.or_else(left) })
}

fn message(message: &Message) -> Option<PersonMessage> {
    let person = person(&message.chat, &message.from)?;
    let said = if let Some(contact) = &message.contact {
        let is_forwarded = message.forward_origin.is_some() || message.forward_date.is_some();
        Said::Contact(check_contact(contact, &message.from, is_forwarded))
    } else if let Some(text) = &message.text {
        Said::from_text(text)
    } else {
        Said::Other
    };
    Some(PersonMessage { person, said })
}

/// The bot was blocked (`kicked`) or is allowed again, which changes nothing until the person writes.
fn membership(change: &ChatMemberUpdated) -> Option<PersonMessage> {
    let person = person(&change.chat, &change.from)?;
    matches!(change.new_chat_member.status.as_str(), "kicked" | "left")
        .then_some(PersonMessage { person, said: Said::Stopped })
}

/// The person of a private dialogue; groups, channels and bots are not answered.
fn person(chat: &Chat, from: &User) -> Option<Person> {
    let is_private = chat.kind == "private" && !from.is_bot;
    is_private.then(|| Person { user_id: from.id, chat_id: chat.id, name: from.first_name.clone() })
}

/// Telegram's servers fill in `user_id` of a contact, so it proves whose number it is. A forwarded card may be the
/// sender's own, but not sent to us.
fn check_contact(contact: &SentContact, from: &User, is_forwarded: bool) -> Contact {
    if is_forwarded {
        return Contact::Unproven(ContactFault::Forwarded);
    }
    if contact.user_id != Some(from.id) {
        return Contact::Unproven(ContactFault::OtherPerson);
    }
    Phone::parse(&contact.phone_number).map_or(Contact::Unproven(ContactFault::NoPhone), Contact::Own)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(message: &Value) -> Option<Said> {
        let update = json!({ "update_id": 7001, "message": message }).to_string();
        parse(update.as_bytes()).unwrap().message.map(|message| message.said)
    }

    fn contact(change: impl FnOnce(&mut Value)) -> Option<Said> {
        let mut message = json!({
            "message_id": 6, "date": 1_793_500_000, "chat": { "id": 555, "type": "private" },
            "from": { "id": 555, "is_bot": false, "first_name": "Анна" },
            "contact": { "phone_number": "79161234567", "first_name": "Анна", "user_id": 555 },
        });
        change(&mut message);
        said(&message)
    }

    #[test]
    fn a_contact_is_own_only_under_all_four_conditions() {
        assert_eq!(contact(|_| ()), Some(Said::Contact(Contact::Own(Phone::parse("79161234567").unwrap()))));
        let refused = |fault| Some(Said::Contact(Contact::Unproven(fault)));
        assert_eq!(contact(|m| m["contact"]["user_id"] = json!(777)), refused(ContactFault::OtherPerson));
        assert_eq!(contact(|m| m["contact"]["user_id"] = Value::Null), refused(ContactFault::OtherPerson));
        let origin = json!({ "type": "user", "date": 1, "sender_user": { "id": 555 } });
        assert_eq!(contact(|m| m["forward_origin"] = origin), refused(ContactFault::Forwarded));
        assert_eq!(contact(|m| m["forward_date"] = json!(1)), refused(ContactFault::Forwarded));
        assert_eq!(contact(|m| m["contact"]["phone_number"] = json!("нет")), refused(ContactFault::NoPhone));
        assert_eq!(contact(|m| m["chat"]["type"] = json!("group")), None);
        assert_eq!(contact(|m| m["from"]["is_bot"] = json!(true)), None);
    }

    #[test]
    fn unknown_and_malformed_parts_are_no_message_and_keep_their_key() {
        for update in [
            json!({ "update_id": 1, "poll": { "id": "x" } }),
            json!({ "update_id": 1, "message": { "chat": "?" } }),
            json!({ "update_id": 1, "message": null, "my_chat_member": { "chat": {} } }),
        ] {
            let parsed = parse(update.to_string().as_bytes()).unwrap();
            assert_eq!((parsed.key.as_str(), parsed.message), ("1", None), "{update}");
        }
        assert!(parse(b"{}").is_err() && parse(b"not json").is_err());
    }

    #[test]
    fn a_block_is_told_and_an_unblock_is_not() {
        let change = |status: &str| {
            let update = json!({ "update_id": 9, "my_chat_member": { "date": 1, "chat": { "id": 5, "type": "private" },
                "from": { "id": 5, "is_bot": false, "first_name": "Анна" }, "old_chat_member": { "status": "member" },
                "new_chat_member": { "status": status } } });
            parse(update.to_string().as_bytes()).unwrap().message.map(|message| message.said)
        };
        assert_eq!(change("kicked"), Some(Said::Stopped));
        assert_eq!(change("member"), None);
    }

    #[test]
    fn pictures_are_something_else() {
        let picture = json!({ "chat": { "id": 5, "type": "private" }, "from": { "id": 5 }, "photo": [] });
        assert_eq!(said(&picture), Some(Said::Other));
    }
}
