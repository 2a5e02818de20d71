//! Where a stand keeps its state: on servers that may be anybody's, in a database and under a prefix of its own.

use std::thread;
use std::time::Duration;

use flysk_store::Pool;
use url::Url;

/// How long leaving may take; a server that is gone has nothing left to be cleared away.
const PATIENCE: Duration = Duration::from_secs(15);

/// A database and a prefix of Redis; dropped, nothing is left of them, unless they are to be kept.
#[derive(Debug)]
pub(super) struct Lodging {
    server: Url,
    redis_url: String,
    name: String,
    kept: bool,
}

impl Lodging {
    /// Makes a database of its own, or takes up the one that was `kept` under this name.
    pub(super) async fn take(
        database_url: &str,
        redis_url: &str,
        kept: Option<&str>,
    ) -> anyhow::Result<Self> {
        let server: Url = database_url.parse()?;
        let name = kept.map_or_else(|| format!("stand_{:016x}", rand::random::<u64>()), str::to_owned);
        run(&server, format!("CREATE DATABASE IF NOT EXISTS {name} CHARACTER SET utf8mb4")).await?;
        Ok(Self { server, redis_url: redis_url.to_owned(), name, kept: kept.is_some() })
    }

    /// The database.
    pub(super) fn database_url(&self) -> String {
        let mut url = self.server.clone();
        url.set_path(&self.name);
        url.to_string()
    }

    /// What all keys begin with.
    pub(super) fn prefix(&self) -> &str {
        &self.name
    }

    async fn leave(&self) -> anyhow::Result<()> {
        run(&self.server, format!("DROP DATABASE IF EXISTS {}", self.name)).await?;
        let mut redis =
            redis::Client::open(self.redis_url.as_str())?.get_multiplexed_async_connection().await?;
        let mut cursor = 0_u64;
        loop {
            let (next, keys): (u64, Vec<String>) = redis::cmd("SCAN")
                .arg(cursor)
                .arg("MATCH")
                .arg(format!("{}:*", self.name))
                .arg("COUNT")
                .arg(1_000)
                .query_async(&mut redis)
                .await?;
            if !keys.is_empty() {
                redis::cmd("UNLINK").arg(&keys).query_async::<()>(&mut redis).await?;
            }
            cursor = next;
            if cursor == 0 {
                return Ok(());
            }
        }
    }
}

/// A test that fails, or a demonstration that is interrupted, clears away as well.
impl Drop for Lodging {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        // A thread of its own: here may be anything, a runtime that must not be blocked on among it.
        let left = thread::scope(|scope| {
            let leaving = scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                runtime.block_on(async { tokio::time::timeout(PATIENCE, self.leave()).await? })
            });
            leaving.join().unwrap_or_else(|_| Err(anyhow::anyhow!("leaving panicked")))
        });
        if let Err(error) = left {
            tracing::warn!(error = %error, name = self.name, "a stand could not be cleared away");
        }
    }
}

async fn run(server: &Url, statement: String) -> anyhow::Result<()> {
    let pool: Pool = flysk_store::connect(server.as_str(), 1).await?;
    sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&pool).await?;
    pool.close().await;
    Ok(())
}
