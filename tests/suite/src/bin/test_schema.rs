//! `flysk-test-schema FILE`: migrates a database on the server of `DATABASE_URL`, and writes the statements that give other
//! databases of the server its schema; run by `cargo xtask test`.

use anyhow::Context as _;
use flysk_config::{Database, Env};
use flysk_suite::environment::copy_schema;
use secrecy::ExposeSecret as _;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let file = std::env::args_os().nth(1).context("FILE")?;
    let database = Database::from_env(&Env::from_process())?;
    std::fs::write(file, copy_schema(database.url.expose_secret()).await?)?;
    Ok(())
}
