//! `cargo xtask demo`: runs the product end to end on private servers.

use std::process::ExitStatus;

use anyhow::Result;

use super::{build_demo, build_product, demo_binary, prepare, widget};
use crate::process;
use crate::services::{Database, Durability, Private};

/// Option of the demo: it stops when all recordings have finished.
pub(super) const EXIT_OPTION: &str = "--exit";

/// Builds the product and runs the demo with these arguments. The private servers are removed at its end.
pub fn run(args: &[String]) -> Result<ExitStatus> {
    prepare()?;
    // A demo that exits leaves nobody time to open the panel or the widget in the card's page.
    if args.iter().any(|arg| arg == EXIT_OPTION) {
        build_demo()?;
        return run_on(Database::from_process()?, args);
    }
    build_product()?;
    // Everything but the widget works without Node.js.
    if let Err(error) = widget::build(None) {
        eprintln!("the demo goes on without the widget in amoCRM's card: {error:#}");
    }
    run_on(Database::from_process()?, args)
}

/// Runs the demo, which must be built, on private servers.
pub(super) fn run_on(database: Database, args: &[String]) -> Result<ExitStatus> {
    let private = Private::up("demo", database, Durability::Process)?;
    process::ProcessGroup::spawn(&mut demo_binary(args, database, private.state()))?.wait()
}
