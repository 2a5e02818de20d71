//! What the chaos tests break: a fleet of worker processes on servers of its own.

mod books;
mod clock;
pub mod fleet;
pub mod work;
pub mod worker;
