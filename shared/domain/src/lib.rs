//! Pure rules of Flysk: ids, clock, money, and the two bounded contexts that live side by side,
//! [`platform`] (what every vendor gets) and [`flysense`] (one vendor's product, ours).
//!
//! Nothing here does I/O. Time and randomness come in as arguments ([`Clock`], `rand::Rng`).

pub mod clock;
pub mod flysense;
pub mod id;
pub mod money;
pub mod platform;
pub mod trace;

pub use clock::{Clock, ManualClock, ProcessClock, SystemClock};
