//! Connections of a pool: their cache of statements, and whether they respond.

use std::time::Duration;

use sqlx::{Connection as _, MySqlConnection};

/// A pool of connections; clones share it.
pub type Pool = sqlx::MySqlPool;

/// Prepared statements cached per connection; they count against the server's `max_prepared_stmt_count`.
///
/// Evicting a statement costs 40 ms over TCP while locks are held: sqlx sends `COM_STMT_CLOSE` in a packet of its own,
/// which has no response, and Nagle's algorithm delays the next packet. The capacity therefore exceeds the number of
/// statements that a connection uses in the long run.
pub const STATEMENT_CACHE_CAPACITY: usize = 256;

/// A connection that was idle for this long is pinged before use, because the server may have been restarted. Pinging
/// every time would add a round trip to each piece of work.
pub(crate) const PING_IDLE_AFTER: Duration = Duration::from_secs(1);

/// Time limit of a ping, before use and when a connection is returned.
pub(crate) const PING_TIMEOUT: Duration = Duration::from_secs(3);

/// Whether the server responds on this connection in time; unread data of an earlier statement is read first.
pub(crate) async fn is_alive(conn: &mut MySqlConnection) -> bool {
    responds(conn.ping()).await
}

/// Rolls back what a caller may have left open; whether the server responds in time.
///
/// sqlx 0.9 knows of a transaction only when `BEGIN` is answered. A caller that is dropped before leaves one open, which sqlx
/// does not end: without this, the next callers' statements would belong to it, and be committed by chance or never.
pub(crate) async fn ends_transaction(conn: &mut MySqlConnection) -> bool {
    responds(async { sqlx::raw_sql("ROLLBACK").execute(conn).await.map(drop) }).await
}

/// Whether the server responds in time.
async fn responds(asked: impl Future<Output = sqlx::Result<()>>) -> bool {
    match tokio::time::timeout(PING_TIMEOUT, asked).await {
        Ok(Ok(())) => true,
        Ok(Err(error)) => {
            tracing::debug!(error = %error, "closing a broken database connection");
            false
        }
        Err(_elapsed) => {
            tracing::debug!("closing a database connection that does not respond");
            false
        }
    }
}
