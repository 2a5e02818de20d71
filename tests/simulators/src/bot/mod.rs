//! What the simulators of both messengers have in common: people and their dialogues with the bot, delivery of updates to
//! a webhook, and rate limits.

mod chat;
mod delivery;
mod pace;
mod page;

pub use chat::{Buttons, Line, LinkButton, Person};
pub(crate) use chat::{Chats, Dialogue};
pub use delivery::{Delivered, Webhook};
pub(crate) use delivery::{Deliveries, Rules};
pub(crate) use pace::Pace;
pub(crate) use page::{App, routes as app_routes};

/// A scenario does not fit the state of the simulator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ScenarioError {
    /// No person has this id.
    #[error("no such person")]
    UnknownPerson,
    /// The link leads to another bot or is not a deep link of this messenger.
    #[error("not a deep link to this bot")]
    ForeignLink,
    /// The person has not started the bot.
    #[error("the person has not started the bot")]
    NotStarted,
    /// The bot does not show the button.
    #[error("the bot shows no such button")]
    NoButton,
}
