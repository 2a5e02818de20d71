//! Tables of the platform: widgets, accounts, installs, OAuth tokens, and events for vendors' backends.
//!
//! Secrets are read and written as sealed text; opening them requires the key ring.

pub mod account_renames;
pub mod accounts;
pub mod attempts;
pub mod cache_invalidations;
pub mod connect_states;
pub mod endpoints;
pub mod erasure;
pub mod event_backends;
pub mod events;
pub mod former_credentials;
pub mod handshake;
pub mod handshake_periods;
pub mod initial_switch;
pub mod install_list;
pub mod installs;
pub mod invoice_payments;
pub mod ledger;
pub mod mail;
pub mod oauth_codes;
pub mod project_tokens;
pub mod purchases;
pub mod refresh_runs;
pub mod settings_history;
pub mod subscriptions;
pub mod token_audit;
pub mod tokens;
pub mod transfers;
pub mod unvouched_codes;
pub mod vendors;
pub mod widget_schemas;
pub mod widgets;
