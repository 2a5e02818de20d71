//! The whole product on one machine: real Flysk processes, and outside services simulated over HTTP.

mod account;
mod activation;
mod chaos_proxy;
mod client;
mod database;
mod hurry;
mod isolation;
mod options;
mod pages;
mod panel;
mod processes;
mod registration;
mod sandbox;
mod sandbox_customer;
mod sandbox_process;
mod schema_copy;
mod simulators;
mod wallet;

pub use account::{another_account, seed_amocrm};
pub use chaos_proxy::ChaosProxy;
pub use client::{Client, Transcription};
pub use database::connect_as_in_production;
pub use hurry::Hurry;
pub use options::{DEFAULT_WELCOME_BONUS, Options};
pub use pages::{COMPANY, CONTACT, built_widget};
pub use panel::Panel;
pub use processes::Environment;
pub use sandbox::SandboxDatabase;
pub use sandbox_process::SandboxProcess;
pub use schema_copy::copy_schema;
pub use simulators::{BOT_WEBHOOK_SECRET, RECORDINGS, Simulators, T_API_ACCOUNT, T_API_TOKEN, call_of_lead};
pub use wallet::Coins;

/// Variable of the processes with the token of the simulated T-API, for the command `vendor:t-api`.
pub const SIMULATED_T_API_TOKEN: &str = "SIMULATED_T_API_TOKEN";
/// Account that FlySense is installed into.
pub const ACCOUNT: u64 = 31_234_567;
/// Administrator of the account.
pub const ADMIN: u64 = 501;
/// Ordinary user of the account.
pub const USER: u64 = 502;
/// Host of the account.
pub const HOST: &str = "demo.amocrm.ru";
/// Lead that gets the calls.
pub const LEAD: u64 = 700_001;
/// Client id of FlySense's integration.
pub const CLIENT_ID: &str = "11111111-2222-4333-8444-555555555555";
/// Client secret of FlySense's integration; valid in the simulator only.
pub const CLIENT_SECRET: &str = "simulated-integration-secret";
/// Public address of the API as amoCRM knows it. amoCRM accepts https only; the simulator routes it to the local
/// port.
pub const PUBLIC_ORIGIN: &str = "https://flysk.example.test";
