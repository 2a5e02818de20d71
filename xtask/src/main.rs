//! `cargo xtask`: everything a developer or a build machine does with this repository.

#![expect(clippy::print_stderr, reason = "a command line tool talks to whoever called it")]

use std::process::{ExitCode, ExitStatus};

use anyhow::Result;
use clap::{Parser, Subcommand};
use xtask::commands::{bench, ci, demo, dev, fuzz, generated, services, test};

/// Everything a developer or a build machine does with this repository.
///
/// Commands install what they need with apt-get when they may (as root, or with sudo that asks for no password). They say
/// first which packages, and ask when somebody sits at the terminal: Enter alone means no. On build machines (`CI` is set)
/// and without a terminal they go on. With --no-install they stop and say what to install. MariaDB or MySQL and Redis run
/// privately under target/services, on free ports of 127.0.0.1; `DATABASE_URL` and `REDIS_URL` name others.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Cli {
    /// Install no system packages: stop with the list of them, and the command that installs them
    ///
    /// The variable `FLYSK_NO_INSTALL=1` does the same.
    #[arg(long, global = true)]
    no_install: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the main job end to end: install, a call, its transcript
    ///
    /// Starts servers, simulators, API and workers, installs FlySense into a simulated amoCRM account, sends
    /// recordings through and prints the dialogues; then everything stays up until Ctrl-C.
    ///
    /// Options of the demonstration itself: --recording FILE (repeatable), --exit (end when the recordings
    /// are through, badly if one failed), --json OUT (write what came out).
    Demo {
        /// Handed to the demonstration
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTION")]
        args: Vec<String>,
    },
    /// Everything up for development; builds and starts anew when a source changes
    Dev {
        /// Handed to the processes' starter
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTION")]
        args: Vec<String>,
    },
    /// Run all tests; the last line counts them
    Test {
        /// Handed to `cargo test`, such as: -p flysk-jobs lease
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTION")]
        args: Vec<String>,
    },
    /// Formatting, lints, generated files, then all tests; the last line counts them
    Ci,
    /// Measure, and write docs/benchmarks.md
    Bench {
        /// Handed to the benchmark
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTION")]
        args: Vec<String>,
    },
    /// Let schemathesis send whatever the OpenAPI document allows, and more, to the running product
    ///
    /// Fails on a status of 500 or more, on a status, type or header that the document does not name, and on a body
    /// that is not what it says. Needs Python 3; schemathesis is installed under target/fuzz-api.
    ///
    /// Options of the run itself: --examples N, --seed N, --only OPERATION.
    #[command(name = "fuzz-api")]
    FuzzApi {
        /// Handed to the run
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTION")]
        args: Vec<String>,
    },
    /// Write the files that are made from the code: .env.example, api/openapi.json, docs/jobs.md, docs/cli.md
    Generate,
    /// The database and the Redis that development uses
    Services {
        #[command(subcommand)]
        action: services::Action,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    xtask::programs::settle_consent(cli.no_install);
    match run(cli.command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    xtask::process::note_signals()?;
    let done = |()| ExitCode::SUCCESS;
    match command {
        Command::Demo { args } => demo::run(&args).map(code),
        Command::Dev { args } => dev::run(&args).map(done),
        Command::Test { args } => Ok(test::run(&args)),
        Command::Ci => Ok(ci::run()),
        Command::Bench { args } => bench::run(&args).map(code),
        Command::FuzzApi { args } => fuzz::run(&args).map(code),
        Command::Generate => generated::write().map(done),
        Command::Services { action } => services::run(action).map(done),
    }
}

/// A child's status as ours; one that a signal ended has none, and is a failure.
fn code(status: ExitStatus) -> ExitCode {
    status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
}
