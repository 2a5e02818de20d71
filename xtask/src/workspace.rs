//! Paths of the workspace, and calls of cargo.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Root directory of the repository.
pub fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// Cargo's output directory.
pub fn target() -> PathBuf {
    variable("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// Directory of executables of `cargo build` without `--release`.
pub fn debug_binaries() -> PathBuf {
    target().join("debug")
}

/// A variable of the environment; `None` if it is unset or blank.
#[expect(clippy::disallowed_methods, reason = "the one place xtask reads its environment")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.trim().is_empty())
}

/// Command `cargo` with these arguments in the repository.
///
/// Does not pass on the variables that cargo sets for xtask's own package, because build scripts that watch them would
/// run again each time.
pub fn cargo<const N: usize>(args: [&str; N]) -> Command {
    let mut command = Command::new(variable("CARGO").unwrap_or_else(|| "cargo".to_owned()));
    command.current_dir(root()).args(args);
    for (name, _) in std::env::vars_os() {
        let known = name.to_str().unwrap_or_default();
        if known.starts_with("CARGO_PKG_") || known.starts_with("CARGO_MANIFEST_") {
            command.env_remove(name);
        }
    }
    command
}
