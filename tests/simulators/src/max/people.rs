//! What people do in the app.

use flysk_domain::Clock as _;
use hmac::{Hmac, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::Max;
use crate::bot::{App, Buttons, Dialogue, Person, ScenarioError};
use crate::lock::locked;

/// Difference between the ids of a person and of the dialogue with the bot.
const CHAT_ID_OFFSET: i64 = 1_000_000_000;

/// A contact that does not come from the button.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Card {
    /// A card of somebody, shared by hand: no hash.
    Shared(Person),
    /// A card with a hash that the sender made up.
    MadeUpHash(Person),
    /// The card that another person sent by the button, with its valid hash: the owner is not the sender.
    Stolen(Person),
    /// The own card with its hash, forwarded from another dialogue.
    ForwardedOwn,
    /// The own card with its hash, and another number in the text.
    ChangedNumber(String),
}

impl Max {
    /// Adds a person who has not started the bot.
    pub fn add_person(&self, person: Person) {
        let chat_id = person.id + CHAT_ID_OFFSET;
        locked(&self.0.state).chats.add(person, chat_id);
    }

    /// Opens a deep link and presses "Start". Whether it also fires for a person who started the bot before is not
    /// documented; clients report that it does.
    pub fn open_link(&self, person: i64, url: &str) -> Result<(), ScenarioError> {
        let prefix = format!("https://max.ru/{}?start=", self.0.username);
        let payload = url.strip_prefix(&prefix).ok_or(ScenarioError::ForeignLink)?;
        // Longer payloads are silently not delivered.
        self.start(person, (payload.len() <= 128).then_some(payload))
    }

    /// Presses "Start" with a payload, or without one.
    pub fn start(&self, person: i64, payload: Option<&str>) -> Result<(), ScenarioError> {
        let dialogue = {
            let mut state = locked(&self.0.state);
            let dialogue = state.chats.of(person)?;
            dialogue.is_started = true;
            dialogue.is_blocked = false;
            dialogue
                .write(false, payload.map_or("[start]".to_owned(), |payload| format!("[start {payload}]")));
            dialogue.clone()
        };
        let mut update = json!({ "update_type": "bot_started", "timestamp": self.now_ms(), "chat_id": dialogue.chat_id,
            "user": self.user(&dialogue.person), "user_locale": "ru" });
        if let Some(payload) = payload {
            update["payload"] = json!(payload);
        }
        self.0.deliveries.push(dialogue.chat_id, "bot_started", |_| update);
        Ok(())
    }

    /// Sends a text to the bot, as the person.
    pub fn write(&self, person: i64, text: &str) -> Result<(), ScenarioError> {
        locked(&self.0.state).chats.of(person)?.write(false, text);
        self.message(person, json!({ "text": text, "attachments": null }), None)
    }

    /// Presses a button that sends its label.
    pub fn press(&self, person: i64, label: &str) -> Result<(), ScenarioError> {
        let buttons = locked(&self.0.state).chats.of(person)?.buttons.clone();
        match buttons {
            Buttons::Texts(labels) if labels.iter().any(|known| known == label) => self.write(person, label),
            _ => Err(ScenarioError::NoButton),
        }
    }

    /// Presses the button that sends the contact.
    pub fn share_contact(&self, person: i64) -> Result<(), ScenarioError> {
        let own = {
            let mut state = locked(&self.0.state);
            let dialogue = state.chats.of(person)?;
            if !matches!(dialogue.buttons, Buttons::RequestContact(_)) {
                return Err(ScenarioError::NoButton);
            }
            dialogue.write(false, "[contact]");
            dialogue.person.clone()
        };
        let card = vcard(&own);
        let hash = self.sign(&card);
        self.message(person, contact(&card, Some(&hash), &self.user(&own)), None)
    }

    /// Sends a contact in another way.
    pub fn send_card(&self, person: i64, sent: &Card) -> Result<(), ScenarioError> {
        let own = {
            let mut state = locked(&self.0.state);
            let dialogue = state.chats.of(person)?;
            dialogue.write(false, "[contact]");
            dialogue.person.clone()
        };
        let (body, link) = match sent {
            Card::Shared(owner) => (contact(&vcard(owner), None, &self.user(owner)), None),
            Card::MadeUpHash(owner) => {
                let hash = "0123456789abcdef".repeat(4);
                (contact(&vcard(owner), Some(&hash), &self.user(&own)), None)
            }
            Card::Stolen(owner) => {
                let card = vcard(owner);
                (contact(&card, Some(&self.sign(&card)), &self.user(owner)), None)
            }
            Card::ForwardedOwn => {
                let card = vcard(&own);
                let link =
                    json!({ "type": "forward", "sender": self.user(&own), "chat_id": 5, "message": {} });
                (contact(&card, Some(&self.sign(&card)), &self.user(&own)), Some(link))
            }
            Card::ChangedNumber(number) => {
                let hash = self.sign(&vcard(&own));
                let changed = vcard(&Person { phone: number.clone(), ..own.clone() });
                (contact(&changed, Some(&hash), &self.user(&own)), None)
            }
        };
        self.message(person, body, link)
    }

