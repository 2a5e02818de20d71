//! Runs tests with `cargo nextest`, which runs several executables in parallel; where it cannot be had, with `cargo test`.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::{test_schema, with_services};
use crate::process::{self, ProcessGroup};
use crate::services::{Database, State};
use crate::test_summary::TestSummary;
use crate::tools::Nextest;
use crate::workspace;

/// Maximum time to read output after cargo has exited.
const OUTPUT_GRACE: Duration = Duration::from_secs(10);

/// Runs the tests that `args` select on these servers and counts them.
pub(super) fn run(args: &[&str], database: Database, state: &State, summary: &mut TestSummary) -> Result<()> {
    let runner = Nextest::require();
    let nextest = runner.is_some();
    let mut command = if let Some(runner) = runner {
        let mut command = runner.command(&["run", "--color", "never"]);
        command.args(args).stderr(Stdio::piped());
        command
    } else {
        let mut command = workspace::cargo(["test", "--no-fail-fast"]);
        command.args(args).stdout(Stdio::piped());
        command
    };
    with_services(&mut command, database, state);
    command.envs(test_schema::write(database, state).map(|file| (test_schema::TEST_SCHEMA_VARIABLE, file)));
    let mut group = ProcessGroup::spawn(&mut command)?;
    let child = group.child();
    let output: Box<dyn Read + Send> = if nextest {
        Box::new(child.stderr.take().context("cargo nextest has no output")?)
    } else {
        Box::new(child.stdout.take().context("cargo test has no output")?)
    };
    let status = count(&mut group, output, summary)?;
    if status { Ok(()) } else { bail!("tests failed") }
}

/// Waits for the run and counts the reported tests; returns whether it succeeded.
fn count(group: &mut ProcessGroup, output: Box<dyn Read + Send>, summary: &mut TestSummary) -> Result<bool> {
    let counted = Arc::new(Mutex::new(TestSummary::default()));
    let (done, finished) = mpsc::channel();
    thread::spawn({
        let counted = Arc::clone(&counted);
        move || {
            pass_on(BufReader::new(output), &counted);
            done.send(())
        }
    });
    let status = group.wait();
    // A process that a test left running may keep the pipe open.
    let leaked = finished.recv_timeout(OUTPUT_GRACE).is_err();
    *summary += *counted.lock().unwrap_or_else(PoisonError::into_inner);
    let status = status?;
    if leaked {
        bail!("a test left a process running that keeps its output open");
    }
    process::ensure_not_stopped()?;
    Ok(status.success())
}

/// Copies the output to xtask's output and counts tests.
fn pass_on(mut output: impl BufRead, summary: &Mutex<TestSummary>) {
    let mut line = Vec::new();
    while output.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
        summary.lock().unwrap_or_else(PoisonError::into_inner).add_line(&String::from_utf8_lossy(&line));
        let _reader_gone = std::io::stdout().write_all(&line);
        line.clear();
    }
}
