//! The admin panel of Flysk: server-rendered pages for operators, in Russian. They work without script; htmx only enhances them. Beside
//! them the portal for vendors, with users, sessions and routes of its own.
//!
//! Every page calls the same use cases as API and workers. Every act leaves a row in the audit log, in the transaction of the
//! change.
//!
//! Layers, from below; none imports one above it: what processes share (`deps`) and what pages are made of (`view`), checks of signing in
//! (`sign_in`), the gate and its visits (`http`), lists (`lists`), pages (`sign_in_pages`, `screens`, `portal`), the table of all routes
//! (`routes`).

mod area;
mod assets;
pub mod commands;
pub mod config;
pub mod deps;
mod fault;
mod http;
mod lists;
mod navigation;
mod operators_rules;
mod page_times;
mod portal;
mod request;
pub mod routes;
mod screens;
mod shared_pages;
mod sign_in;
mod sign_in_pages;
mod view;
mod webauthn;

pub use config::Config;
pub use deps::Deps;
pub use http::route::{Access, Route};
pub use lists::frozen::{FrozenList, Reading};
pub use screens::frozen_lists::{FreezeError, freeze};