    /// Stops the bot.
    pub fn block(&self, person: i64) -> Result<(), ScenarioError> {
        let dialogue = {
            let mut state = locked(&self.0.state);
            let dialogue = state.chats.of(person)?;
            dialogue.is_blocked = true;
            dialogue.clone()
        };
        let update = json!({ "update_type": "bot_stopped", "timestamp": self.now_ms(), "chat_id": dialogue.chat_id,
            "user": self.user(&dialogue.person) });
        self.0.deliveries.push(dialogue.chat_id, "bot_stopped", |_| update);
        Ok(())
    }

    /// Delivers this update, whatever it is.
    pub fn deliver(&self, kind: &str, update: Value) {
        self.0.deliveries.push(0, kind, |_| update);
    }

    fn message(&self, person: i64, body: Value, link: Option<Value>) -> Result<(), ScenarioError> {
        let (dialogue, number) = {
            let mut state = locked(&self.0.state);
            state.last_message += 1;
            let number = state.last_message;
            (state.chats.of(person)?.clone(), number)
        };
        if !dialogue.is_started {
            return Err(ScenarioError::NotStarted);
        }
        let mut body = body;
        body["mid"] = json!(format!("mid.{number:016x}"));
        // Sequence numbers exceed 2^53.
        body["seq"] = json!(115_959_348_394_230_784_u64 + number);
        let mut message = json!({ "sender": self.user(&dialogue.person), "timestamp": self.now_ms(), "body": body,
            "recipient": { "chat_id": dialogue.chat_id, "chat_type": "dialog", "user_id": 1 } });
        if let Some(link) = link {
            message["link"] = link;
        }
        let update = json!({ "update_type": "message_created", "timestamp": self.now_ms(), "message": message,
            "user_locale": "ru" });
        self.0.deliveries.push(dialogue.chat_id, "message_created", |_| update);
        Ok(())
    }

    /// Lower-case hex of the HMAC-SHA256 of the card under the bot's token.
    fn sign(&self, card: &str) -> String {
        let mac = <Hmac<Sha256> as hmac::Mac>::new_from_slice(self.0.token.as_bytes());
        mac.map(|mac| hex::encode(mac.chain_update(card).finalize().into_bytes())).unwrap_or_default()
    }

    fn user(&self, person: &Person) -> Value {
        json!({ "user_id": person.id, "first_name": person.name, "name": person.name, "is_bot": false,
            "last_activity_time": self.now_ms() })
    }

    fn now_ms(&self) -> i64 {
        self.0.control.clock().now().timestamp_millis()
    }
}

fn vcard(person: &Person) -> String {
    let Person { name, phone, .. } = person;
    format!("BEGIN:VCARD\r\nVERSION:3.0\r\nTEL;TYPE=cell:{phone}\r\nFN:{name}\r\nEND:VCARD")
}

fn contact(card: &str, hash: Option<&str>, owner: &Value) -> Value {
    let mut payload = json!({ "vcf_info": card, "max_info": owner });
    if let Some(hash) = hash {
        payload["hash"] = json!(hash);
    }
    json!({ "text": null, "attachments": [{ "type": "contact", "payload": payload }] })
}

impl App for Max {
    const NAME: &'static str = "MAX";

    fn people(&self) -> Vec<Person> {
        locked(&self.0.state).chats.people()
    }

    fn dialogue(&self, person: i64) -> Result<Dialogue, ScenarioError> {
        locked(&self.0.state).chats.of(person).cloned()
    }

    fn follow_link(&self, person: i64, url: &str) -> Result<(), ScenarioError> {
        self.open_link(person, url)
    }

    fn write_text(&self, person: i64, text: &str) -> Result<(), ScenarioError> {
        self.write(person, text)
    }

    fn send_contact(&self, person: i64) -> Result<(), ScenarioError> {
        self.share_contact(person)
    }
}
