//! Purchases of Flycoins: list, the page of one purchase, refund, review, query to the bank.

mod acts;
mod list;
mod show;

pub(super) use acts::{refresh, refund, refund_in, resolve};
pub(crate) use list::Purchases;
pub(super) use show::show;
