//! Activation of FlySense through its bots, and requests to the messengers.

mod bots;
mod check_webhook;
mod enable;
mod follow_deactivation;
mod handle_update;
mod read_user;
mod send_letter;
mod send_message;
mod send_notices;

pub use bots::{BotAccess, Bots};
