//! `cargo xtask clients`: generates clients from `api/openapi.json` with three generators, compiles them, and drives a charge, a
//! refund and an error with each against the running API. Builds the SDKs of `sdk/`, too, and runs their tests against it.
//!
//! The generators come from `PyPI` and npm, with pinned versions, into `target/clients`. `OpenAPI` Generator is a Java program in
//! a package of `PyPI`; its archive contains the libraries that its clients need.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::client_programs::{Venv, emptied, write_run};
use super::{prepare, sdks, test};
use crate::services::Database;
use crate::test_summary::TestSummary;
use crate::tools::{self, JAVA, JAVAC, Node, PYTHON_VENV};
use crate::{process, workspace};

/// Variable with the directory of the clients, for the test that runs them.
pub(super) const CLIENTS_VARIABLE: &str = "FLYSK_GENERATED_CLIENTS";
/// The test that runs the generated clients. It is ignored by default, because it needs them.
const TEST: &str = "generated_clients_charge_refund_and_read_an_error";
/// Properties of the Java client: only the API and its models, with the libraries that the generator's archive contains.
const JAVA_PROPERTIES: &str = "openApiNullable=false,annotationLibrary=none,documentationProvider=none,\
    hideGenerationTimestamp=true,invokerPackage=dev.flysk,apiPackage=dev.flysk.api,modelPackage=dev.flysk.model,\
    disallowAdditionalPropertiesIfNotPresent=false";

/// Drives the generated clients and the SDKs; counts the tests.
pub(super) fn count_generated(database: Database, summary: &mut TestSummary) -> Result<()> {
    let mut scope = vec!["--workspace", "--test", "platform", "--", "--ignored", TEST];
    scope.extend(sdks::TESTS);
    test::count_built(database, &scope, summary)
}

/// Generates, compiles and drives the clients and the SDKs.
pub fn run() -> Result<()> {
    prepare()?;
    test::build(true)?;
    generate()?;
    let mut summary = TestSummary::default();
    count_generated(Database::from_process()?, &mut summary)
}

/// The directory of the clients: each in a directory with an executable `run`.
pub(super) fn directory() -> PathBuf {
    workspace::target().join("clients")
}

/// Generates and compiles the clients, and builds the SDKs. Needs `api/openapi.json` and nothing that cargo builds.
pub(super) fn generate() -> Result<()> {
    tools::require(&[&PYTHON_VENV, &JAVA, &JAVAC])?;
    let node = Node::require()?;
    let all = directory();
    fs::create_dir_all(&all).with_context(|| all.display().to_string())?;
    let venv = Venv::install(all.join("venv"), &sources("python").join("requirements.txt"))?;
    python(&all.join("python"), &venv)?;
    typescript(&all.join("typescript"), &node)?;
    java(&all.join("java"), &venv)?;
    sdks::install(&all, &node)
}

/// Programs that use a client, in the repository.
fn sources(client: &str) -> PathBuf {
    workspace::root().join("tests").join("clients").join(client)
}

fn document() -> PathBuf {
    workspace::root().join("api").join("openapi.json")
}

fn python(to: &Path, venv: &Venv) -> Result<()> {
    emptied(to)?;
    let mut generator = Command::new(venv.program("openapi-python-client"));
    // A warning is a part of the document that the client lacks.
    generator.args(["generate", "--fail-on-warning", "--meta", "none", "--path"]).arg(document());
    generator.arg("--config").arg(sources("python").join("config.yml"));
    process::check("openapi-python-client", generator.arg("--output-path").arg(to.join("client")))?;
    fs::copy(sources("python").join("drive.py"), to.join("drive.py"))?;
    let mut compile = Command::new(venv.program("python"));
    process::check("compiling the Python client", compile.args(["-m", "compileall", "-q"]).arg(to))?;
    write_run(to, &format!("exec '{}' drive.py", venv.program("python").display()))
}

fn typescript(to: &Path, node: &Node) -> Result<()> {
    fs::create_dir_all(to).with_context(|| to.display().to_string())?;
    for file in ["drive.ts", "package.json", "package-lock.json", "tsconfig.json"] {
        fs::copy(sources("typescript").join(file), to.join(file)).with_context(|| file.to_owned())?;
    }
    let mut install = node.npm(to);
    process::check("npm ci", install.args(["ci", "--silent", "--no-audit", "--no-fund"]))?;
    // The programs are scripts for Node.js; their links in `.bin` name whichever `node` is in `PATH`.
    let mut generator = node.command(to);
    generator.arg("node_modules/openapi-typescript/bin/cli.js").arg(document()).args(["--output", "api.ts"]);
    process::check("openapi-typescript", &mut generator)?;
    let mut compile = node.command(to);
    process::check(
        "compiling the TypeScript client",
        compile.args(["node_modules/typescript/bin/tsc", "--project", "."]),
    )?;
    write_run(to, &format!("exec '{}' drive.js", node.executable().display()))
}

fn java(to: &Path, venv: &Venv) -> Result<()> {
    emptied(to)?;
    let archive = venv.archive()?;
    let mut generator = Command::new(JAVA.find().context("java is not found any more")?);
    generator.arg("-jar").arg(&archive).args(["generate", "--generator-name", "java", "--library", "native"]);
    generator.arg("--input-spec").arg(document()).arg("--output").arg(to.join("client"));
    generator.arg("--additional-properties").arg(JAVA_PROPERTIES);
    // The generator advertises itself on standard output.
    process::check("OpenAPI Generator", generator.stdout(std::process::Stdio::null()))?;
    let mut files = Vec::new();
    collect_java(&to.join("client").join("src").join("main"), &mut files)?;
    collect_java(&sources("java"), &mut files)?;
    let classes = to.join("classes");
    let mut compile = Command::new(JAVAC.find().context("javac is not found any more")?);
    compile.args(["-nowarn", "-encoding", "UTF-8", "-cp"]).arg(&archive).arg("-d").arg(&classes).args(files);
    process::check("compiling the Java client", &mut compile)?;
    let java = JAVA.find().context("java is not found any more")?;
    let class_path = format!("{}:{}", classes.display(), archive.display());
    write_run(to, &format!("exec '{}' -cp '{class_path}' Drive", java.display()))
}

/// Adds all Java files below a directory.
fn collect_java(directory: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(directory).with_context(|| directory.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            collect_java(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "java") {
            files.push(path);
        }
    }
    Ok(())
}
