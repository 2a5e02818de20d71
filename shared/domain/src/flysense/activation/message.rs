//! Messages between a person and a bot, the same for every messenger.

use serde::{Deserialize, Serialize};

use super::phone::Phone;

/// An update that a messenger sent about the bot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// Identifies the update within its messenger; a repeated delivery has the same key.
    pub key: String,
    /// Sender and content; `None` if the update is not from a person in a private dialogue with the bot, or of a kind
    /// that the bot does not use.
    pub message: Option<PersonMessage>,
}

/// Act of a person in the dialogue with the bot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonMessage {
    /// Author of the message.
    pub person: Person,
    /// The action.
    pub said: Said,
}

/// A person in a messenger. Bound by number, because user names may be given to somebody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// Id of the person in the messenger.
    pub user_id: i64,
    /// Id of the dialogue with the bot, for answers.
    pub chat_id: i64,
    /// First name, chosen by the person.
    pub name: String,
}

/// Command that starts a bot.
const START_COMMAND: &str = "/start";

impl Said {
    /// Meaning of a text that a person wrote: `/start`, `/start payload` and `/start@bot payload` start the bot.
    ///
    /// Telegram passes a deep link as this text; a person may also type it in either messenger.
    pub fn from_text(text: &str) -> Self {
        let text = text.trim();
        let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
        let command = first.split_once('@').map_or(first, |(command, _)| command);
        if !command.eq_ignore_ascii_case(START_COMMAND) {
            return Self::Text(text.to_owned());
        }
        let payload = rest.trim();
        Self::Start((!payload.is_empty()).then(|| payload.to_owned()))
    }
}

/// An action of a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// Started the bot, with the payload of a deep link if there was one.
    Start(Option<String>),
    /// Wrote a text.
    Text(String),
    /// Sent a contact.
    Contact(Contact),
    /// Stopped or blocked the bot.
    Stopped,
    /// Sent anything else: a picture, a voice message, a sticker.
    Other,
}

/// A contact that a person sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contact {
    /// Proven to be the sender's own.
    Own(Phone),
    /// Not proven to be the sender's own.
    Unproven(ContactFault),
}

/// Why a contact is not proven to be the sender's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub enum ContactFault {
    /// The contact belongs to another person, or to nobody in the messenger.
    OtherPerson,
    /// The contact came with a forwarded message, which proves no number of the sender.
    Forwarded,
    /// The messenger's proof is missing or wrong.
    NoProof,
    /// The contact contains no phone number.
    NoPhone,
}

/// A message from the bot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outgoing {
    /// Plain text in Russian, without markup.
    pub text: String,
    /// Buttons below the message or the input field.
    pub keyboard: Keyboard,
}

impl Outgoing {
    /// A text that leaves the buttons as they are.
    pub fn text(text: impl Into<String>) -> Self {
        Self { text: text.into(), keyboard: Keyboard::Unchanged }
    }

    /// A text that removes the buttons.
    pub fn last(text: impl Into<String>) -> Self {
        Self { text: text.into(), keyboard: Keyboard::Removed }
    }
}

/// Buttons of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keyboard {
    /// None of its own.
    Unchanged,
    /// Removes the buttons of earlier messages, where the messenger keeps them.
    Removed,
    /// One button with this label that sends the person's own contact.
    RequestContact(String),
    /// Buttons that send their label as a text, one in a row.
    Texts(Vec<String>),
    /// One button that opens a page.
    Link {
        /// Text on the button.
        label: String,
        /// Address of the page.
        url: String,
    },
    /// A [`Self::Link`] whose address is a permission: it is stored sealed, and opened when the message is sent.
    SealedLink {
        /// Text on the button.
        label: String,
        /// The sealed address.
        sealed: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_typed_start_is_a_start_with_its_payload() {
        for (text, payload) in [
            ("/start", None),
            (" /START ", None),
            ("/start k3Jd0_x-", Some("k3Jd0_x-")),
            ("/start@flysense_bot  k3Jd0_x- ", Some("k3Jd0_x-")),
            ("/start\n7K3M-9QXD", Some("7K3M-9QXD")),
        ] {
            assert_eq!(Said::from_text(text), Said::Start(payload.map(str::to_owned)), "{text}");
        }
        for text in ["/started", "start", "/stop", "7K3M9QXD", ""] {
            assert_eq!(Said::from_text(text), Said::Text(text.to_owned()));
        }
    }
}
