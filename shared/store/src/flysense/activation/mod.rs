//! Tables of FlySense's activation through messengers, and of its bots.

pub mod bindings;
pub mod bots;
pub mod chats;
pub mod links;
pub mod messages;
pub mod notices;
pub mod updates;
