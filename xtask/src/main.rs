//! `cargo xtask`: tasks of developers and build machines in this repository.

#![expect(clippy::print_stderr, reason = "a command line tool prints to its terminal")]

use std::process::{ExitCode, ExitStatus};

use anyhow::Result;
use clap::{Parser, Subcommand};
use xtask::commands::{bench, ci, clients, demo, dev, fuzz, generated, services, test, widget};

/// Tasks of developers and build machines in this repository.
///
/// Commands install missing tools with apt-get (as root, or with sudo without a password). They list the packages first
/// and ask for confirmation in a terminal: Enter alone means no. On build machines (`CI` is set) and without a terminal
/// they install without asking. With --no-install they stop and print what to install. Private MariaDB or MySQL and Redis
/// servers run under target/services on free ports of 127.0.0.1, unless `DATABASE_URL` and `REDIS_URL` are set.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", version)]
struct Cli {
    /// Install no system packages: stop with the list of missing packages and the command that installs them
    ///
    /// The variable `FLYSK_NO_INSTALL=1` does the same.
    #[arg(long, global = true)]
    no_install: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the product end to end with simulators: install, call, transcript
    ///
    /// Starts servers, simulators, API and workers, installs FlySense into a simulated amoCRM account, transcribes
    /// recordings and prints the dialogues. Then everything runs until Ctrl-C.
    ///
    /// Options of the demo: --recording FILE (repeatable), --exit (stop when all recordings have finished, with a non-zero
    /// status if one failed; the widget is not built, because nobody can open the card), --json OUT (write the results to a file).
    Demo {
        /// Options of the demo
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTION")]
        args: Vec<String>,
    },
    /// Run everything for development; rebuild and restart when a source changes
    ///
    /// Starts servers, simulators (amoCRM, T-Bank, SpeechKit, YandexGPT, Object Storage), API and workers, and installs FlySense. The
    /// environment of the processes, all addresses and the credentials of the vendor's widget are in target/dev.env: `. target/dev.env`.
    /// Addresses in `FLYSK_OUTBOUND_ALLOW` are added to those that the simulators need. A sandbox with a clock that can be advanced runs
    /// beside it; its console's address is printed (docs/sandbox.md).
    ///
    /// Options of the starter: --pace FACTOR, --logs.
    Dev {
        /// Event URL of your backend, such as <http://127.0.0.1:8800/events>: registers and installs the widget `my-widget`, whose
        /// events go there
        #[arg(long, value_name = "URL")]
        backend: Option<String>,
        /// Options of the starter
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTION")]
        args: Vec<String>,
    },
    /// Run all tests; the last line is the summary
    Test {
        /// Options of `cargo test`, such as: -p flysk-jobs lease
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTION")]
        args: Vec<String>,
    },
    /// Check formatting, lints and generated files, then run all tests; the last line is the summary
    Ci,
    /// Generate clients from api/openapi.json with three generators, compile them and run them against the API; the SDKs, too
    ///
    /// openapi-python-client, openapi-typescript with openapi-fetch, and OpenAPI Generator for Java, in pinned versions from `PyPI`
    /// and npm, installed under target/clients. The SDKs of sdk/ are built and installed there, and their tests run against the
    /// API. Requires Python 3.11, Node.js and a JDK.
    Clients,
    /// Run benchmarks and write docs/benchmarks.md
    Bench {
        /// Options of the benchmarks
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTION")]
        args: Vec<String>,
    },
    /// Test the running API with schemathesis: valid and invalid requests generated from the OpenAPI document
    ///
    /// Fails on a status of 500 or more, on an undocumented status, content type or header, and on a body that does not match
    /// its schema. Requires Python 3; schemathesis is installed under target/fuzz-api.
    ///
    /// Options of the test: --examples N, --seed N, --only OPERATION.
    #[command(name = "fuzz-api")]
    FuzzApi {
        /// Options of the test
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "OPTION")]
        args: Vec<String>,
    },
    /// Write the generated files: .env.example, api/openapi.json, docs/jobs.md, docs/cli.md, widget/src/api/schema.ts, those of sdk/
    Generate,
    /// Build, test and check FlySense's widget for amoCRM; check any vendor's widget.zip
    Widget {
        #[command(subcommand)]
        action: widget::Action,
    },
    /// Manage the database and Redis servers for development
    Services {
        #[command(subcommand)]
        action: services::Action,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    xtask::tools::decide_consent(cli.no_install);
    match run(cli.command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    xtask::process::catch_stop_signals()?;
    let done = |()| ExitCode::SUCCESS;
    match command {
        Command::Demo { args } => demo::run(&args).map(code),
        Command::Dev { backend, args } => dev::run(backend, &args).map(done),
        Command::Test { args } => Ok(test::run(&args)),
        Command::Ci => Ok(ci::run()),
        Command::Clients => clients::run().map(done),
        Command::Bench { args } => bench::run(&args).map(code),
        Command::FuzzApi { args } => fuzz::run(&args).map(code),
        Command::Generate => generated::write().map(done),
        Command::Widget { action } => widget::run(action).map(done),
        Command::Services { action } => services::run(action).map(done),
    }
}

/// The exit code of a child process; failure if a signal ended it.
fn code(status: ExitStatus) -> ExitCode {
    status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
}
