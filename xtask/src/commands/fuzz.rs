//! `cargo xtask fuzz-api`: schemathesis over the OpenAPI document.

use std::path::PathBuf;
use std::process::{Command, ExitStatus};

use anyhow::{Context, Result};

use super::{build_product, prepare, with_services};
use crate::programs::{self, PYTHON};
use crate::services::{Database, Durability, Private};
use crate::{process, workspace};

/// The release our hooks are written for.
const SCHEMATHESIS: &str = "schemathesis==4.32.5";

/// Builds the product and lets schemathesis at it, on servers of its own.
pub fn run(args: &[String]) -> Result<ExitStatus> {
    prepare()?;
    let schemathesis = schemathesis()?;
    build_product()?;
    send(schemathesis, args)
}

fn send(schemathesis: PathBuf, args: &[String]) -> Result<ExitStatus> {
    let database = Database::from_process()?;
    let private = Private::up("fuzz-api", database, Durability::Process)?;
    let mut command = Command::new(workspace::debug_binaries().join("flysk-fuzz-api"));
    command.arg("--schemathesis").arg(schemathesis).args(args);
    with_services(&mut command, database, private.state());
    process::Group::spawn(&mut command)?.wait()
}

/// The executable, in an environment of its own under `target`; installed if it is not there.
fn schemathesis() -> Result<PathBuf> {
    programs::require(&[&PYTHON])?;
    let python = PYTHON.find().context("Python was there a moment ago")?;
    let venv = workspace::target().join("fuzz-api").join("venv");
    let (pip, executable) = (venv.join("bin").join("pip"), venv.join("bin").join("schemathesis"));
    if !pip.is_file() {
        let mut make = Command::new(python);
        process::check("python3 -m venv", make.args(["-m", "venv"]).arg(&venv)).context(
            "Python cannot make a virtual environment (Debian, Ubuntu: sudo apt-get install python3-venv)",
        )?;
    }
    let mut install = Command::new(&pip);
    install.args(["install", "--quiet", "--disable-pip-version-check", SCHEMATHESIS]);
    process::check("pip install", &mut install).context("schemathesis cannot be installed")?;
    Ok(executable)
}
