//! Runs the program of `docs/sandbox.md` as the CI of a vendor does: two files, Python, a database, Redis, and the executable.

use std::path::Path;
use std::process::Command;

use flysk_suite::environment::Options;
use xtask::tools::PYTHON;

use crate::document::files;
use crate::integrate::DOCUMENT;

/// Directories of the system's programs.
const SYSTEM_PROGRAMS: &str = "/usr/local/bin:/usr/bin:/bin";

#[test]
fn a_vendors_ci_passes_on_the_sandbox() -> anyhow::Result<()> {
    let options = Options::with_fixtures(0.0)?;
    let folder = tempfile::tempdir()?;
    for (document, file) in [(DOCUMENT, "backend.py"), ("../../docs/sandbox.md", "test_widget.py")] {
        let document = std::fs::read_to_string(document)?;
        std::fs::write(folder.path().join(file), files(&document)[file])?;
    }
    let output = Command::new(PYTHON.find().expect("Python 3"))
        .args(["test_widget.py", "--verbose"])
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", SYSTEM_PROGRAMS)
        .env("FLYSK_SANDBOX", options.binaries.join("flysk-sandbox"))
        .env("DATABASE_URL", &options.database_url)
        .env("REDIS_URL", &options.redis_url)
        .output()?;
    let [printed, told] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(output.status.success(), "{printed}\n{told}");
    assert!(told.contains("Ran 6 tests") && told.trim_end().ends_with("OK"), "{told}");
    Ok(())
}

/// Runs the program of the document, which must fail; returns what it says.
fn fails_without_a_sandbox(variables: &[(&str, &Path)]) -> anyhow::Result<String> {
    let folder = tempfile::tempdir()?;
    let document = std::fs::read_to_string("../../docs/sandbox.md")?;
    std::fs::write(folder.path().join("test_widget.py"), files(&document)["test_widget.py"])?;
    let output = Command::new(PYTHON.find().expect("Python 3"))
        .arg("test_widget.py")
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", SYSTEM_PROGRAMS)
        .envs(variables.iter().copied())
        .output()?;
    assert!(!output.status.success());
    Ok(String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_vendor_who_forgot_the_executable_or_the_servers_is_told_so() -> anyhow::Result<()> {
    let absent = fails_without_a_sandbox(&[("FLYSK_SANDBOX", Path::new("/nowhere/flysk-sandbox"))])?;
    assert!(absent.contains("the sandbox did not start: /nowhere/flysk-sandbox is not there"), "{absent}");
    let program = Options::with_fixtures(0.0)?.binaries.join("flysk-sandbox");
    let alone = fails_without_a_sandbox(&[("FLYSK_SANDBOX", program.as_path())])?;
    assert!(alone.contains("the sandbox did not start") && alone.contains("--database-url"), "{alone}");
    Ok(())
}

/// The workflow for GitHub runs the program of the document.
#[test]
fn the_example_workflow_runs_the_program_of_the_document() -> anyhow::Result<()> {
    let workflow = std::fs::read_to_string("../../docs/examples/sandbox-ci.yml")?;
    let dockerfile = std::fs::read_to_string("../../Dockerfile")?;
    assert!(workflow.contains("python3 test_widget.py"));
    assert!(
        workflow.contains("--target sandbox") && dockerfile.contains(" AS sandbox\n"),
        "the stage has this name"
    );
    assert!(workflow.contains(":/usr/local/bin/flysk-sandbox"));
    Ok(())
}
