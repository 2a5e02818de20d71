//! Parts common to all processes: telemetry, metrics, health check, graceful shutdown, command line reference.

pub mod cli;
pub mod health;
pub mod metrics;
pub mod shutdown;
pub mod telemetry;

pub use shutdown::Shutdown;
