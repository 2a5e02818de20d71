//! The HTTP API of Flysk: validates, reads, writes one transaction, enqueues.
//!
//! Everything that takes time or talks to the outside is a job; the exceptions are named in
//! `docs/architecture.md`. One error body everywhere: [`problem`].

pub mod auth;
mod billing_page;
mod caching;
pub mod config;
mod cors;
pub mod deps;
mod document;
mod flysense;
mod health;
mod hooks;
mod known;
mod limits;
mod platform;
pub mod problem;
mod query;
pub mod routes;
mod source;
mod strict_json;
mod tracing_layer;

pub use config::Config;
pub use deps::Deps;
