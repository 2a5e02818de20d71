//! What amoCRM answers, as far as we use it.

mod account;
mod event;
mod note;
mod token;
mod user;
mod webhook;

pub use account::Account;
pub use event::CallEvent;
pub use note::{CallParams, CallStatus, Note, NoteType, Responsible};
pub use token::{CurrentDomain, TokenPair};
pub use webhook::Webhook;

pub(super) use token::TokenBody;
pub(super) use user::User;

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// In the order asked for.
    pub items: Vec<T>,
    /// There is another page.
    pub has_next: bool,
}
