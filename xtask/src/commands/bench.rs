//! `cargo xtask bench`: the measured tables of `docs/benchmarks.md`.

use std::process::{Command, ExitStatus};

use anyhow::Result;

use super::{prepare, with_services};
use crate::programs::{self, NODE, SOX, WRK};
use crate::services::{Database, Durability, Private};
use crate::{process, workspace};

/// Builds for speed and measures with these arguments, on servers as durable as in production.
pub fn run(args: &[String]) -> Result<ExitStatus> {
    prepare()?;
    // Peers to measure against; without one its rows are left out.
    programs::install(&[&SOX, &NODE, &WRK]);
    let package = ["-p", "flysk-api", "-p", "flysk-workers", "-p", "flysk-suite", "-p", "flysk-audio"];
    let what =
        ["--bin", "flysk-api", "--bin", "flysk-worker", "--bin", "flysk-bench", "--bin", "flysk-prepare"];
    process::check("the build", workspace::cargo(["build", "--release"]).args(package).args(what))?;
    let database = Database::from_process()?;
    let private = Private::up("bench", database, Durability::Machine)?;
    // Not by `cargo run`: it would choose features anew, and build half of it again.
    let mut command = Command::new(workspace::target().join("release").join("flysk-bench"));
    command.args(args);
    with_services(&mut command, database, private.state());
    command.env("FLYSK_BIN_DIR", workspace::target().join("release"));
    process::Group::spawn(&mut command)?.wait()
}
