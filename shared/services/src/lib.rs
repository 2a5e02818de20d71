//! Use cases of the API, workers and commands.
//!
//! A use case takes a unit of work or a connection, applies the rules of `flysk-domain`, writes through `flysk-store`
//! and enqueues jobs; the caller commits. It never calls outside services: jobs do.

pub mod act_as;
pub mod activation;
pub mod audit_chain;
pub mod audit_states;
mod bound_job;
pub mod bulk;
pub mod calls;
pub mod cancel;
pub mod contact_hashes;
pub mod erasure;
pub mod events;
pub mod exports;
pub mod installs;
pub mod invoice_payments;
pub mod ledger_proof;
mod live_payments;
pub mod mail;
pub mod pdf;
pub mod prices;
pub mod purchases;
pub mod replay;
pub mod reschedule;
pub mod subscriptions;
pub mod transfers;
pub mod vendor_users;
pub mod vendors;
pub mod wallets;
pub mod widgets;
pub mod withdrawal;
