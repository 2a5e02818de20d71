//! Services for every vendor: authorization, installs, events, Flycoins, purchases, subscriptions, transfers of firms, notices by e-mail.

pub mod billing;
pub mod breaker;
pub mod crm;
pub mod delivery;
pub mod events;
pub mod handshakes;
pub mod host;
pub mod invoice_payments;
pub mod ledger;
pub mod lifecycle;
pub mod mail;
pub mod purchases;
pub mod signature;
pub mod subscriptions;
pub mod tbank;
pub mod token;
pub mod transfers;
