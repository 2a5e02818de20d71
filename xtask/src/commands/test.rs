//! `cargo xtask test`: every test there is, on servers of its own.

use std::process::ExitCode;

use anyhow::Result;

use super::{prepare, test_runner};
use crate::process;
use crate::programs::{self, CHROMEDRIVER, CHROMIUM, REDIS};
use crate::services::{Database, Durability, Mysql, Private};
use crate::tally::Tally;
use crate::workspace;

/// Runs the tests; `args` go to `cargo test`, such as `-p flysk-jobs lease`. Ends with the line that counts
/// them, whatever happened before.
pub fn run(args: &[String]) -> ExitCode {
    let mut tally = Tally::default();
    let outcome = Database::from_process().and_then(|database| count(database, args, &mut tally));
    conclude(&outcome, tally)
}

/// Says what went wrong, then counts, as the very last line of both outputs.
pub(super) fn conclude(outcome: &Result<()>, tally: Tally) -> ExitCode {
    if let Err(error) = outcome {
        eprintln!("xtask: {error:#}");
    } else if tally == Tally::default() {
        eprintln!("xtask: not one test ran");
    }
    println!("{tally}");
    if outcome.is_ok() && tally.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs the tests and adds them up; the servers are gone when it returns.
pub(super) fn count(database: Database, args: &[String], tally: &mut Tally) -> Result<()> {
    prepare()?;
    // Chaos tests start servers of their own, even where the environment names one for the others.
    Mysql::require(database)?;
    programs::require(&[&REDIS, &CHROMIUM, &CHROMEDRIVER])?;
    let scope: Vec<&str> = scope(args).into_iter().chain(args.iter().map(String::as_str)).collect();
    // Executables first: tests of one package run those of another, which `cargo test` alone does not build.
    build(scope.first() == Some(&"--workspace"))?;
    count_built(database, &scope, tally)
}

/// Runs tests that are built already, on servers of their own, and adds them up.
pub(super) fn count_built(database: Database, scope: &[&str], tally: &mut Tally) -> Result<()> {
    let private = Private::up("test", database, Durability::Process)?;
    test_runner::run(scope, database, private.state(), tally)
}

/// Builds every executable; together with all tests if all are to run: both get the same features then, and are built
/// once.
fn build(with_tests: bool) -> Result<()> {
    let mut build = workspace::cargo(["build", "--workspace", "--bins"]);
    build.args(with_tests.then_some("--tests"));
    process::check("the build", &mut build)
}

/// All packages, unless the caller chose.
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
