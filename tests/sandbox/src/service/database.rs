//! A database of its own for a sandbox.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use flysk_store::Pool;
use url::Url;

/// Prefix of all names: a sandbox deletes everything in its database, so it takes no other.
const PREFIX: &str = "sandbox_";
/// Length that MySQL allows for a name.
const MAX_NAME_LEN: usize = 64;
/// Connections: one for each job and request at the same time, and some more.
const MAX_CONNECTIONS: u32 = 32;
/// Tables that a sandbox never empties: what migrations have written, and the vendor that every widget belongs to.
const KEPT_TABLES: [&str; 2] = ["_sqlx_migrations", "vendors"];

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
        let pool = flysk_store::connect(url.as_str(), MAX_CONNECTIONS).await?;
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

    /// Closes the connections and deletes the database, unless it is kept.
    ///
    /// # Errors
    ///
    /// The server is not reachable any more.
    pub(super) async fn close(self) -> anyhow::Result<()> {
        self.pool.close().await;
        if self.kept {
            return Ok(());
        }
        run_on(&self.server, format!("DROP DATABASE IF EXISTS {}", self.name))
            .await
            .context("the database cannot be deleted")
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
