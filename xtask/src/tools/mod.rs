//! External tools: finds them in the usual directories, or installs them if allowed.

mod catalogue;
mod consent;
mod nextest;
mod node;
mod release_root;
mod wheel;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, bail};

pub use catalogue::{
    CC, CHROMEDRIVER, CHROMIUM, CMAKE, DEBOOTSTRAP, FFMPEG, GALERA, JAVA, JAVAC, MAKE, MARIADB_INSTALL_DB,
    MOLD, MYSQL, MYSQLCLIENT_HEADERS, NODE, POSTGRES, PYTHON, PYTHON_VENV, REDIS, RSYNC, SOX, SYSTEM_MYSQLD,
    VALKEY, WRK, WSREP_SST,
};
pub use consent::{Consent, NO_INSTALL, decide_consent, installs_unasked};
pub use nextest::Nextest;
pub use node::Node;
pub use release_root::ReleaseRoot;

use crate::{process, workspace};

/// Additional directories, because the `PATH` of ordinary users often lacks those of servers, and no path has libraries.
const EXTRA_PATHS: [&str; 7] = [
    "/usr/sbin",
    "/usr/local/sbin",
    "/usr/local/mysql/bin",
    "/opt/homebrew/bin",
    "/usr/libexec",
    "/usr/lib/galera",
    "/usr/lib/postgresql/15/bin",
];

/// Installs Debian packages without starting their services.
const INSTALL_SCRIPT: &str = include_str!("install.sh");

/// An external tool and its packages.
#[derive(Debug)]
pub struct Tool {
    /// Name for messages.
    pub name: &'static str,
    /// Variable with the path of the executable, if any.
    pub variable: Option<&'static str>,
    /// Names of the executable in order of preference.
    pub executables: &'static [&'static str],
    /// Debian and Ubuntu packages; further choices are for releases that lack the first.
    pub packages: &'static [&'static [&'static str]],
    /// Alternative to the installation, appended to the hint.
    pub otherwise: &'static str,
    /// Program for the executable's option `-c` that fails if a part of the tool is missing; `None`: it has no parts.
    pub probe: Option<&'static str>,
}

impl Tool {
    /// Finds the executable, if no part of the tool is missing.
    pub fn find(&self) -> Option<PathBuf> {
        if let Some(path) = self.variable.and_then(workspace::variable) {
            return Some(PathBuf::from(path)).filter(|path| self.is_whole(path));
        }
        let path = workspace::variable("PATH").unwrap_or_default();
        let folders: Vec<PathBuf> =
            std::env::split_paths(&path).chain(EXTRA_PATHS.map(PathBuf::from)).collect();
        let candidates =
            self.executables.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name)));
        candidates.into_iter().find(|path| self.is_whole(path))
    }

    fn is_whole(&self, executable: &Path) -> bool {
        let passes = |program: &str| {
            let mut command = Command::new(executable);
            command.args(["-c", program]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command.status().is_ok_and(|status| status.success())
        };
        executable.is_file() && self.probe.is_none_or(passes)
    }
}

/// Ensures that the tools exist; installs missing ones. The error lists what to install if that is not allowed.
pub fn require(tools: &[&Tool]) -> Result<()> {
    install(tools);
    let missing = list_missing(tools);
    if missing.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = missing.iter().map(|tool| install_hint(tool)).collect();
    bail!(
        "missing tools were not installed:\n{}\nAll at once: sudo apt-get install {}",
        lines.join("\n"),
        consent::packages(&missing).join(" ")
    );
}

/// Installs missing optional tools if allowed. Failures are ignored.
pub fn install(tools: &[&Tool]) {
    let missing = list_missing(tools);
    if missing.is_empty() || installer().is_none() || !consent::may_install(&missing) {
        return;
    }
    for tool in missing {
        // A previous package may have contained it.
        if tool.find().is_some() {
            continue;
        }
        for packages in tool.packages {
            let Some(mut command) = installer() else { return };
            eprintln!("installing {}", packages.join(" "));
            let status = process::run(command.args(*packages).stdout(Stdio::null()));
            if status.is_ok_and(|status| status.success()) || process::stop_requested() {
                break;
            }
        }
    }
}

fn list_missing<'p>(tools: &[&'p Tool]) -> Vec<&'p Tool> {
    tools.iter().copied().filter(|tool| tool.find().is_none()).collect()
}

/// The command of the package manager, if it is apt-get and may be used.
fn installer() -> Option<Command> {
    let there = |path: &str| Path::new(path).is_file();
    if !there("/usr/bin/apt-get") {
        return None;
    }
    root_shell(INSTALL_SCRIPT)
}

/// A shell that runs `script` as root with the arguments that follow; `None` without permission.
fn root_shell(script: &str) -> Option<Command> {
    let shell = ["sh", "-c", script, "install"];
    if rustix::process::geteuid().is_root() {
        let mut command = Command::new(shell[0]);
        command.args(&shell[1..]);
        return Some(command);
    }
    // `-n`: fail instead of asking for a password during a build.
    let mut probe = Command::new("sudo");
    probe.args(["-n", "true"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if !probe.status().is_ok_and(|status| status.success()) {
        return None;
    }
    let mut command = Command::new("sudo");
    command.arg("-n").args(shell);
    Some(command)
}

fn install_hint(tool: &Tool) -> String {
    let packages = tool.packages.first().map(|packages| packages.join(" ")).unwrap_or_default();
    format!(
        "  {}: no {} in PATH or {}. Install it (Debian, Ubuntu: sudo apt-get install {packages}){}.",
        tool.name,
        tool.executables.join(" or "),
        EXTRA_PATHS[0],
        tool.otherwise,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const MISSING_TOOL: Tool = Tool {
        name: "the philosopher's stone",
        variable: None,
        executables: &["flysk-no-such-tool"],
        packages: &[],
        otherwise: ", or do without gold",
        probe: None,
    };

    #[test]
    fn a_shell_is_found_and_a_philosophers_stone_is_not() {
        let shell = Tool { name: "a shell", executables: &["flysk-no-such-tool", "sh"], ..MISSING_TOOL };
        assert!(shell.find().unwrap().ends_with("sh"));
        assert_eq!(MISSING_TOOL.find(), None);
    }

    #[test]
    fn a_tool_without_a_part_is_missing() {
        let shell = |probe| Tool { executables: &["sh"], probe: Some(probe), ..MISSING_TOOL };
        assert!(shell("exit 0").find().is_some());
        assert_eq!(shell("exit 1").find(), None);
        let error = require(&[&shell("exit 1")]).unwrap_err().to_string();
        assert!(error.contains("the philosopher's stone"), "{error}");
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = require(&[&MISSING_TOOL]).unwrap_err().to_string();
        assert!(error.contains("the philosopher's stone"), "{error}");
        assert!(error.contains("flysk-no-such-tool"), "{error}");
        assert!(error.contains("or do without gold"), "{error}");
    }
}
