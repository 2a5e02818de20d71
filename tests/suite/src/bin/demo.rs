//! `flysk-demo`: end-to-end demo; run by `cargo xtask demo` and `cargo xtask dev`.

use clap::Parser;
use flysk_suite::demo::Demo;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let failed = Box::pin(Demo::parse().run()).await?;
    if failed {
        std::process::exit(1);
    }
    Ok(())
}
