//! `flysk-sandbox`: Flysk for the CI of vendors, on one clock that they move.

use std::process::ExitCode;

use clap::Parser as _;
use flysk_config::process::{exit_code, telemetry};
use flysk_sandbox::ServiceOptions;

#[tokio::main]
async fn main() -> ExitCode {
    exit_code(run(ServiceOptions::parse()).await)
}

async fn run(options: ServiceOptions) -> anyhow::Result<()> {
    // Standard output has one line, the JSON for the program that started this one.
    telemetry::install_for_tool("error")?;
    Box::pin(flysk_sandbox::run(options)).await
}
