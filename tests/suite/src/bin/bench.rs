//! `flysk-bench`: measures the tables of `docs/benchmarks.md`; run by `cargo xtask bench`.

use clap::Parser;
use flysk_suite::bench::Bench;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    Bench::parse().run().await
}
