//! Handlers of all job kinds, one file each, in the order of the `flysk-jobs` catalogue; their shared state ([`App`]);
//! the schedule.

pub mod acquiring;
pub mod app;
pub mod config;
pub mod flysense;
mod handlers;
pub mod job_error;
mod letters;
pub mod platform;
pub mod process;
pub mod schedule;
pub mod schema;

pub use app::App;
pub use handlers::{ephemeral_registry, registry};
