//! FlySense's hooks in amoCRM accounts.

pub(crate) mod block;
mod check_hooks;
mod check_hooks_due;
mod subscribe_hooks;
mod subscription;
pub(crate) mod turns;
mod unsubscribe_hooks;
