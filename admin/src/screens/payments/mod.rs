//! Payments of subscriptions' invoices: list, the page of one, query to the bank, end of a review.

mod acts;
mod list;
mod show;

pub(super) use acts::{refresh, resolve};
pub(crate) use list::Payments;
pub(super) use show::show;
