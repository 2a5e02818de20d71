//! The health check of the sandbox in `compose.yaml`.

use std::process::Command;

use anyhow::Context as _;

use super::start;

#[tokio::test(flavor = "multi_thread")]
async fn compose_asks_the_sandbox_whether_it_is_ready() -> anyhow::Result<()> {
    let compose = include_str!("../../../../../compose.yaml");
    let (_, script) = compose.split_once("        - >-\n").context("compose.yaml has a folded script")?;
    let lines = script.lines().take_while(|line| line.starts_with("          "));
    let script = lines.map(str::trim).collect::<Vec<_>>().join(" ");
    let passes = |port: &str| {
        let script = script.replace("127.0.0.1/8080", &format!("127.0.0.1/{port}"));
        anyhow::Ok(Command::new("bash").args(["-c", &script]).status()?.success())
    };
    let sandbox = start()?;
    let port = sandbox.text("/url").rsplit(':').next().context("a port")?.to_owned();
    assert!(passes(&port)?, "{script}");
    sandbox.stop()?;
    assert!(!passes(&port)?, "nobody listens any more");
    Ok(())
}
