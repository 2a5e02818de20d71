//! Parts common to all processes: telemetry, metrics, health check, graceful shutdown, exit status, command line reference.

pub mod cli;
mod ending;
pub mod health;
pub mod metrics;
pub mod shutdown;
pub mod telemetry;

pub use ending::exit_code;
pub use shutdown::Shutdown;
