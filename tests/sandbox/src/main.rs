//! `flysk-sandbox`: Flysk for the CI of vendors, on one clock that they move.

use clap::Parser as _;
use flysk_sandbox::ServiceOptions;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    // Standard output has one line, the JSON for the program that started this one.
    let filter = tracing_subscriber::EnvFilter::try_from_default_env();
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("error"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    Box::pin(flysk_sandbox::run(ServiceOptions::parse())).await
}
