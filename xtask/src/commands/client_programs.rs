//! Directories, scripts and Python environments of generated clients.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;
use crate::tools::PYTHON_VENV;

/// A virtual environment of Python.
pub(super) struct Venv(PathBuf);

impl Venv {
    /// The environment in a directory, with these packages.
    pub(super) fn install(directory: PathBuf, requirements: &Path) -> Result<Self> {
        let python = PYTHON_VENV.find().context("Python 3 is not found any more")?;
        let venv = Self(directory);
        if !venv.program("pip").is_file() {
            let mut make = Command::new(python);
            process::check("python3 -m venv", make.args(["-m", "venv"]).arg(&venv.0))?;
        }
        let mut install = Command::new(venv.program("pip"));
        install.args(["install", "--quiet", "--disable-pip-version-check", "--no-deps", "--requirement"]);
        process::check("pip install", install.arg(requirements))?;
        Ok(venv)
    }

    /// A program of the environment.
    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.0.join("bin").join(name)
    }

    /// The archive of OpenAPI Generator in its Python package.
    pub(super) fn archive(&self) -> Result<PathBuf> {
        let mut ask = Command::new(self.program("python"));
        ask.args(["-c", "import openapi_generator_cli as package; print(package.__path__[0])"]);
        let output = ask.output().context("cannot start Python")?;
        let folder = String::from_utf8(output.stdout)?;
        Ok(PathBuf::from(folder.trim()).join("openapi-generator.jar"))
    }
}

/// Empties a directory.
pub(super) fn emptied(directory: &Path) -> Result<()> {
    if directory.exists() {
        fs::remove_dir_all(directory).with_context(|| directory.display().to_string())?;
    }
    fs::create_dir_all(directory).with_context(|| directory.display().to_string())
}

/// Writes the script that runs a client in its directory.
pub(super) fn write_run(directory: &Path, command: &str) -> Result<()> {
    let script = format!("cd '{}'\n{command}\n", directory.display());
    fs::write(directory.join("run"), script).with_context(|| directory.display().to_string())
}
