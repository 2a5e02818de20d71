//! Responses of amoCRM's API; only the fields that are used.

mod account;
mod datetime_settings;
mod event;
mod note;
mod token;
mod user;
mod webhook;

pub use account::Account;
pub use datetime_settings::DatetimeSettings;
pub use event::CallEvent;
pub use note::{CallParams, CallStatus, Note, NoteType, Responsible};
pub use token::{CurrentDomain, TokenPair};
pub use user::{User, UserState};
pub use webhook::Webhook;

pub(super) use token::TokenBody;

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// Items in the requested order.
    pub items: Vec<T>,
    /// Whether there is another page.
    pub has_next: bool,
}
