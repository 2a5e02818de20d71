//! Shared code of the end-to-end tests, chaos tests, benchmarks and the demo.

#[cfg(feature = "bench")]
pub mod bench;
#[cfg(feature = "chaos")]
pub mod chaos;
pub mod demo;
pub mod due_jobs;
pub mod environment;
pub mod firm;
#[cfg(feature = "fuzz")]
pub mod fuzz;
pub mod lock_waits;
pub mod ports;
pub mod row_copy;
pub mod statement_log;
pub mod subscriber;
