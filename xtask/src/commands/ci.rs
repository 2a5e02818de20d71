//! `cargo xtask ci`: all checks of a change.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::{clients, demo, generated, prepare, test};
use crate::services::{Database, Mysql};
use crate::test_summary::TestSummary;
use crate::tools::{self, MOLD};
use crate::{process, workspace};

/// Tests that run on both database servers: statements, queue, ledger and money. The workflow's matrix runs all tests on every
/// server. Selected with `--workspace`, so that they reuse the build of the whole workspace.
const TESTS_ON_BOTH: [&str; 56] = [
    "--workspace",
    "--test",
    "rollback",
    "--test",
    "rollout",
    "--test",
    "ledger",
    "--test",
    "pool",
    "--test",
    "statements",
    "--test",
    "contention",
    "--test",
    "backlog",
    "--test",
    "purchases",
    "--test",
    "subscriptions",
    "--test",
    "renewals",
    "--test",
    "rows",
    "--test",
    "schema",
    "--test",
    "retention",
    "--test",
    "sorting",
    // What a browser or an operator's password decides is the same on every server.
    "--",
    "--skip",
    "panel::access",
    "--skip",
    "panel::htmx",
    "--skip",
    "panel::pages",
    "--skip",
    "panel::passkeys",
    "--skip",
    "panel::pictures",
    "--skip",
    "panel::portal",
    "--skip",
    "panel::sign_in",
    "--skip",
    "panel::step_up",
    "--skip",
    "api_pages::",
    "--skip",
    "sandbox_console::",
    "--skip",
    "in_a_browser",
    // Hosted pages (`page::`, `subscription_page::`, `transfer_page::`, and theirs in a browser) show what services read and
    // pass on what a form says: the statements behind them run in `api`, `subscriptions` and `renewals`.
    "--skip",
    "page::",
    "--skip",
    "browser::",
];

/// Runs every check even after a failure, so that one run reports all of them. Tests run last, because their summary is
/// the last line.
pub fn run() -> ExitCode {
    let mut summary = TestSummary::default();
    let outcome = all(&mut summary);
    test::conclude(&outcome, summary)
}

fn all(summary: &mut TestSummary) -> Result<()> {
    prepare()?;
    tools::install(&[&MOLD]);
    let mut failed = Vec::new();
    step("formatting", &mut failed, || {
        process::check("cargo fmt", &mut workspace::cargo(["fmt", "--all", "--", "--check"]))
    })?;
    if lints_while_compiling() {
        step("lints and the build", &mut failed, || test::build(true))?;
    } else {
        step("lints", &mut failed, || {
            let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
            process::check("cargo clippy", &mut workspace::cargo(clippy))
        })?;
        step("the build", &mut failed, || test::build(true))?;
    }
    step("generated files", &mut failed, generated::check)?;
    let first = Database::from_process()?;
    step("tests", &mut failed, || test::count(first, &[], summary))?;
    step("clients of the API", &mut failed, || clients::count(first, summary))?;
    let second = if first == Database::System { Database::Mysql } else { Database::System };
    match second_database(second) {
        Ok(version) => {
            eprintln!("==> the second database is {version}");
            step("tests on the second database", &mut failed, || {
                test::count_built(second, &TESTS_ON_BOTH, summary)
            })?;
            step("the demonstration on the second database", &mut failed, || {
                let status = demo::run_on(second, &[demo::EXIT_OPTION.to_owned()])?;
                if status.success() { Ok(()) } else { bail!("the demo failed ({status})") }
            })?;
        }
        Err(why) => eprintln!("==> {} was not tested: {why:#}", second.name()),
    }
    if failed.is_empty() { Ok(()) } else { bail!("failed: {}", failed.join(", ")) }
}

/// Whether clippy's driver compiles the workspace, as `.ci/run` has it: a lint then fails the build.
fn lints_while_compiling() -> bool {
    workspace::variable("RUSTC_WORKSPACE_WRAPPER").is_some_and(|wrapper| wrapper.ends_with("clippy-driver"))
}

/// Runs one check and prints its duration. Fails if a stop was requested, so that no further check runs.
fn step(
    name: &'static str,
    failed: &mut Vec<&'static str>,
    check: impl FnOnce() -> Result<()>,
) -> Result<()> {
    eprintln!("==> {name}");
    let start = Instant::now();
    let outcome = check();
    process::ensure_not_stopped().with_context(|| format!("during: {name}"))?;
    match outcome {
        Ok(()) => eprintln!("==> {name}: passed after {} s", start.elapsed().as_secs()),
        Err(error) => {
            eprintln!("==> {name}: {error:#}");
            failed.push(name);
        }
    }
    Ok(())
}

/// Makes the server available and returns its version; the error is the reason why it is not available.
fn second_database(database: Database) -> Result<String> {
    if workspace::variable("DATABASE_URL").is_some() {
        bail!("DATABASE_URL is set, so only that server is tested");
    }
    Ok(Mysql::require(database)?.version().to_owned())
}
