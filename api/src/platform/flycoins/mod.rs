//! Flycoins: payment by use.
//!
//! Prices come from versioned rules, coins move by the store's ledger alone, and each write is named by its
//! caller: a repeated one is given its first answer.

mod balance;
mod charges;
mod customer;
mod estimate;
mod hold_ends;
mod holds;
mod pricing;
mod refunds;
mod statistics;
mod transactions;
mod wallet;
mod write;

pub(crate) use balance::BalanceApi;
pub(crate) use charges::ChargesApi;
pub(crate) use customer::open;
pub(crate) use estimate::EstimateApi;
pub(crate) use hold_ends::HoldEndsApi;
pub(crate) use holds::HoldsApi;
pub(crate) use refunds::RefundsApi;
pub(crate) use statistics::StatisticsApi;
pub(crate) use transactions::TransactionsApi;
pub(crate) use wallet::{WalletApi, WalletBalance};
