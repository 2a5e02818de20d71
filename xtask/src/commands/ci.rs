//! `cargo xtask ci`: all checks of a change.

use std::process::ExitCode;
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::{clients, demo, generated, prepare, test};
use crate::services::{Cache, Database, DatabasePrograms, Mysql, Redis};
use crate::test_summary::TestSummary;
use crate::tools::{self, CHROMEDRIVER, CHROMIUM, MOLD, Nextest};
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
    let first = Database::from_process()?;
    let second = if first == Database::System { Database::Mysql } else { Database::System };
    let mut failed = Vec::new();
    let generated_clients = thread::scope(|scope| {
        // Most of it is waiting for downloads.
        let preparing =
            tools::installs_unasked().then(|| scope.spawn(move || prepare_later_steps(first, second)));
        compile(&mut failed)?;
        anyhow::Ok(preparing.and_then(|preparing| preparing.join().ok()))
    })?;
    step("generated files", &mut failed, generated::check)?;
    step("tests", &mut failed, || test::count(first, &[], summary))?;
    step("clients of the API", &mut failed, || {
        if !matches!(generated_clients, Some(Ok(()))) {
            clients::generate()?;
        }
        clients::count_generated(first, summary)
    })?;
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

/// Checks the formatting, lints and compiles everything.
fn compile(failed: &mut Vec<&'static str>) -> Result<()> {
    step("formatting", failed, || {
        process::check("cargo fmt", &mut workspace::cargo(["fmt", "--all", "--", "--check"]))
    })?;
    if lints_while_compiling() {
        return step("lints and the build", failed, || test::build(true));
    }
    step("lints", failed, || {
        let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
        process::check("cargo clippy", &mut workspace::cargo(clippy))
    })?;
    step("the build", failed, || test::build(true))
}

/// Installs what later steps need, and generates the clients of the API; an error says why they were not generated. What could
/// not be installed is reported by the step that lacks it.
fn prepare_later_steps(first: Database, second: Database) -> Result<()> {
    let _reported_later = install_for_later_steps(first, second);
    clients::generate()
}

fn install_for_later_steps(first: Database, second: Database) -> Result<()> {
    DatabasePrograms::require(first)?;
    Redis::require(Cache::from_process()?)?;
    tools::require(&[&CHROMIUM, &CHROMEDRIVER])?;
    let _optional = Nextest::require();
    second_database(second)?;
    Ok(())
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
