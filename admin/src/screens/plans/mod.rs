//! Plans of subscriptions: all versions, the page of one, offering and retiring.

pub(crate) mod acts;
pub(crate) mod show;

pub(super) use acts::{offer, retire};
pub(super) use show::{list, show};
