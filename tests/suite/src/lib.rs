//! What the end-to-end tests, the chaos tests, the benches and the demonstration stand on.

pub mod bench;
pub mod chaos;
pub mod demo;
pub mod fuzz;
mod ports;
pub mod stand;
