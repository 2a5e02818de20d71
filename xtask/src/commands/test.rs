//! `cargo xtask test`: runs all tests on private servers.

use std::process::ExitCode;

use anyhow::Result;

use super::{prepare, test_runner};
use crate::process;
use crate::services::{Cache, Database, DatabasePrograms, Durability, Private, Redis};
use crate::test_summary::TestSummary;
use crate::tools::{self, CHROMEDRIVER, CHROMIUM};
use crate::workspace;

/// Runs the tests; `args` are passed to `cargo test`, such as `-p flysk-jobs lease`. Always prints the summary as the last
/// line.
pub fn run(args: &[String]) -> ExitCode {
    let mut summary = TestSummary::default();
    let outcome = Database::from_process().and_then(|database| count(database, args, &mut summary));
    conclude(&outcome, summary)
}

/// Prints the error, then the summary as the last line of standard output and standard error.
pub(super) fn conclude(outcome: &Result<()>, summary: TestSummary) -> ExitCode {
    if let Err(error) = outcome {
        eprintln!("xtask: {error:#}");
    } else if summary == TestSummary::default() {
        eprintln!("xtask: no tests ran");
    }
    println!("{summary}");
    if outcome.is_ok() && summary.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs the tests and counts them. The private servers are removed when it returns.
pub(super) fn count(database: Database, args: &[String], summary: &mut TestSummary) -> Result<()> {
    prepare()?;
    // Required even with `DATABASE_URL`, because chaos tests start their own servers.
    DatabasePrograms::require(database)?;
    Redis::require(Cache::from_process()?)?;
    tools::require(&[&CHROMIUM, &CHROMEDRIVER])?;
    let scope: Vec<&str> = scope(args).into_iter().chain(args.iter().map(String::as_str)).collect();
    // Build executables first: tests run executables of other packages, which `cargo test` alone does not build.
    build(scope.first() == Some(&"--workspace"))?;
    count_built(database, &scope, summary)
}

/// Runs tests that are already built on private servers and counts them.
pub(super) fn count_built(database: Database, scope: &[&str], summary: &mut TestSummary) -> Result<()> {
    let private = Private::up("test", database, Durability::Process)?;
    test_runner::run(scope, database, private.state(), summary)
}

/// Builds every executable; together with all tests if all are to run: both get the same features then, and are built
/// once.
pub(super) fn build(with_tests: bool) -> Result<()> {
    let mut build = workspace::cargo(["build", "--workspace", "--bins"]);
    build.args(with_tests.then_some("--tests"));
    process::check("the build", &mut build)
}

/// `--workspace`, unless the arguments select packages.
fn scope(args: &[String]) -> Option<&'static str> {
    let chosen = ["-p", "--package", "--workspace", "--all"];
    let names_some = args.iter().take_while(|arg| *arg != "--").any(|arg| {
        chosen.contains(&arg.as_str())
            || arg.starts_with("--package=")
            || (arg.starts_with("-p") && arg.len() > 2)
    });
    (!names_some).then_some("--workspace")
}

#[cfg(test)]
mod tests {
    use super::scope;

    fn chosen(args: &[&str]) -> Option<&'static str> {
        scope(&args.iter().map(|arg| (*arg).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn everything_is_tested_unless_a_package_is_named() {
        assert_eq!(chosen(&[]), Some("--workspace"));
        assert_eq!(chosen(&["lease", "--", "-p"]), Some("--workspace"));
        assert_eq!(chosen(&["-p", "flysk-jobs"]), None);
        assert_eq!(chosen(&["--package=flysk-jobs", "lease"]), None);
    }
}
