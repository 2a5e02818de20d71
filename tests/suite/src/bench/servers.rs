//! The servers everything is measured on.

use std::path::PathBuf;

use anyhow::Context as _;
use flysk_runtime::Env;
use flysk_runtime::config::{Database, Redis};
use flysk_store::Pool;
use secrecy::ExposeSecret as _;

/// MySQL, Redis, and the folder with our executables.
#[derive(Debug, Clone)]
pub(super) struct Servers {
    /// MySQL.
    pub(super) database_url: String,
    /// Redis.
    pub(super) redis_url: String,
    /// Where this executable and the others of its build lie.
    pub(super) binaries: PathBuf,
}

impl Servers {
    /// Those of `DATABASE_URL` and `REDIS_URL`.
    pub(super) fn from_process() -> anyhow::Result<Self> {
        let env = Env::from_process();
        let hint = "run `cargo xtask bench`, which starts private servers";
        Ok(Self {
            database_url: Database::from_env(&env).context(hint)?.url.expose_secret().to_owned(),
            redis_url: Redis::from_env(&env).context(hint)?.url.expose_secret().to_owned(),
            binaries: binaries()?,
        })
    }

    /// A fresh database on the same server, migrated; its address, and connections to it.
    pub(super) async fn fresh_database(&self) -> anyhow::Result<(String, Pool)> {
        let mut url: url::Url = self.database_url.parse()?;
        let name = format!("bench_{:016x}", rand::random::<u64>());
        let create = format!("CREATE DATABASE {name} CHARACTER SET utf8mb4");
        let pool = flysk_store::connect(url.as_str(), 1).await?;
        sqlx::query(sqlx::AssertSqlSafe(create)).execute(&pool).await?;
        pool.close().await;
        url.set_path(&name);
        let pool = flysk_store::connect(url.as_str(), 32).await?;
        flysk_migrations::MIGRATOR.run(&pool).await?;
        Ok((url.to_string(), pool))
    }

    /// A connection to Redis for looking.
    pub(super) async fn redis(&self) -> anyhow::Result<redis::aio::MultiplexedConnection> {
        Ok(redis::Client::open(self.redis_url.as_str())?.get_multiplexed_async_connection().await?)
    }
}

/// The folder this executable lies in.
pub(super) fn binaries() -> anyhow::Result<PathBuf> {
    Ok(std::env::current_exe()?.parent().context("an executable lies in a folder")?.to_owned())
}
