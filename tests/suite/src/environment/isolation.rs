//! Isolation of environments on shared servers: each has its own database and Redis prefix.

use std::thread;
use std::time::Duration;

use flysk_queue::connect_redis;
use flysk_store::Pool;

/// Timeout for the deletion. A server that is down needs no cleanup.
const WAIT_TIMEOUT: Duration = Duration::from_mins(2);

/// A database and a Redis prefix. Both are deleted on drop, unless they are to be kept.
#[derive(Debug)]
pub(super) struct Namespace {
    server: String,
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
        let name = kept.map_or_else(|| format!("test_{:016x}", rand::random::<u64>()), str::to_owned);
        let create = format!("CREATE DATABASE IF NOT EXISTS {name} CHARACTER SET utf8mb4");
        run(database_url, create).await?;
        Ok(Self {
            server: database_url.to_owned(),
            redis_url: redis_url.to_owned(),
            name,
            kept: kept.is_some(),
        })
    }

    /// Address of the database.
    pub(super) fn database_url(&self) -> String {
        with_database(&self.server, &self.name)
    }

    /// Address of the database on this server.
    pub(super) fn database_url_on(&self, server: &str) -> String {
        with_database(server, &self.name)
    }

    /// Prefix of all Redis keys.
    pub(super) fn prefix(&self) -> &str {
        &self.name
    }

    async fn delete(&self) -> anyhow::Result<()> {
        run(&self.server, format!("DROP DATABASE IF EXISTS {}", self.name)).await?;
        let mut redis = connect_redis(&self.redis_url).await?;
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

/// The URL with another database. It may list several hosts, which [`url::Url`] does not read.
pub(super) fn with_database(url: &str, database: &str) -> String {
    let authority = url.find("://").map_or(0, |scheme| scheme + 3);
    let end = url[authority..].find(['/', '?', '#']).map_or(url.len(), |at| authority + at);
    let (server, path) = url.split_at(end);
    let options = path.find(['?', '#']).map_or("", |at| &path[at..]);
    format!("{server}/{database}{options}")
}

pub(super) async fn run(server: &str, statement: String) -> anyhow::Result<()> {
    let pool: Pool = flysk_store::connect(server, 1).await?;
    sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&pool).await?;
    pool.close().await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::with_database;

    #[test]
    fn a_url_of_one_or_several_servers_gets_the_database() {
        for (url, wanted) in [
            ("mysql://u:p@a:1,b:2/flysk?ssl-mode=REQUIRED", "mysql://u:p@a:1,b:2/test?ssl-mode=REQUIRED"),
            ("mysql://u:p@a:1/flysk", "mysql://u:p@a:1/test"),
            ("mysql://a", "mysql://a/test"),
        ] {
            assert_eq!(with_database(url, "test"), wanted);
        }
    }
}
