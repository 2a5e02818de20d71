//! `cargo xtask fuzz-api`: runs schemathesis over the OpenAPI document.

use std::path::PathBuf;
use std::process::{Command, ExitStatus};

use anyhow::{Context, Result};

use super::{build_product, prepare, with_services};
use crate::services::{Database, Durability, Private};
use crate::tools::{self, PYTHON_VENV};
use crate::{process, workspace};

/// The release that the hooks of this repository support.
const SCHEMATHESIS: &str = "schemathesis==4.32.5";

/// Builds the product and tests it with schemathesis on private servers.
pub fn run(args: &[String]) -> Result<ExitStatus> {
    prepare()?;
    let schemathesis = schemathesis()?;
    build_product()?;
    process::check(
        "the build",
        &mut workspace::cargo(["build", "-p", "flysk-suite", "--bin", "flysk-fuzz-api"]),
    )?;
    send(schemathesis, args)
}

fn send(schemathesis: PathBuf, args: &[String]) -> Result<ExitStatus> {
    let database = Database::from_process()?;
    let private = Private::up("fuzz-api", database, Durability::Process)?;
    let mut command = Command::new(workspace::debug_binaries().join("flysk-fuzz-api"));
    command.arg("--schemathesis").arg(schemathesis).args(args);
    with_services(&mut command, database, private.state());
    process::ProcessGroup::spawn(&mut command)?.wait()
}

/// The executable in a virtual environment under `target`; installs it if missing.
fn schemathesis() -> Result<PathBuf> {
    tools::require(&[&PYTHON_VENV])?;
    let python = PYTHON_VENV.find().context("Python 3 is not found any more")?;
    let venv = workspace::target().join("fuzz-api").join("venv");
    let (pip, executable) = (venv.join("bin").join("pip"), venv.join("bin").join("schemathesis"));
    if !pip.is_file() {
        let mut make = Command::new(python);
        process::check("python3 -m venv", make.args(["-m", "venv"]).arg(&venv))?;
    }
    let mut install = Command::new(&pip);
    install.args(["install", "--quiet", "--disable-pip-version-check", SCHEMATHESIS]);
    process::check("pip install", &mut install).context("cannot install schemathesis")?;
    Ok(executable)
}
