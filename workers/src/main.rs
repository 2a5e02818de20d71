//! `flysk-worker`: performs jobs, keeps the schedule, and is the operators' command line.

mod commands;

use std::process::ExitCode;

use clap::Parser;

fn main() -> anyhow::Result<ExitCode> {
    commands::Cli::parse().run()
}
