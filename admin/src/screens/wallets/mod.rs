//! Wallets of Flycoins: list, the page of one wallet, compensations.

mod compensate;
mod list;
mod show;

pub(super) use compensate::{credit, credit_in};
pub(crate) use list::Wallets;
pub(super) use show::show;
