//! What the chaos tests break: a fleet of worker processes on servers of its own.

pub mod fleet;
pub mod work;
pub mod worker;
