//! Connections.

use std::str::FromStr;
use std::time::Duration;

use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use sqlx::{Connection as _, Executor};

use crate::StoreResult;

/// A pool of connections; clones share it.
pub type Pool = sqlx::MySqlPool;

/// How long work waits for a free connection where nothing else is said.
pub const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// How many prepared statements a connection keeps; they count against the server's `max_prepared_stmt_count`.
///
/// To give one up costs 40 ms where the server is reached by TCP, locks held meanwhile: sqlx tells of it in a packet of its
/// own, which gets no answer, and has Nagle's algorithm hold the next one back. So it is more than one connection comes
/// to use in the long run.
pub const STATEMENTS: usize = 256;

/// A connection that was not used for so long is asked whether it lives before it is handed out: the server may have
/// been restarted. To ask every time would be a round trip for each piece of work.
const STALE: Duration = Duration::from_secs(1);
/// How long a connection that is given back may take to answer.
const STUCK: Duration = Duration::from_secs(3);

/// [`connect_within`] the usual [`ACQUIRE_TIMEOUT`], for commands and tests.
pub async fn connect(url: &str, connections: u32) -> StoreResult<Pool> {
    connect_within(url, connections, ACQUIRE_TIMEOUT).await
}

/// Opens a pool on `url` (`mysql://user:password@host:port/database`) with at most `connections`; who wants
/// one more fails after `acquire_timeout`.
pub async fn connect_within(url: &str, connections: u32, acquire_timeout: Duration) -> StoreResult<Pool> {
    let options = MySqlConnectOptions::from_str(url)?.statement_cache_capacity(STATEMENTS);
    let pool = MySqlPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(acquire_timeout)
        .idle_timeout(Duration::from_mins(5));
    Ok(careful(pool).connect_with(options).await?)
}

/// A pool that treats its connections as all of ours do.
///
/// Each session runs at READ COMMITTED: the default level's gap locks make neighbouring rows of the
/// queue and the ledger wait for each other, and no statement of ours relies on them.
///
/// Work is dropped in the middle of a statement whenever a request or a job runs out of time. sqlx may then wait for an
/// answer that never comes before it takes the connection back, without end: after some hundreds of those the pool
/// would be empty for good. So whoever does not answer in time is closed.
pub fn careful(pool: MySqlPoolOptions) -> MySqlPoolOptions {
    pool.test_before_acquire(false)
        .before_acquire(|conn, seen| {
            Box::pin(async move {
                if seen.idle_for >= STALE {
                    conn.ping().await?;
                }
                Ok(true)
            })
        })
        .after_release(|conn, _| {
            Box::pin(async move {
                let stuck = |_| sqlx::Error::Io(std::io::ErrorKind::TimedOut.into());
                tokio::time::timeout(STUCK, conn.ping()).await.map_err(stuck)??;
                Ok(true)
            })
        })
        .after_connect(|conn, _| {
            Box::pin(async move {
                conn.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED").await?;
                conn.execute("SET SESSION innodb_lock_wait_timeout = 10").await?;
                Ok(())
            })
        })
}
