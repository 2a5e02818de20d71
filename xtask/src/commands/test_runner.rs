//! The test run itself: by `cargo nextest` where it is installed, which runs tests of several executables at once, by
//! `cargo test` otherwise.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::with_services;
use crate::process::{self, Group};
use crate::services::{Database, State};
use crate::tally::Tally;
use crate::workspace;

/// How long output may come after cargo has ended.
const OUTPUT_GRACE: Duration = Duration::from_secs(10);

/// Runs the tests that `args` choose on these servers and adds them up.
pub(super) fn run(args: &[&str], database: Database, state: &State, tally: &mut Tally) -> Result<()> {
    let nextest = has_nextest();
    let mut command = if nextest {
        let mut command = workspace::cargo(["nextest", "run", "--color", "never"]);
        command.args(args).stderr(Stdio::piped());
        command
    } else {
        let mut command = workspace::cargo(["test", "--no-fail-fast"]);
        command.args(args).stdout(Stdio::piped());
        command
    };
    with_services(&mut command, database, state);
    let mut group = Group::spawn(&mut command)?;
    let child = group.child();
    let output: Box<dyn Read + Send> = if nextest {
        Box::new(child.stderr.take().context("cargo nextest has no output")?)
    } else {
        Box::new(child.stdout.take().context("cargo test has no output")?)
    };
    let status = count(&mut group, output, tally)?;
    if status { Ok(()) } else { bail!("tests failed") }
}

/// Whether `cargo nextest` is installed.
fn has_nextest() -> bool {
    let mut probe: Command = workspace::cargo(["nextest", "--version"]);
    probe.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    probe.status().is_ok_and(|status| status.success())
}

/// Waits for the run and counts what it reports; whether it ended well.
fn count(group: &mut Group, output: Box<dyn Read + Send>, tally: &mut Tally) -> Result<bool> {
    let counted = Arc::new(Mutex::new(Tally::default()));
    let (done, finished) = mpsc::channel();
    thread::spawn({
        let counted = Arc::clone(&counted);
        move || {
            pass_on(BufReader::new(output), &counted);
            done.send(())
        }
    });
    let status = group.wait();
    // A process that a test left behind may hold the pipe open for ever.
    let leaked = finished.recv_timeout(OUTPUT_GRACE).is_err();
    *tally += *counted.lock().unwrap_or_else(PoisonError::into_inner);
    let status = status?;
    if leaked {
        bail!("a test left a process behind that holds its output");
    }
    process::go_on()?;
    Ok(status.success())
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
