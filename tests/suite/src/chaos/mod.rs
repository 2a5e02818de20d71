//! Fixture of the chaos tests: worker processes with private servers.

mod clock;
pub mod fleet;
mod invariants;
pub mod work;
pub mod worker;
