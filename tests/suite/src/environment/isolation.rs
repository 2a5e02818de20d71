//! Isolation of environments on shared servers: each has its own database and Redis prefix.

use std::thread;
use std::time::Duration;

use flysk_store::Pool;
use url::Url;

/// Timeout for the deletion. A server that is down needs no cleanup.
const WAIT_TIMEOUT: Duration = Duration::from_secs(15);

/// A database and a Redis prefix. Both are deleted on drop, unless they are to be kept.
#[derive(Debug)]
pub(super) struct Namespace {
    server: Url,
    redis_url: String,
    name: String,
    kept: bool,
}

impl Namespace {
    /// Creates a database, or reuses the one `kept` under this name.
    pub(super) async fn create(
        database_url: &str,
        redis_url: &str,
        kept: Option<&str>,
    ) -> anyhow::Result<Self> {
        let server: Url = database_url.parse()?;
        let name = kept.map_or_else(|| format!("test_{:016x}", rand::random::<u64>()), str::to_owned);
        run(&server, format!("CREATE DATABASE IF NOT EXISTS {name} CHARACTER SET utf8mb4")).await?;
        Ok(Self { server, redis_url: redis_url.to_owned(), name, kept: kept.is_some() })
    }

    /// Address of the database.
    pub(super) fn database_url(&self) -> String {
        let mut url = self.server.clone();
        url.set_path(&self.name);
        url.to_string()
    }

    /// Prefix of all Redis keys.
    pub(super) fn prefix(&self) -> &str {
        &self.name
    }

    async fn delete(&self) -> anyhow::Result<()> {
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

/// Runs on drop, so that a failed test or an interrupted demo also cleans up.
impl Drop for Namespace {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        // In a separate thread, because the current thread may run an async runtime, which must not block.
        let deleted = thread::scope(|scope| {
            let deletion = scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
                runtime.block_on(async { tokio::time::timeout(WAIT_TIMEOUT, self.delete()).await? })
            });
            deletion.join().unwrap_or_else(|_| Err(anyhow::anyhow!("the deletion panicked")))
        });
        if let Err(error) = deleted {
            tracing::warn!(error = %error, name = self.name, "the environment's data could not be deleted");
        }
    }
}

async fn run(server: &Url, statement: String) -> anyhow::Result<()> {
    let pool: Pool = flysk_store::connect(server.as_str(), 1).await?;
    sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&pool).await?;
    pool.close().await;
    Ok(())
}
