//! Fixture of the chaos tests: worker processes with private servers.

mod clock;
mod cluster_nodes;
pub mod database;
pub mod directory;
pub mod fleet;
mod freeze;
mod invariants;
pub mod limited;
pub mod link;
pub mod marks;
pub mod redis;
pub mod work;
pub mod worker;

pub use freeze::freeze;
