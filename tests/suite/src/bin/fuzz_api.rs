//! `flysk-fuzz-api`: runs schemathesis on the OpenAPI document; run by `cargo xtask fuzz-api`.

use clap::Parser;
use flysk_suite::fuzz::FuzzApi;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    if !FuzzApi::parse().run().await? {
        std::process::exit(1);
    }
    Ok(())
}
