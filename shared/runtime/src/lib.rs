//! What every process needs: configuration, secrets and encryption at rest, telemetry, shutdown.
//!
//! A process starts in this order: [`config::Env::from_process`], the concerns of [`config`] it needs,
//! [`telemetry::install`], [`metrics::install`], [`shutdown::Shutdown::install`].

pub mod cli;
pub mod config;
pub mod health;
pub mod hook_address;
pub mod keyring;
pub mod metrics;
pub mod shutdown;
pub mod telemetry;

pub use config::{ConfigError, Env};
pub use keyring::{Keyring, KeyringError};
pub use shutdown::Shutdown;
