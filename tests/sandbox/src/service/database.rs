//! A database of its own for a sandbox.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use flysk_store::{Conn, Pool};
use url::Url;

use super::print;

/// Prefix of all names: a sandbox deletes everything in its database, so it takes no other.
const PREFIX: &str = "sandbox_";
/// Length that MySQL allows for a name.
const MAX_NAME_LEN: usize = 64;
/// Connections: one for each job and request at the same time, and some more.
const MAX_CONNECTIONS: u32 = 32;
/// Tables that a sandbox never empties: what migrations have written, and the vendor that every widget belongs to.
const KEPT_TABLES: [&str; 2] = ["_sqlx_migrations", "vendors"];

/// Time that deleting one table may take on a busy machine.
const STEP_TIME: Duration = Duration::from_mins(1);
/// Time after which people are told how far the deletion is.
const TELL_EVERY: Duration = Duration::from_secs(5);
/// Tables of a database.
const TABLES: &str = "SELECT CAST(table_name AS CHAR) FROM information_schema.tables
     WHERE table_schema = ? AND table_type = 'BASE TABLE'";

/// A migrated database without rows.
#[derive(Debug)]
pub(super) struct PrivateDatabase {
    server: Url,
    pub(super) name: String,
    pub(super) pool: Pool,
    /// Whether it outlives the sandbox.
    kept: bool,
    /// Time that creating and migrating took.
    pub(super) prepared_in: Duration,
}

impl PrivateDatabase {
    /// Creates the database on a server, or takes the one with this name, migrates it, and deletes all rows.
    ///
    /// # Errors
    ///
    /// The name is not one of a sandbox, the server is not reachable, or its user may not create databases.
    pub(super) async fn open(server: &str, name: Option<String>, kept: bool) -> anyhow::Result<Self> {
        let began = Instant::now();
        let server: Url = server.parse().context("the database's URL is not valid")?;
        let name = name.unwrap_or_else(|| format!("{PREFIX}{:016x}", rand::random::<u64>()));
        check_name(&name)?;
        run_on(&server, format!("CREATE DATABASE IF NOT EXISTS {name} CHARACTER SET utf8mb4"))
            .await
            .context("the database cannot be created")?;
        let mut url = server.clone();
        url.set_path(&name);
        let pool = flysk_store::connect_trusting(url.as_str(), MAX_CONNECTIONS).await?;
        let database = Self { server, name, pool, kept, prepared_in: Duration::ZERO };
        let prepared = database.prepare().await;
        match prepared {
            Ok(()) => Ok(Self { prepared_in: began.elapsed(), ..database }),
            Err(error) => {
                database.close().await?;
                Err(error)
            }
        }
    }

    async fn prepare(&self) -> anyhow::Result<()> {
        flysk_migrations::migrate(&self.pool).await.context("the database cannot be migrated")?;
        clear(&self.pool).await
    }

    /// Closes the connections and deletes the database, unless it is kept. Deleting goes on as long as it gets further.
    ///
    /// # Errors
    ///
    /// The server is not reachable any more, or a table is not deleted in time. The error tells the name of the database.
    pub(super) async fn close(self) -> anyhow::Result<()> {
        // A connection that does not come back ends with the process.
        let _closed = tokio::time::timeout(STEP_TIME, self.pool.close()).await;
        if self.kept {
            return Ok(());
        }
        let name = &self.name;
        // Told first, so that the name is known even if the process is killed meanwhile.
        tell(&format!("Deleting the database {name}"));
        self.delete().await.with_context(|| {
            format!("the database {name} was not deleted; delete it with: DROP DATABASE {name}")
        })
    }

    /// Deletes table by table: each is a step of its own, whose time is limited.
    async fn delete(&self) -> anyhow::Result<()> {
        let (name, pool) = (&self.name, flysk_store::connect(self.server.as_str(), 1).await?);
        let mut conn = pool.acquire().await?;
        let tables: Vec<String> = sqlx::query_scalar(TABLES).bind(name).fetch_all(&mut *conn).await?;
        let mut told_at = Instant::now();
        for (deleted, table) in tables.iter().enumerate() {
            if told_at.elapsed() >= TELL_EVERY {
                tell(&format!("{deleted} of {} tables are deleted", tables.len()));
                told_at = Instant::now();
            }
            step(STEP_TIME, &mut conn, format!("DROP TABLE IF EXISTS {name}.{table}")).await?;
        }
        step(STEP_TIME, &mut conn, format!("DROP DATABASE IF EXISTS {name}")).await?;
        drop(conn);
        pool.close().await;
        Ok(())
    }
}

/// Runs a statement that must end in time.
async fn step(limit: Duration, conn: &mut Conn, statement: String) -> anyhow::Result<()> {
    let late = format!("`{statement}` takes longer than {} s", limit.as_secs());
    let ran = sqlx::query(sqlx::AssertSqlSafe(statement)).execute(conn);
    tokio::time::timeout(limit, ran).await.context(late)??;
    Ok(())
}

/// Tells people something; the reader may have gone.
fn tell(text: &str) {
    if let Err(error) = print(std::io::stderr().lock(), text) {
        tracing::debug!(%error, "nobody reads standard error");
    }
}

/// Deletes all rows of a sandbox's database.
///
/// # Errors
///
/// The database failed.
pub(super) async fn clear(pool: &Pool) -> anyhow::Result<()> {
    let mut conn = pool.acquire().await?;
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT CAST(table_name AS CHAR) FROM information_schema.tables
         WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE'",
    )
    .fetch_all(&mut *conn)
    .await?;
    for table in tables {
        if KEPT_TABLES.contains(&table.as_str()) {
            continue;
        }
        // Prices that a migration has written stay.
        let condition = if table == "price_rules" { " WHERE service NOT LIKE 'flysense.%'" } else { "" };
        let statement = format!("DELETE FROM {table}{condition}");
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut *conn).await?;
    }
    Ok(())
}

/// Only a sandbox's names, whose characters need no quotes.
fn check_name(name: &str) -> anyhow::Result<()> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    let rest = name.strip_prefix(PREFIX).unwrap_or_default();
    ensure!(
        !rest.is_empty() && rest.bytes().all(plain) && name.len() <= MAX_NAME_LEN,
        "`{name}` is not a sandbox's database: its name begins with `{PREFIX}` and has a-z, 0-9 and `_`, at most \
         {MAX_NAME_LEN} characters, because everything in it is deleted"
    );
    Ok(())
}

async fn run_on(server: &Url, statement: String) -> anyhow::Result<()> {
    let pool = flysk_store::connect(server.as_str(), 1).await?;
    let ran = sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&pool).await;
    pool.close().await;
    ran?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_databases_of_sandboxes_are_emptied() {
        for name in ["sandbox_ci", "sandbox_0123456789abcdef"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["flysk", "sandbox_", "sandbox_x; DROP", "sandbox_X", "mysql"] {
            assert!(check_name(name).is_err(), "{name}");
        }
        assert!(check_name(&"sandbox_x".repeat(8)).is_err(), "too long");
    }
}
