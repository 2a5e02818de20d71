//! A letter as the mail server received it, read by an independent MIME parser.

use chrono::{DateTime, Utc};
use mail_parser::{Message, MessageParser};

/// What the server has taken in one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// When it was taken, by the simulator's clock.
    pub at: DateTime<Utc>,
    /// Address in `MAIL FROM`.
    pub sender: String,
    /// Addresses in `RCPT TO`.
    pub recipients: Vec<String>,
    /// Whether the connection was encrypted.
    pub encrypted: bool,
    /// The content, without dot-stuffing.
    pub raw: String,
}

impl Letter {
    /// Subject, decoded.
    pub fn subject(&self) -> String {
        self.read(|message| message.subject().map(str::to_owned))
    }

    /// Body as plain text, decoded.
    pub fn text(&self) -> String {
        self.read(|message| message.body_text(0).map(|text| text.replace("\r\n", "\n")))
    }

    /// Body as HTML, decoded.
    pub fn html(&self) -> String {
        self.read(|message| message.body_html(0).map(|text| text.replace("\r\n", "\n")))
    }

    /// A field of the header as it was sent, unfolded; empty if there is none.
    pub fn field(&self, name: &str) -> String {
        let head = self
            .raw
            .split("\r\n\r\n")
            .next()
            .unwrap_or_default()
            .replace("\r\n ", " ")
            .replace("\r\n\t", " ");
        let prefix = format!("{}:", name.to_ascii_lowercase());
        let line = head.split("\r\n").find(|line| line.to_ascii_lowercase().starts_with(&prefix));
        line.map(|line| line[prefix.len()..].trim().to_owned()).unwrap_or_default()
    }

    fn read(&self, part: impl Fn(&Message<'_>) -> Option<String>) -> String {
        MessageParser::default()
            .parse(self.raw.as_bytes())
            .and_then(|message| part(&message))
            .unwrap_or_default()
    }

    /// What is wrong with the letter; `None` if it is a message.
    pub(super) fn fault(&self) -> Option<&'static str> {
        if !self.raw.is_ascii() {
            return Some("554 5.6.1 8-bit content was not announced");
        }
        if !self.raw.contains("\r\n\r\n") || MessageParser::default().parse(self.raw.as_bytes()).is_none() {
            return Some("554 5.6.0 this is no message");
        }
        let missing = ["From", "To", "Date", "Message-ID", "Subject", "MIME-Version", "Content-Type"]
            .into_iter()
            .any(|name| self.field(name).is_empty());
        let is_other = self.recipients.iter().any(|address| !self.field("To").contains(address.as_str()));
        match (missing, is_other) {
            (true, _) => Some("554 5.6.0 a required field is missing"),
            (_, true) => Some("554 5.6.0 the letter is addressed to somebody else"),
            _ => None,
        }
    }
}
