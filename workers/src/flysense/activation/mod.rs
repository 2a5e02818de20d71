//! Activation of FlySense through its bots, and requests to the messengers.

mod check_webhook;
mod enable;
mod follow_deactivation;
mod handle_update;
mod read_user;
mod send_letter;
mod send_message;
mod send_notices;
