//! Implementation of `cargo xtask`: its commands, private database and Redis servers, and external tools.
//!
//! Tests use [`services`] as a library, to start, kill and restart their own servers.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line tool prints to its terminal")]

pub mod commands;
pub mod process;
pub mod services;
pub mod test_summary;
pub mod tools;
pub mod workspace;
