//! `cargo xtask bench`: runs benchmarks and writes `docs/benchmarks.md`.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitStatus};

use anyhow::{Context as _, Result, ensure};

use super::{prepare, with_services};
use crate::services::{Database, Durability, Private};
use crate::tools::{self, MYSQLCLIENT_HEADERS, NODE, POSTGRES, PYTHON_VENV, SOX, WRK};
use crate::{process, workspace};

/// Packages and their executables that run in the benchmarks.
const BUILT: [(&str, &str); 6] = [
    ("flysk-admin", "flysk-admin"),
    ("flysk-api", "flysk-api"),
    ("flysk-audio", "flysk-prepare"),
    ("flysk-sandbox", "flysk-sandbox"),
    ("flysk-suite", "flysk-bench"),
    ("flysk-workers", "flysk-worker"),
];

/// The same of an earlier revision, for the parts that are compared with it.
const BUILT_EARLIER: [(&str, &str); 3] =
    [("flysk-api", "flysk-api"), ("flysk-suite", "flysk-bench"), ("flysk-workers", "flysk-worker")];
/// Option of the benchmarks that names an earlier revision.
const BESIDE: &str = "--beside";

/// Builds in release mode and runs the benchmarks with these arguments, on servers with the durability of production.
pub fn run(args: &[String]) -> Result<ExitStatus> {
    prepare()?;
    // Tools of comparison; the rows of a missing tool are left out.
    tools::install(&[&SOX, &NODE, &POSTGRES, &WRK, &PYTHON_VENV, &MYSQLCLIENT_HEADERS]);
    let args = with_earlier_build(args)?;
    let built = BUILT.into_iter().flat_map(|(package, binary)| ["-p", package, "--bin", binary]);
    process::check("the build", workspace::cargo(["build", "--release"]).args(built))?;
    let database = Database::from_process()?;
    let private = Private::up("bench", database, Durability::Machine)?;
    // Not `cargo run`, which would select other features and rebuild half of the workspace.
    let mut command = Command::new(workspace::target().join("release").join("flysk-bench"));
    command.args(args);
    with_services(&mut command, database, private.state());
    command.env("FLYSK_BIN_DIR", workspace::target().join("release"));
    process::ProcessGroup::spawn(&mut command)?.wait()
}

/// The arguments, with the directory of its executables instead of an earlier revision, which is built if necessary.
fn with_earlier_build(args: &[String]) -> Result<Vec<String>> {
    let mut args = args.to_vec();
    if let Some(at) = args.iter().position(|arg| arg == BESIDE) {
        let revision = args.get_mut(at + 1).with_context(|| format!("{BESIDE} REVISION"))?;
        *revision = build_earlier(revision)?.display().to_string();
    }
    Ok(args)
}

/// Builds an earlier revision below `target/bench/earlier`; returns the directory of its executables.
fn build_earlier(revision: &str) -> Result<PathBuf> {
    let is_plain = |sign: char| sign.is_ascii_alphanumeric() || sign == '.' || sign == '-';
    ensure!(
        revision.starts_with(|first: char| first.is_ascii_alphanumeric()) && revision.chars().all(is_plain),
        "{BESIDE} takes a commit or a tag, not `{revision}`"
    );
    let sources = workspace::target().join("bench").join("earlier").join(revision);
    if !sources.join("Cargo.toml").is_file() {
        fs::create_dir_all(&sources)?;
        let archive = sources.join("sources.tar");
        let mut export = Command::new("git");
        export
            .current_dir(workspace::root())
            .args(["archive", "--format=tar", "-o"])
            .arg(&archive)
            .arg(revision);
        process::check("the export of the earlier revision", &mut export)?;
        let mut unpack = Command::new("tar");
        process::check("tar", unpack.arg("-xf").arg(&archive).arg("-C").arg(&sources))?;
    }
    let mut build = workspace::cargo(["build", "--release", "--locked"]);
    build.current_dir(&sources).env("CARGO_TARGET_DIR", sources.join("target"));
    let executables =
        BUILT_EARLIER.into_iter().flat_map(|(package, binary)| ["-p", package, "--bin", binary]);
    process::check("the build of the earlier revision", build.args(executables))?;
    Ok(sources.join("target").join("release"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_revision_is_built() {
        let args = |args: &[&str]| args.iter().map(|&arg| arg.to_owned()).collect::<Vec<_>>();
        let without = args(&["jobs", "--note", "quiet"]);
        assert_eq!(with_earlier_build(&without).unwrap(), without);
        for refused in [&["--beside"][..], &["--beside", "--help"], &["--beside", "../.."], &["--beside", ""]]
        {
            assert!(with_earlier_build(&args(refused)).is_err(), "{refused:?}");
        }
    }
}
