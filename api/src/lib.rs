//! The HTTP API of Flysk. A handler validates, reads, writes one transaction, enqueues jobs and responds.
//!
//! Slow work and calls to outside services are jobs; `docs/architecture.md` lists the exceptions. All errors have the same body:
//! [`problem`].

pub mod auth;
mod billing_links;
mod billing_page;
mod cache;
mod cache_control;
mod call_log;
mod call_logging;
mod choice;
pub mod config;
mod cors;
pub mod deps;
mod docs;
mod flysense;
mod handshake_log;
mod health;
mod hook_limits;
mod hooks;
mod html_page;
mod idempotency;
mod letter_pages;
mod limits;
mod notification_writes;
mod openapi;
mod platform;
pub mod problem;
mod query;
mod quotas;
mod rate_limit;
mod recordings;
pub mod routes;
mod source;
mod strict_json;
mod time;
mod tracing_layer;
mod wallet_reads;
mod webhook_writes;
mod write_buffer;

pub use config::Config;
pub use deps::Deps;
