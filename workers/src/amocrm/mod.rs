//! FlySense's hooks in amoCRM accounts.

mod subscribe_hooks;
mod unsubscribe_hooks;
