//! `flysk-worker`: performs jobs, runs the schedule, and provides the operators' commands.

mod commands;

use std::process::ExitCode;

use clap::Parser;

fn main() -> anyhow::Result<ExitCode> {
    commands::Cli::parse().run()
}
