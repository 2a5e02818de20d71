//! A sandbox whose clock runs.

use flysk_suite::environment::{Options, SandboxProcess};

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_starts_on_a_clock_that_runs() -> anyhow::Result<()> {
    let sandbox = SandboxProcess::start(&Options::with_fixtures(0.0)?, &["--clock", "running"])?;
    assert_eq!(sandbox.text("/clock/mode"), "running");
    assert_eq!(sandbox.text("/accounts/0/status"), "active");
    sandbox.stop()
}
