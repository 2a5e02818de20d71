//! `flysk-worker`: performs jobs, runs the schedule, and provides the operators' commands.

mod commands;

use std::process::ExitCode;

use clap::Parser;
use flysk_config::process::exit_code;
use flysk_workers::flysense::DECODE_COMMAND;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    // A worker starts this child process for its recordings. So it comes before the command line of all commands is built, and
    // before an async runtime: the process sets its resource limits first.
    if args.next().is_some_and(|command| command == DECODE_COMMAND) {
        return flysk_audio::serve_isolated(args);
    }
    exit_code(commands::Cli::parse().run())
}
