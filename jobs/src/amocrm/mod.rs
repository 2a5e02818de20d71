//! FlySense's hooks in amoCRM accounts.

mod subscribe_hooks;
mod unsubscribe_hooks;

pub use subscribe_hooks::SubscribeHooks;
pub use unsubscribe_hooks::UnsubscribeHooks;
