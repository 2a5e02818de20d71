//! `cargo xtask bench`: runs benchmarks and writes `docs/benchmarks.md`.

use std::process::{Command, ExitStatus};

use anyhow::Result;

use super::{prepare, with_services};
use crate::services::{Database, Durability, Private};
use crate::tools::{self, NODE, POSTGRES, PYTHON, SOX, WRK};
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

/// Builds in release mode and runs the benchmarks with these arguments, on servers with the durability of production.
pub fn run(args: &[String]) -> Result<ExitStatus> {
    prepare()?;
    // Tools of comparison; the rows of a missing tool are left out.
    tools::install(&[&SOX, &NODE, &POSTGRES, &WRK, &PYTHON]);
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
