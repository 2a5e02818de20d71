//! `cargo xtask demo`: the main job from end to end, on servers of its own.

use std::process::ExitStatus;

use anyhow::Result;

use super::{build_product, demo_binary, prepare};
use crate::process;
use crate::services::{Durability, Private};

/// Builds the product and runs the demonstration with these arguments. The servers live as long as it does.
pub fn run(args: &[String]) -> Result<ExitStatus> {
    prepare()?;
    build_product()?;
    let private = Private::up("demo", Durability::Process)?;
    process::Group::spawn(&mut demo_binary(args, private.state()))?.wait()
}
