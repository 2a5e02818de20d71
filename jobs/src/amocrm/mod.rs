//! FlySense's hooks in amoCRM accounts.

mod check_hooks;
mod check_hooks_due;
mod subscribe_hooks;
mod unsubscribe_hooks;

pub use check_hooks::CheckHooks;
pub use check_hooks_due::CheckHooksDue;
pub use subscribe_hooks::SubscribeHooks;
pub use unsubscribe_hooks::UnsubscribeHooks;
