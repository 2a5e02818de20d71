//! Plans of subscriptions: all versions, the page of one, offering and retiring.

mod acts;
mod show;

pub(super) use acts::{offer, retire};
pub(super) use show::{list, show};
