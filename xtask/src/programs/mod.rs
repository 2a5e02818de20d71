//! Programs we need: found in the usual places, or installed when we may.

mod catalogue;
mod consent;
mod release_root;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

pub use catalogue::{
    CC, CHROMEDRIVER, CHROMIUM, CMAKE, DEBOOTSTRAP, FFMPEG, MAKE, MARIADB_INSTALL_DB, MOLD, MYSQL, NODE,
    PYTHON, REDIS, SOX, SYSTEM_MYSQLD, WRK,
};
pub use consent::{Consent, NO_INSTALL, settle_consent};
pub use release_root::ReleaseRoot;

use crate::{process, workspace};

/// Servers are often kept from ordinary users' `PATH`.
const BESIDE_PATH: [&str; 5] =
    ["/usr/sbin", "/usr/local/sbin", "/usr/local/mysql/bin", "/opt/homebrew/bin", "/usr/libexec"];

/// Installs Debian packages without starting what they contain.
const INSTALL: &str = include_str!("install.sh");

/// A program and where it comes from.
#[derive(Debug)]
pub struct Program {
    /// What people call it.
    pub name: &'static str,
    /// A variable that names the executable, if there is one.
    pub variable: Option<&'static str>,
    /// Names of its executable, the best first.
    pub executables: &'static [&'static str],
    /// Debian and Ubuntu packages that bring it; the second choice for releases that lack the first.
    pub packages: &'static [&'static [&'static str]],
    /// What else to do about it, said when it cannot be installed.
    pub otherwise: &'static str,
}

impl Program {
    /// Where it is.
    pub fn find(&self) -> Option<PathBuf> {
        if let Some(path) = self.variable.and_then(workspace::variable) {
            return Some(PathBuf::from(path)).filter(|path| path.is_file());
        }
        let path = workspace::variable("PATH").unwrap_or_default();
        let places: Vec<PathBuf> =
            std::env::split_paths(&path).chain(BESIDE_PATH.map(PathBuf::from)).collect();
        let candidates =
            self.executables.iter().flat_map(|name| places.iter().map(move |place| place.join(name)));
        candidates.into_iter().find(|path| path.is_file())
    }
}

/// Makes sure that these are there, installing what is missing; says what to install when we may not.
pub fn require(programs: &[&Program]) -> Result<()> {
    install(programs);
    let missing = list_missing(programs);
    if missing.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = missing.iter().map(|program| sentence(program)).collect();
    bail!(
        "something is missing and was not installed:\n{}\nAll at once: sudo apt-get install {}",
        lines.join("\n"),
        consent::packages(&missing).join(" ")
    );
}

/// Installs what is missing if we may; what then is still missing can be done without.
pub fn install(programs: &[&Program]) {
    let missing = list_missing(programs);
    if missing.is_empty() || installer().is_none() || !consent::may_install(&missing) {
        return;
    }
    for program in missing {
        // Packages of the one before may have brought it.
        if program.find().is_some() {
            continue;
        }
        for packages in program.packages {
            let Some(mut command) = installer() else { return };
            eprintln!("installing {}", packages.join(" "));
            let status = process::run(command.args(*packages).stdout(Stdio::null()));
            if status.is_ok_and(|status| status.success()) || process::asked_to_stop() {
                break;
            }
        }
    }
}

fn list_missing<'p>(programs: &[&'p Program]) -> Vec<&'p Program> {
    programs.iter().copied().filter(|program| program.find().is_none()).collect()
}

/// The package manager, if there is one we know and may use.
fn installer() -> Option<Command> {
    let there = |path: &str| Path::new(path).is_file();
    if !there("/usr/bin/apt-get") {
        return None;
    }
    root_shell(INSTALL)
}

/// A shell that runs `script` as root with the arguments that follow, if we may.
fn root_shell(script: &str) -> Option<Command> {
    let shell = ["sh", "-c", script, "install"];
    if rustix::process::geteuid().is_root() {
        let mut command = Command::new(shell[0]);
        command.args(&shell[1..]);
        return Some(command);
    }
    // `-n`: fail rather than ask for a password in the middle of a build.
    let mut probe = Command::new("sudo");
    probe.args(["-n", "true"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if !probe.status().is_ok_and(|status| status.success()) {
        return None;
    }
    let mut command = Command::new("sudo");
    command.arg("-n").args(shell);
    Some(command)
}

fn sentence(program: &Program) -> String {
    let packages = program.packages.first().map(|packages| packages.join(" ")).unwrap_or_default();
    format!(
        "  {}: no {} in PATH or {}. Install it (Debian, Ubuntu: sudo apt-get install {packages}){}.",
        program.name,
        program.executables.join(" or "),
        BESIDE_PATH[0],
        program.otherwise,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Program = Program {
        name: "the philosopher's stone",
        variable: None,
        executables: &["flysk-no-such-program"],
        packages: &[],
        otherwise: ", or do without gold",
    };

    #[test]
    fn a_shell_is_found_and_a_philosophers_stone_is_not() {
        let shell = Program { name: "a shell", executables: &["flysk-no-such-program", "sh"], ..NOTHING };
        assert!(shell.find().unwrap().ends_with("sh"));
        assert_eq!(NOTHING.find(), None);
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = require(&[&NOTHING]).unwrap_err().to_string();
        assert!(error.contains("the philosopher's stone"), "{error}");
        assert!(error.contains("flysk-no-such-program"), "{error}");
        assert!(error.contains("or do without gold"), "{error}");
    }
}
