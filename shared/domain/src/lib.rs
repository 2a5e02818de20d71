//! Domain rules of Flysk: ids, clock, money, and the two bounded contexts: [`platform`] (the services for every
//! vendor) and [`flysense`] (one vendor's widget, developed with the platform). [`admin`] has the rules of the panel.
//!
//! The crate does no I/O. Time and randomness are arguments ([`Clock`], [`Randomness`]).

pub mod admin;
pub mod clock;
pub mod contact_term;
pub mod error_text;
pub mod failure_action;
pub mod flysense;
pub mod id;
pub mod letter;
pub mod money;
pub mod platform;
mod randomness;
pub mod russian;
pub mod sending_hours;
pub mod serde_lenient;
pub mod text_enum;
pub mod trace;
pub mod url_hosts;

pub use clock::{Clock, ManualClock, ProcessClock, SystemClock};
pub use contact_term::ContactTerm;
pub use randomness::{Randomness, SequentialRandomness, SystemRandomness, random_bytes};
pub use text_enum::{TextEnum, UnknownText};
