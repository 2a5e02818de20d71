//! `cargo xtask demo`: the main job from end to end, on servers of its own.

use std::process::ExitStatus;

use anyhow::Result;

use super::{build_product, demo_binary, prepare};
use crate::process;
use crate::services::{Database, Durability, Private};

/// Builds the product and runs the demonstration with these arguments. The servers live as long as it does.
pub fn run(args: &[String]) -> Result<ExitStatus> {
    prepare()?;
    build_product()?;
    run_on(Database::from_process()?, args)
}

/// Runs the demonstration, which is built, on servers of its own.
pub(super) fn run_on(database: Database, args: &[String]) -> Result<ExitStatus> {
    let private = Private::up("demo", database, Durability::Process)?;
    process::Group::spawn(&mut demo_binary(args, database, private.state()))?.wait()
}
