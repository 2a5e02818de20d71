//! People and their dialogues with the bot.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::ScenarioError;

/// A person with the messenger's app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// Id in the messenger. Dialogues with the bot have an id of their own in MAX, and the same id in Telegram.
    pub id: i64,
    /// First name.
    pub name: String,
    /// Phone number, as the messenger stores it.
    pub phone: String,
}

/// Buttons that a person sees.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Buttons {
    /// No buttons.
    #[default]
    None,
    /// One that sends the person's contact, with its label.
    RequestContact(String),
    /// Buttons that send their label.
    Texts(Vec<String>),
}

/// A button below a message that opens a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LinkButton {
    /// Text on the button.
    pub label: String,
    /// Address of the page.
    pub url: String,
}

/// A line of a dialogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Whether the bot wrote it.
    pub from_bot: bool,
    /// The text, or a description in brackets of what is not a text.
    pub text: String,
    /// The button below it, if the bot attached one that opens a page.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<LinkButton>,
}

/// A dialogue of a person with the bot.
#[derive(Debug, Clone)]
pub(crate) struct Dialogue {
    pub(crate) person: Person,
    pub(crate) chat_id: i64,
    /// Whether the person has started the bot; before, the bot cannot write.
    pub(crate) is_started: bool,
    pub(crate) is_blocked: bool,
    pub(crate) buttons: Buttons,
    pub(crate) lines: Vec<Line>,
}

impl Dialogue {
    /// Whether the bot may write.
    pub(crate) fn is_open(&self) -> bool {
        self.is_started && !self.is_blocked
    }

    pub(crate) fn write(&mut self, from_bot: bool, text: impl Into<String>) {
        self.lines.push(Line { from_bot, text: text.into(), link: None });
    }

    /// A message of the bot, with a button that opens a page.
    pub(crate) fn write_with_link(&mut self, text: impl Into<String>, link: Option<LinkButton>) {
        self.lines.push(Line { from_bot: true, text: text.into(), link });
    }
}

/// All dialogues, by the person's id.
#[derive(Debug, Default)]
pub(crate) struct Chats(BTreeMap<i64, Dialogue>);

impl Chats {
    /// Adds a person, or replaces name and phone of a known one.
    pub(crate) fn add(&mut self, person: Person, chat_id: i64) {
        let id = person.id;
        let fresh = Dialogue {
            person: person.clone(),
            chat_id,
            is_started: false,
            is_blocked: false,
            buttons: Buttons::None,
            lines: Vec::new(),
        };
        self.0.entry(id).or_insert(fresh).person = person;
    }

    pub(crate) fn of(&mut self, person: i64) -> Result<&mut Dialogue, ScenarioError> {
        self.0.get_mut(&person).ok_or(ScenarioError::UnknownPerson)
    }

    /// Everybody, by id.
    pub(crate) fn people(&self) -> Vec<Person> {
        self.0.values().map(|dialogue| dialogue.person.clone()).collect()
    }

    pub(crate) fn by_chat(&mut self, chat_id: i64) -> Option<&mut Dialogue> {
        self.0.values_mut().find(|dialogue| dialogue.chat_id == chat_id)
    }
}
