//! Runs the example of a paid widget in `docs/examples/paid-widget` as the CI of a vendor does: its files, the SDK for Python, a database,
//! Redis, and the executable of the sandbox.

use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use flysk_suite::environment::Options;

use super::sdks;

const EXAMPLE: &str = "../../docs/examples/paid-widget";
/// Its program of tests.
const TESTS: &str = "test_backend.py";
/// Directories of the system's programs.
const SYSTEM_PROGRAMS: &str = "/usr/local/bin:/usr/bin:/bin";

/// The step of the workflow that runs the tests.
fn step(workflow: &str) -> anyhow::Result<String> {
    let steps = workflow.lines().filter_map(|line| line.trim().strip_prefix("- run: "));
    let step = steps.into_iter().find(|step| step.contains(TESTS)).context("the workflow runs the tests")?;
    Ok(step.to_owned())
}

#[test]
#[ignore = "needs the SDKs that `cargo xtask clients` builds"]
fn the_example_of_a_paid_widget_passes_its_ci() -> anyhow::Result<()> {
    let (options, folder) = (Options::with_fixtures(0.0)?, tempfile::tempdir()?);
    let example = Path::new(EXAMPLE);
    for file in ["backend.py", TESTS, "widget.json"] {
        std::fs::copy(example.join(file), folder.path().join(file))?;
    }
    let programs = sdks::directory().join("sdk-python-venv").join("bin");
    let output = Command::new("sh")
        .args(["-c", &step(&std::fs::read_to_string(example.join("ci.yml"))?)?])
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", format!("{}:{SYSTEM_PROGRAMS}", programs.display()))
        .env("FLYSK_SANDBOX", options.binaries.join("flysk-sandbox"))
        .env("DATABASE_URL", &options.database_url)
        .env("REDIS_URL", &options.redis_url)
        .output()?;
    let [printed, told] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    assert!(output.status.success(), "{printed}\n{told}");
    assert!(told.contains("Ran 10 tests") && told.trim_end().ends_with("OK"), "{told}");
    Ok(())
}

/// The workflow takes the executable from a stage that exists, and the SDK from where it is.
#[test]
fn the_workflow_of_the_example_names_what_there_is() -> anyhow::Result<()> {
    let workflow = std::fs::read_to_string(Path::new(EXAMPLE).join("ci.yml"))?;
    let dockerfile = std::fs::read_to_string("../../Dockerfile")?;
    assert_eq!(step(&workflow)?, format!("python3 {TESTS} --verbose"));
    assert!(workflow.contains("--target sandbox") && dockerfile.contains(" AS sandbox\n"));
    assert!(workflow.contains(":/usr/local/bin/flysk-sandbox"));
    assert!(
        workflow.contains("#subdirectory=sdk/python")
            && Path::new("../../sdk/python/pyproject.toml").is_file()
    );
    Ok(())
}
