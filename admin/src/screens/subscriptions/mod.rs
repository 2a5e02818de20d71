//! Subscriptions: list, the page of one, and the acts of operators.

mod acts;
mod list;
mod quote;
mod seats;
mod show;

pub(super) use acts::{
    cancel, end_refunded, end_review, grant_bonus, grant_bonus_in, reinstate, renew, restore, start,
};
pub(crate) use list::Subscriptions;
pub(super) use quote::{apply, price, show as show_quote, withdraw};
pub(super) use seats::free as free_seat;
pub(super) use show::show;
