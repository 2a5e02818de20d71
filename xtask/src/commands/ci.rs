//! `cargo xtask ci`: all that must hold before a change lands.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::{generated, prepare, test};
use crate::programs::{self, MOLD};
use crate::tally::Tally;
use crate::{process, workspace};

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
    step("tests", &mut failed, || test::count(&[], tally))?;
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
