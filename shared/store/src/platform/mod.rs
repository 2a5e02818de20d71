//! Tables of the platform: widgets of vendors, the accounts they live in, the tokens that let us act there,
//! and what vendors' backends are told.
//!
//! Secrets go in and out as sealed text; only who holds the key ring can open them.

pub mod accounts;
pub mod attempts;
pub mod changes;
pub mod connect_states;
pub mod endpoints;
pub mod events;
pub mod handshake;
pub mod installs;
pub mod oauth_codes;
pub mod refresh_runs;
pub mod settings_history;
pub mod token_reads;
pub mod tokens;
pub mod unvouched_codes;
pub mod widget_schemas;
pub mod widgets;
