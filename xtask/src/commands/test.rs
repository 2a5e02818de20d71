//! `cargo xtask test`: every test there is, on servers of its own.

use std::io::{BufRead, BufReader, Write};
use std::process::{ExitCode, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::{prepare, with_services};
use crate::process::{self, Group};
use crate::programs::{self, CHROMEDRIVER, CHROMIUM, REDIS};
use crate::services::{Database, Durability, Mysql, Private, State};
use crate::tally::Tally;
use crate::workspace;

/// How long output may come after cargo has ended.
const LAST_WORDS: Duration = Duration::from_secs(10);

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
    cargo_test(scope, database, private.state(), tally)
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

fn cargo_test(args: &[&str], database: Database, state: &State, tally: &mut Tally) -> Result<()> {
    let mut command = workspace::cargo(["test", "--no-fail-fast"]);
    command.args(args).stdout(Stdio::piped());
    with_services(&mut command, database, state);
    let mut group = Group::spawn(&mut command)?;
    let stdout = group.child().stdout.take().context("cargo has no output")?;
    let counted = Arc::new(Mutex::new(Tally::default()));
    let (done, finished) = mpsc::channel();
    thread::spawn({
        let counted = Arc::clone(&counted);
        move || {
            pass_on(BufReader::new(stdout), &counted);
            done.send(())
        }
    });
    let status = group.wait();
    // A process that a test left behind may hold the pipe open for ever.
    let leaked = finished.recv_timeout(LAST_WORDS).is_err();
    *tally += *counted.lock().unwrap_or_else(PoisonError::into_inner);
    let status = status?;
    if leaked {
        bail!("a test left a process behind that holds its output");
    }
    process::go_on()?;
    if status.success() { Ok(()) } else { bail!("cargo test failed ({status})") }
}

/// Copies the output to ours, counting.
fn pass_on(mut output: impl BufRead, tally: &Mutex<Tally>) {
    let mut line = Vec::new();
    while output.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        tally.lock().unwrap_or_else(PoisonError::into_inner).add_line(&String::from_utf8_lossy(&line));
        let _reader_gone = std::io::stdout().write_all(&line);
        line.clear();
    }
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
