//! `flysk-worker`: performs jobs, runs the schedule, and provides the operators' commands.

mod commands;

use std::process::ExitCode;

use clap::Parser;
use flysk_config::process::exit_code;

fn main() -> ExitCode {
    exit_code(commands::Cli::parse().run())
}
