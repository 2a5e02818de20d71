//! What stands behind `cargo xtask`: private database and Redis servers, programs found or installed,
//! and the commands themselves.
//!
//! [`services`] is a library too: tests start servers of their own with it, to kill and restart them.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool talks to whoever called it"
)]

pub mod commands;
pub mod process;
pub mod programs;
pub mod services;
pub mod tally;
pub mod workspace;
