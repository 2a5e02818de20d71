//! Purchases of Flycoins, for widgets. The billing page shares the rules.

mod buy;
mod packages;
mod purchase;
mod top_up;
mod views;

pub(crate) use buy::{Buyer, Order, buy, install_inactive, wallet_of};
pub(crate) use packages::PackagesApi;
pub(crate) use purchase::{PurchasesApi, item_of};
pub(crate) use top_up::TopUpApi;
