//! What people do in the app.

use flysk_domain::Clock as _;
use serde_json::{Value, json};

use super::Telegram;
use crate::bot::{App, Buttons, Dialogue, Person, ScenarioError};
use crate::lock::locked;

/// The app with which a person opens a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Device {
    /// A phone: every link sends `/start <payload>`.
    Phone,
    /// Telegram Desktop: for a person who has started the bot before, the link only opens the dialogue, and the payload is
    /// lost. Source: koala73/worldmonitor#2584.
    Desktop,
}

/// A contact that a person attaches by hand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Card {
    /// The own contact: Telegram fills in the sender's id.
    Own,
    /// A contact of the address book: the id belongs to another person.
    Of(Person),
    /// A contact of somebody without Telegram: no id.
    Stranger(String),
    /// The own contact, forwarded from another dialogue.
    ForwardedOwn,
}

impl Telegram {
    /// Adds a person who has not started the bot.
    pub fn add_person(&self, person: Person) {
        let chat_id = person.id;
        locked(&self.0.state).chats.add(person, chat_id);
    }

    /// Opens a deep link and presses "Start".
    pub fn open_link(&self, person: i64, url: &str, device: Device) -> Result<(), ScenarioError> {
        let prefix = format!("https://t.me/{}?start=", self.0.username);
        let payload = url.strip_prefix(&prefix).ok_or(ScenarioError::ForeignLink)?;
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if payload.is_empty() || payload.len() > 64 || !payload.bytes().all(allowed) {
            return Err(ScenarioError::ForeignLink);
        }
        let was_started = locked(&self.0.state).chats.of(person)?.is_started;
        if device == Device::Desktop && was_started {
            return Ok(());
        }
        self.write(person, &format!("/start {payload}"))
    }

    /// Writes a text. The first one starts the bot, and a person who had blocked the bot unblocks it.
    pub fn write(&self, person: i64, text: &str) -> Result<(), ScenarioError> {
        {
            let mut state = locked(&self.0.state);
            let dialogue = state.chats.of(person)?;
            dialogue.is_started = true;
            dialogue.is_blocked = false;
            dialogue.write(false, text);
        }
        let length = text.split_whitespace().next().map_or(0, |word| word.encode_utf16().count());
        let mut content = json!({ "text": text });
        if text.starts_with('/') {
            content["entities"] = json!([{ "type": "bot_command", "offset": 0, "length": length }]);
        }
        self.message(person, &content)
    }

    /// Presses a button of the reply keyboard.
    pub fn press(&self, person: i64, label: &str) -> Result<(), ScenarioError> {
        let buttons = locked(&self.0.state).chats.of(person)?.buttons.clone();
        match buttons {
            Buttons::Texts(labels) if labels.iter().any(|known| known == label) => self.write(person, label),
            _ => Err(ScenarioError::NoButton),
        }
    }

    /// Presses the button that sends the contact.
    pub fn share_contact(&self, person: i64) -> Result<(), ScenarioError> {
        {
            let mut state = locked(&self.0.state);
            let dialogue = state.chats.of(person)?;
            if !matches!(dialogue.buttons, Buttons::RequestContact(_)) {
                return Err(ScenarioError::NoButton);
            }
            dialogue.buttons = Buttons::None;
        }
        self.send_card(person, &Card::Own)
    }

    /// Attaches a contact by hand.
    pub fn send_card(&self, person: i64, card: &Card) -> Result<(), ScenarioError> {
        let own = {
            let mut state = locked(&self.0.state);
            let dialogue = state.chats.of(person)?;
            if !dialogue.is_started {
                return Err(ScenarioError::NotStarted);
            }
            dialogue.write(false, "[contact]");
            dialogue.person.clone()
        };
        let contact_of = |person: &Person| json!({ "contact": { "phone_number": person.phone, "first_name": person.name, "user_id": person.id } });
        let content = match card {
            Card::Own => contact_of(&own),
            Card::Of(other) => contact_of(other),
            Card::Stranger(phone) => json!({ "contact": { "phone_number": phone, "first_name": "Чужой" } }),
            Card::ForwardedOwn => {
                let mut content = contact_of(&own);
                let sender = json!({ "id": own.id, "is_bot": false, "first_name": own.name });
                content["forward_origin"] =
                    json!({ "type": "user", "date": self.now_s(), "sender_user": sender });
                content
            }
        };
        self.message(person, &content)
    }

    /// Blocks the bot.
    pub fn block(&self, person: i64) -> Result<(), ScenarioError> {
        let own = {
            let mut state = locked(&self.0.state);
            let dialogue = state.chats.of(person)?;
            dialogue.is_blocked = true;
            dialogue.person.clone()
        };
        let change = json!({ "chat": chat(&own), "from": user(&own), "date": self.now_s(),
            "old_chat_member": { "status": "member" }, "new_chat_member": { "status": "kicked", "until_date": 0 } });
        self.0.deliveries.push(
            person,
            "my_chat_member",
            |id| json!({ "update_id": id, "my_chat_member": change }),
        );
        Ok(())
    }

    /// Delivers an update with this content, whatever it is; `update_id` is added.
    pub fn deliver(&self, kind: &str, content: Value) {
        self.0.deliveries.push(0, kind, |id| {
            let mut update = content;
            update["update_id"] = json!(id);
            update
        });
    }

    fn message(&self, person: i64, content: &Value) -> Result<(), ScenarioError> {
        let (own, message_id) = {
            let mut state = locked(&self.0.state);
            state.last_message_id += 1;
            let message_id = state.last_message_id;
            (state.chats.of(person)?.person.clone(), message_id)
        };
        let mut message =
            json!({ "message_id": message_id, "date": self.now_s(), "chat": chat(&own), "from": user(&own) });
        for (name, value) in content.as_object().into_iter().flatten() {
            message[name] = value.clone();
        }
        self.0.deliveries.push(person, "message", |id| json!({ "update_id": id, "message": message }));
        Ok(())
    }

    fn now_s(&self) -> i64 {
        self.0.control.clock().now().timestamp()
    }
}

fn chat(person: &Person) -> Value {
    json!({ "id": person.id, "type": "private", "first_name": person.name })
}

fn user(person: &Person) -> Value {
    json!({ "id": person.id, "is_bot": false, "first_name": person.name, "language_code": "ru" })
}

impl App for Telegram {
    const NAME: &'static str = "Telegram";

    fn people(&self) -> Vec<Person> {
        locked(&self.0.state).chats.people()
    }

    fn dialogue(&self, person: i64) -> Result<Dialogue, ScenarioError> {
        locked(&self.0.state).chats.of(person).cloned()
    }

    fn follow_link(&self, person: i64, url: &str) -> Result<(), ScenarioError> {
        self.open_link(person, url, Device::Phone)
    }

    fn write_text(&self, person: i64, text: &str) -> Result<(), ScenarioError> {
        self.write(person, text)
    }

    fn send_contact(&self, person: i64) -> Result<(), ScenarioError> {
        self.share_contact(person)
    }
}
