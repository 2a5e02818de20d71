//! Buying Flycoins, as widgets do it, and what the hosted page does by the same rules.

mod buy;
mod packages;
mod purchase;
mod views;

pub(crate) use buy::{Buyer, Order, buy};
pub(crate) use packages::PackagesApi;
pub(crate) use purchase::PurchasesApi;
