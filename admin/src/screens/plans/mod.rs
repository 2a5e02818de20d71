//! Plans of subscriptions: all versions, the page of one, offering and retiring.

pub(crate) mod acts;
mod list;
pub(crate) mod show;

pub(super) use acts::{offer, retire};
pub(crate) use list::Plans;
pub(super) use list::list;
pub(super) use show::show;
