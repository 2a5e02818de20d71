//! `cargo xtask ci`: all that must hold before a change lands.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::{demo, generated, prepare, test};
use crate::programs::{self, MOLD};
use crate::services::{Database, Mysql};
use crate::tally::Tally;
use crate::{process, workspace};

/// What runs on both database servers: whatever speaks SQL, but for the tests that start servers of their own. Named in the
/// whole workspace, which is built with these features already.
const TESTS_ON_BOTH: [&str; 17] = [
    "--workspace",
    "--test",
    "rollback",
    "--test",
    "ledger",
    "--test",
    "pool",
    "--test",
    "statements",
    "--test",
    "contention",
    "--test",
    "calls",
    "--test",
    "platform",
    "--test",
    "purchases",
];

/// Runs every check, also after one failed, so that one run tells everything; the tests come last, because
/// their count is the last line.
pub fn run() -> ExitCode {
    let mut tally = Tally::default();
    let outcome = all(&mut tally);
    test::conclude(&outcome, tally)
}

fn all(tally: &mut Tally) -> Result<()> {
    prepare()?;
    programs::install(&[&MOLD]);
    let mut failed = Vec::new();
    step("formatting", &mut failed, || {
        process::check("cargo fmt", &mut workspace::cargo(["fmt", "--all", "--", "--check"]))
    })?;
    step("lints", &mut failed, || {
        let clippy = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
        process::check("cargo clippy", &mut workspace::cargo(clippy))
    })?;
    step("generated files", &mut failed, generated::check)?;
    let first = Database::from_process()?;
    step("tests", &mut failed, || test::count(first, &[], tally))?;
    let second = if first == Database::System { Database::Mysql } else { Database::System };
    match second_database(second) {
        Ok(version) => {
            eprintln!("==> the second database is {version}");
            step("tests on the second database", &mut failed, || {
                test::count_built(second, &TESTS_ON_BOTH, tally)
            })?;
            step("the demonstration on the second database", &mut failed, || {
                let status = demo::run_on(second, &["--exit".to_owned()])?;
                if status.success() { Ok(()) } else { bail!("it ended badly ({status})") }
            })?;
        }
        Err(why) => eprintln!("==> {} was not tested: {why:#}", second.name()),
    }
    if failed.is_empty() { Ok(()) } else { bail!("failed: {}", failed.join(", ")) }
}

/// One check, timed; asked to stop, the rest is not run.
fn step(
    name: &'static str,
    failed: &mut Vec<&'static str>,
    check: impl FnOnce() -> Result<()>,
) -> Result<()> {
    eprintln!("==> {name}");
    let start = Instant::now();
    let outcome = check();
    process::go_on().with_context(|| format!("in the middle of: {name}"))?;
    match outcome {
        Ok(()) => eprintln!("==> {name}: fine after {} s", start.elapsed().as_secs()),
        Err(error) => {
            eprintln!("==> {name}: {error:#}");
            failed.push(name);
        }
    }
    Ok(())
}

/// The version of this server, got ready; the reason where it cannot be had.
fn second_database(database: Database) -> Result<String> {
    if workspace::variable("DATABASE_URL").is_some() {
        bail!("DATABASE_URL names the one server to test");
    }
    Ok(Mysql::require(database)?.version().to_owned())
}
