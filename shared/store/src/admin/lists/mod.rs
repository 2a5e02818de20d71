//! Lists over the tables of the product: a filter, `ids` that applies it, and `rows`.

pub mod accounts;
pub mod api_errors;
pub mod calls;
pub mod discrepancies;
pub mod events;
pub mod installs;
pub mod invoices;
pub mod jobs;
pub mod notifications;
pub mod offers;
pub mod operators;
pub mod payments;
pub mod prices;
pub mod purchases;
pub mod receipts;
pub mod subscriptions;
pub mod transfer_invoices;
pub mod transfers;
pub mod vendors;
pub mod wallets;
pub mod widgets;
