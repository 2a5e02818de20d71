//! FlySense's hooks in amoCRM accounts.

pub(crate) mod block;
mod check_hooks;
mod check_hooks_due;
pub(crate) mod rate_limited;
mod subscribe_hooks;
mod subscription;
mod unsubscribe_hooks;
