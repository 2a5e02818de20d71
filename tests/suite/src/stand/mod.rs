//! The whole product on one machine: real processes of ours, the outside simulated over real HTTP.

mod account;
mod client;
mod database;
mod lodging;
mod outside;
mod processes;
mod registration;
mod road;
mod wallet;

pub use account::{account_next_door, settle_in};
pub use client::{Client, Transcription};
pub use database::as_in_production;
pub use outside::{Outside, RECORDINGS};
pub use processes::{Options, Stand, USUAL_BONUS};
pub use road::Road;
pub use wallet::Coins;

/// The account the stand installs FlySense into.
pub const ACCOUNT: u64 = 31_234_567;
/// Its administrator.
pub const ADMIN: u64 = 501;
/// An ordinary user of it.
pub const USER: u64 = 502;
/// Its host.
pub const HOST: &str = "demo.amocrm.ru";
/// The lead whose card gets the calls.
pub const LEAD: u64 = 700_001;
/// FlySense's integration.
pub const CLIENT_ID: &str = "11111111-2222-4333-8444-555555555555";
/// Its secret: the simulator's, good for nothing else.
pub const CLIENT_SECRET: &str = "simulated-integration-secret";
/// Where amoCRM thinks our API is: it accepts https only, and the simulator routes it to the local port.
pub const PUBLIC_ORIGIN: &str = "https://flysk.example.test";
