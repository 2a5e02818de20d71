//! Handlers of every job kind, one file each, mirroring the catalogue of `flysk-jobs`; the schedule;
//! and what they work in ([`App`]).

pub mod acquiring;
pub mod amocrm;
pub mod app;
mod billing;
pub mod calls;
pub mod config;
mod flycoins;
pub mod flysense;
mod flysense_accounts;
mod handlers;
mod lifecycle;
mod oauth;
pub mod outcome;
pub mod process;
pub mod schedule;
pub mod upkeep;

pub use app::App;
pub use handlers::{registry, tick_registry};
