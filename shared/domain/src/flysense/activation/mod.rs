//! Activation of FlySense through a messenger: an administrator opens a link, confirms the phone number in the bot, and
//! FlySense is switched on in the account. The person then gets notices.

pub mod binding;
pub mod code;
pub mod command;
pub mod letter_samples;
pub mod letters;
pub mod link;
pub mod message;
pub mod messenger;
pub mod notices;
pub mod phone;
pub mod subscription_notices;
pub mod texts;
