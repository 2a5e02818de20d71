//! `flysk-worker`: performs jobs, keeps the schedule, and is the operators' command line.

mod commands;

use clap::Parser;

fn main() -> anyhow::Result<()> {
    commands::Cli::parse().run()
}
