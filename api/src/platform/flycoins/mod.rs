//! Flycoins: payment by usage.
//!
//! Prices come from versioned rules. Only the store's ledger moves coins. Every write has an idempotency key: a repeated
//! request returns the first answer.

mod balance;
mod capture_release;
mod charges;
mod customer;
mod estimate;
mod holds;
mod idempotent_write;
mod pricing;
mod refunds;
mod revenue;
mod statistics;
mod transactions;
mod wallet;
mod widget_transactions;

pub(crate) use balance::BalanceApi;
pub(crate) use capture_release::CaptureReleaseApi;
pub(crate) use charges::ChargesApi;
pub(crate) use estimate::EstimateApi;
pub(crate) use holds::HoldsApi;
pub(crate) use refunds::RefundsApi;
pub(crate) use revenue::RevenueApi;
pub(crate) use statistics::StatisticsApi;
pub(crate) use transactions::TransactionsApi;
pub(crate) use wallet::{WalletApi, WalletBalance};
pub(crate) use widget_transactions::WidgetTransactionsApi;
