//! Connections.

use std::str::FromStr;
use std::time::Duration;

use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use sqlx::{Connection as _, Executor, MySqlConnection};

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
/// How long a connection may take to answer when it is given back, or handed out after a pause.
const PING_TIMEOUT: Duration = Duration::from_secs(3);

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
/// would be empty for good. So a connection that does not answer in time is closed.
///
/// It is closed politely (`Ok(false)`), never by an error: on an error sqlx 0.9 closes without `COM_QUIT`, and over TLS it then
/// flushes an empty buffer, which in `rustls` means to read. That waits without end for a server that has nothing to
/// say. After `COM_QUIT` the server ends the connection, and the wait with it.
pub fn careful(pool: MySqlPoolOptions) -> MySqlPoolOptions {
    pool.test_before_acquire(false)
        .before_acquire(|conn, seen| {
            Box::pin(async move { Ok(seen.idle_for < STALE || answers(conn).await) })
        })
        .after_release(|conn, _| Box::pin(async move { Ok(answers(conn).await) }))
        .after_connect(|conn, _| {
            Box::pin(async move {
                conn.execute("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED").await?;
                conn.execute("SET SESSION innodb_lock_wait_timeout = 10").await?;
                Ok(())
            })
        })
}

/// Whether the server answers on this connection in time; what was left unread on it is read first.
async fn answers(conn: &mut MySqlConnection) -> bool {
    match tokio::time::timeout(PING_TIMEOUT, conn.ping()).await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::debug!(error = %error, "a connection to the database is broken and is closed");
            false
        }
        Err(_elapsed) => {
            tracing::debug!("a connection to the database does not answer and is closed");
            false
        }
    }
}
