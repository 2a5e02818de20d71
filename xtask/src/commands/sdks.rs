//! The SDKs of `sdk/`: their generated files, and their packages, built and installed as vendors do it, for the test that runs
//! their tests against the API and against `flysk-sandbox`.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::client_programs::{Venv, emptied, write_run};
use crate::tools::{self, Node, PYTHON};
use crate::{process, workspace};

/// The tests that need the packages: they run the SDKs' tests, and the example of a widget's backend. They are ignored by default.
pub(super) const TESTS: [&str; 3] = [
    "the_sdks_pass_their_tests_against_the_api",
    "the_sdks_pass_their_tests_against_the_sandbox",
    "the_example_of_a_paid_widget_passes_its_ci",
];
/// Python program that writes the SDKs' types and methods. It needs nothing but Python.
const GENERATOR: &str = "sdk/generator";
/// Signatures of events, for the tests of both SDKs, beside them.
const SIGNATURE_CASES: &str = "signature-cases.json";
/// Names that a copy of an SDK does not take along: what is installed or built.
const BUILT: [&str; 3] = ["node_modules", "dist", "__pycache__"];
/// Files without which the package for Node.js is of no use.
const NEEDED_IN_PACKAGE: [&str; 4] = ["package.json", "README.md", "dist/index.js", "dist/index.d.ts"];

/// Writes the generated files from `api/openapi.json`; returns those that have changed.
pub(super) fn write_generated() -> Result<Vec<String>> {
    run_generator(&[])
}

/// The generated files that are out of date.
pub(super) fn stale_generated() -> Result<Vec<String>> {
    run_generator(&["--check"])
}

fn run_generator(arguments: &[&str]) -> Result<Vec<String>> {
    tools::require(&[&PYTHON])?;
    let python = PYTHON.find().context("Python 3 is not found any more")?;
    let mut command = Command::new(python);
    // Without `__pycache__` beside the sources.
    command.arg("-B").arg(workspace::root().join(GENERATOR)).args(arguments);
    let printed = process::output(&mut command).context("cannot start Python")?;
    let printed = printed.with_context(|| format!("{GENERATOR} failed"))?;
    Ok(String::from_utf8(printed)?.lines().map(str::to_owned).collect())
}

/// Copies, builds and installs the SDKs below `all`, each with an executable `run` that runs its tests.
pub(super) fn install(all: &Path, node: &Node) -> Result<()> {
    fs::copy(workspace::root().join("sdk").join(SIGNATURE_CASES), all.join(SIGNATURE_CASES))
        .with_context(|| SIGNATURE_CASES.to_owned())?;
    install_python(&all.join("sdk-python"), all)?;
    install_node(&all.join("sdk-node"), node)
}

/// Builds the wheel and installs it, so that the tests see what is published, not the sources.
fn install_python(to: &Path, all: &Path) -> Result<()> {
    copy_sources("python", to)?;
    let venv = Venv::install(all.join("sdk-python-venv"), &to.join("tests").join("requirements.txt"))?;
    let mut install = Command::new(venv.program("pip"));
    install.args(["install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation"]);
    process::check("building the SDK for Python", install.arg("--force-reinstall").arg(to))?;
    write_run(to, &format!("exec '{}' -m pytest -q", venv.program("python").display()))
}

/// Compiles the package, and the program that shows which code of vendors compiles.
fn install_node(to: &Path, node: &Node) -> Result<()> {
    copy_sources("node", to)?;
    let mut install = node.npm(to);
    process::check("npm ci", install.args(["ci", "--silent", "--no-audit", "--no-fund"]))?;
    for project in [".", "test"] {
        let mut compile = node.command(to);
        compile.args(["node_modules/typescript/bin/tsc", "--project", project]);
        process::check("compiling the SDK for Node.js", &mut compile)?;
    }
    check_packed(to, node)?;
    write_run(
        to,
        &format!("exec '{}' --test --test-concurrency=1 test/*.test.mjs", node.executable().display()),
    )
}

/// Checks what `npm pack` would put into the package of vendors: the compiled files, and neither sources nor tests.
fn check_packed(to: &Path, node: &Node) -> Result<()> {
    let mut pack = node.npm(to);
    // It is compiled already, and npm's scripts print to the same output.
    pack.args(["pack", "--dry-run", "--json", "--ignore-scripts"]);
    let printed = process::output(&mut pack).context("cannot start npm")?.context("npm pack failed")?;
    let told: Value = serde_json::from_slice(&printed).context("the output of npm pack")?;
    check_packed_files(&packed_files(&told))
}

/// Paths of the files in the output of `npm pack --json`.
fn packed_files(told: &Value) -> Vec<&str> {
    let files = told.pointer("/0/files").and_then(Value::as_array);
    files.into_iter().flatten().filter_map(|file| file.get("path").and_then(Value::as_str)).collect()
}

fn check_packed_files(files: &[&str]) -> Result<()> {
    for needed in NEEDED_IN_PACKAGE {
        ensure!(files.contains(&needed), "the package for Node.js lacks {needed}: {files:?}");
    }
    let more: Vec<&str> = files.iter().copied().filter(|file| !is_published(file)).collect();
    ensure!(more.is_empty(), "the package for Node.js has {more:?}, which vendors do not need");
    Ok(())
}

fn is_published(file: &str) -> bool {
    file.starts_with("dist/") || NEEDED_IN_PACKAGE.contains(&file)
}

/// Copies the sources of an SDK into an empty directory.
fn copy_sources(sdk: &str, to: &Path) -> Result<()> {
    emptied(to)?;
    copy_below(&workspace::root().join("sdk").join(sdk), to)
}

fn copy_below(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from).with_context(|| from.display().to_string())? {
        let entry = entry?;
        let name = entry.file_name();
        if BUILT.iter().any(|built| name == *built) {
            continue;
        }
        let (source, target) = (entry.path(), to.join(&name));
        if source.is_dir() {
            fs::create_dir_all(&target).with_context(|| target.display().to_string())?;
            copy_below(&source, &target)?;
        } else {
            fs::copy(&source, &target).with_context(|| source.display().to_string())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_package_has_what_is_compiled_and_neither_sources_nor_tests() {
        let told = |last: &str| {
            let paths = NEEDED_IN_PACKAGE.into_iter().chain([last]);
            let files: Vec<Value> = paths.map(|path| json!({ "path": path, "size": 1 })).collect();
            json!([{ "name": "flysk", "files": files }])
        };
        let check = |told: &Value| check_packed_files(&packed_files(told));
        assert!(check(&told("dist/models/events.d.ts")).is_ok());
        assert!(check(&told("src/index.ts")).is_err() && check(&told("test/types.ts")).is_err());
        assert!(check(&json!([{ "files": [{ "path": "package.json" }] }])).is_err());
        assert!(check(&json!([])).is_err());
    }
}
