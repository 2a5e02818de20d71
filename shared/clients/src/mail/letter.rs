//! A letter as a MIME message.

use std::time::SystemTime;

use chrono::{DateTime, Utc};
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::{Address, Message as Mime};
use url::Url;

use super::MailError;

/// A letter to one recipient.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// Identifies the letter: a repeated one has the same. ASCII letters, digits and `_`.
    pub id: &'a str,
    /// One line, Unicode; encoded when the letter is written.
    pub subject: &'a str,
    /// Plain text.
    pub text: &'a str,
    /// The same as HTML.
    pub html: &'a str,
    /// Address that a `POST` of `List-Unsubscribe=One-Click` switches such letters off at (RFC 8058); `None` for a letter that is
    /// sent once, on somebody's request.
    pub unsubscribe: Option<&'a Url>,
    /// When it was written.
    pub date: DateTime<Utc>,
}

/// The message as it is sent: ASCII, so that no extension of the server is needed.
pub(super) fn write(from: &Mailbox, to: &Address, message: &Message<'_>) -> Result<Vec<u8>, MailError> {
    let id = format!("<{}@{}>", message.id, from.email.domain());
    let mut builder = Mime::builder()
        .from(from.clone())
        .to(Mailbox::new(None, to.clone()))
        .subject(message.subject)
        .date(SystemTime::from(message.date))
        .message_id(Some(id))
        .raw_header(plain("Auto-Submitted", "auto-generated".to_owned()));
    if let Some(unsubscribe) = message.unsubscribe {
        builder = builder
            .raw_header(plain("List-Unsubscribe", format!("<{unsubscribe}>")))
            .raw_header(plain("List-Unsubscribe-Post", "List-Unsubscribe=One-Click".to_owned()));
    }
    let mime = builder
        .multipart(MultiPart::alternative_plain_html(message.text.to_owned(), message.html.to_owned()))
        .map_err(|_| MailError::Invalid)?;
    let content = mime.formatted();
    if content.is_ascii() { Ok(content) } else { Err(MailError::Invalid) }
}

/// A header of ASCII text without spaces, which must not be folded or encoded. A serialised URL is such a text.
fn plain(name: &'static str, value: String) -> HeaderValue {
    HeaderValue::dangerous_new_pre_encoded(HeaderName::new_from_ascii_str(name), value.clone(), value)
}
