//! Servers that the benchmarks run on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use flysk_config::Env;
use flysk_config::{Database, Redis};
use flysk_queue::{RedisConnection, connect_redis};
use flysk_store::Pool;
use secrecy::ExposeSecret as _;

use crate::environment::{Options, RECORDINGS};

/// Longest path of a socket that the system takes, bytes (`sockaddr_un`, without its last zero).
const MAX_SOCKET_PATH_LEN: usize = 107;

/// MySQL, Redis, and the directory of our executables.
#[derive(Debug, Clone)]
pub(super) struct Servers {
    /// Address of MySQL.
    pub(super) database_url: String,
    /// Address of Redis.
    pub(super) redis_url: String,
    /// Directory of this executable and the others of its build.
    pub(super) binaries: PathBuf,
}

impl Servers {
    /// Servers of `DATABASE_URL` and `REDIS_URL`.
    pub(super) fn from_process() -> anyhow::Result<Self> {
        let env = Env::from_process();
        let hint = "run `cargo xtask bench`, which starts private servers";
        Ok(Self {
            database_url: Database::from_env(&env).context(hint)?.url.expose_secret().to_owned(),
            redis_url: Redis::from_env(&env).context(hint)?.url.expose_secret().to_owned(),
            binaries: binaries()?,
        })
    }

    /// Creates and migrates a database on the same server; returns its address and a pool.
    pub(super) async fn fresh_database(&self) -> anyhow::Result<(String, Pool)> {
        let mut url: url::Url = self.database_url.parse()?;
        let name = format!("bench_{:016x}", rand::random::<u64>());
        let create = format!("CREATE DATABASE {name} CHARACTER SET utf8mb4");
        let pool = flysk_store::connect(url.as_str(), 1).await?;
        sqlx::query(sqlx::AssertSqlSafe(create)).execute(&pool).await?;
        pool.close().await;
        url.set_path(&name);
        let pool = flysk_store::connect(url.as_str(), 32).await?;
        flysk_migrations::migrate(&pool).await?;
        Ok((url.to_string(), pool))
    }

    /// The same servers, with the database over the Unix socket of its server; `None` if the socket is no file of this machine, or the
    /// user of the address is not known there.
    ///
    /// # Errors
    ///
    /// The server cannot be asked for its socket.
    pub(super) async fn over_socket(&self) -> anyhow::Result<Option<Self>> {
        let pool = flysk_store::connect(&self.database_url, 1).await?;
        // A path that is not absolute is one below the data directory.
        let (directory, socket): (String, String) =
            sqlx::query_as("SELECT CAST(@@datadir AS CHAR), CAST(@@socket AS CHAR)").fetch_one(&pool).await?;
        pool.close().await;
        let path = Path::new(&directory).join(socket);
        let Some(path) = path.to_str().filter(|path| path.len() <= MAX_SOCKET_PATH_LEN) else {
            return Ok(None);
        };
        if !Path::new(path).exists() {
            return Ok(None);
        }
        let mut url: url::Url = self.database_url.parse()?;
        url.query_pairs_mut().append_pair("socket", path);
        let Ok(pool) = flysk_store::connect(url.as_str(), 1).await else { return Ok(None) };
        pool.close().await;
        Ok(Some(Self { database_url: url.to_string(), ..self.clone() }))
    }

    /// Options of an environment on these servers, with recognitions that end at once.
    pub(super) fn environment(&self) -> Options {
        let recordings = xtask::workspace::root().join(RECORDINGS);
        Options {
            database_url: self.database_url.clone(),
            redis_url: self.redis_url.clone(),
            binaries: self.binaries.clone(),
            pace: 0.0,
            manifest: recordings.join("manifest.json"),
            recordings,
            welcome_bonus: None,
            kept: None,
            starts_switched_off: false,
            more: BTreeMap::new(),
        }
    }

    /// Connection to Redis for assertions.
    pub(super) async fn redis(&self) -> anyhow::Result<RedisConnection> {
        Ok(connect_redis(&self.redis_url).await?)
    }
}

/// Directory of this executable.
pub(super) fn binaries() -> anyhow::Result<PathBuf> {
    Ok(std::env::current_exe()?.parent().context("an executable lies in a folder")?.to_owned())
}
