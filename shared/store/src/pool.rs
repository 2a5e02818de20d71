//! Connection pools.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use sqlx::{MySqlConnection, Row as _};
use tokio::net::TcpStream;

use crate::StoreResult;
use crate::connection::{PING_IDLE_AFTER, Pool, ends_transaction, is_alive};
use crate::nodes::{self, Nodes};

/// Default time to wait for a free connection.
pub const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);

/// [`connect_within`] with the default [`ACQUIRE_TIMEOUT`], for commands and tests.
pub async fn connect(url: &str, connections: u32) -> StoreResult<Pool> {
    connect_within(url, connections, ACQUIRE_TIMEOUT).await
}

/// Opens a pool on `url` (`mysql://user:password@host:port/database`) with at most `connections`. Acquiring a
/// connection fails after `acquire_timeout`.
///
/// The URL may list the nodes of a cluster (`…@host:port,host:port/database`). The pool uses the first one that takes
/// writes, and moves to another one when it does not any more.
///
/// # Errors
///
/// The URL is invalid, nothing listens there (reported at once), the server does not answer, or no node takes writes.
pub async fn connect_within(url: &str, connections: u32, acquire_timeout: Duration) -> StoreResult<Pool> {
    open(url, configure_pool(sized(connections, acquire_timeout)), acquire_timeout).await
}

fn sized(connections: u32, acquire_timeout: Duration) -> MySqlPoolOptions {
    MySqlPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(acquire_timeout)
        .idle_timeout(Duration::from_mins(1))
}

async fn open(url: &str, pool: MySqlPoolOptions, acquire_timeout: Duration) -> StoreResult<Pool> {
    let nodes = Nodes::of(url)?;
    if !nodes.are_several() {
        ensure_listening(nodes.in_use(), acquire_timeout).await?;
        return Ok(pool.connect_with(nodes.in_use().clone()).await?);
    }
    nodes.choose().await?;
    let nodes = Arc::new(nodes);
    let pool = nodes::leave_former_nodes(pool, &nodes).connect_with(nodes.in_use().clone()).await?;
    tokio::spawn(nodes::follow(nodes, pool.clone()));
    Ok(pool)
}

/// Fails if the server refuses connections. sqlx's pool would try again until `acquire_timeout` is over, and then report
/// only a timeout. Other errors are left to the pool.
async fn ensure_listening(options: &MySqlConnectOptions, time_limit: Duration) -> StoreResult<()> {
    if options.get_socket().is_some() {
        return Ok(());
    }
    let (host, port) = (options.get_host(), options.get_port());
    match tokio::time::timeout(time_limit, TcpStream::connect((host, port))).await {
        Ok(Err(error)) if error.kind() == io::ErrorKind::ConnectionRefused => {
            let told = format!("{host}:{port} refuses connections");
            Err(sqlx::Error::Io(io::Error::new(io::ErrorKind::ConnectionRefused, told)).into())
        }
        _ => Ok(()),
    }
}

/// [`connect`] with [`configure_trusting_pool`].
pub async fn connect_trusting(url: &str, connections: u32) -> StoreResult<Pool> {
    open(url, configure_trusting_pool(sized(connections, ACQUIRE_TIMEOUT)), ACQUIRE_TIMEOUT).await
}

/// Time limit of a statement on connections of [`connect_for_reading`].
pub const READ_TIME_LIMIT: Duration = Duration::from_secs(5);

/// Sets [`READ_TIME_LIMIT`], in seconds on MariaDB and in milliseconds on MySQL. Each server reads one of the comments.
const SET_READ_TIME_LIMIT: &str =
    "SET SESSION /*M! max_statement_time = 5 */ /*!80000 max_execution_time = 5000 */";

/// [`connect_within`] for reads whose statements end after [`READ_TIME_LIMIT`], so that a slow list cannot occupy the server.
pub async fn connect_for_reading(
    url: &str,
    connections: u32,
    acquire_timeout: Duration,
) -> StoreResult<Pool> {
    open(url, configure_pool_for_reading(sized(connections, acquire_timeout)), acquire_timeout).await
}

/// [`configure_pool`] with the time limit of reads. MariaDB and MySQL name it differently.
pub fn configure_pool_for_reading(pool: MySqlPoolOptions) -> MySqlPoolOptions {
    configure_pool(pool).after_connect(|conn, _| {
        Box::pin(async move {
            set_up_session(conn).await?;
            sqlx::raw_sql(SET_READ_TIME_LIMIT).execute(conn).await?;
            Ok(())
        })
    })
}

/// Session settings and connection checks of all pools.
///
/// Each session runs at READ COMMITTED: the gap locks of the default level make neighbouring rows of queue and ledger
/// wait for each other, and no statement relies on them.
///
/// Work is dropped in the middle of a statement whenever a request or a job times out. sqlx may then wait forever for
/// a response before it returns the connection to the pool; after some hundreds of these the pool would be empty
/// permanently. A connection that does not respond in time is therefore closed.
///
/// It is closed gracefully (`Ok(false)`), never by an error: on an error sqlx 0.9 closes without `COM_QUIT`, and over
/// TLS it then flushes an empty buffer, for which `rustls` reads. That waits forever for a server that sends nothing.
/// After `COM_QUIT` the server closes the connection, which ends the wait. Where the machine of the server is gone, the kernel ends it,
/// after 15 minutes by default, and until then the pool lacks the connection.
///
/// A connection that comes back has no transaction open, even if its caller was dropped while it began one.
pub fn configure_pool(pool: MySqlPoolOptions) -> MySqlPoolOptions {
    pool.test_before_acquire(false)
        .before_acquire(|conn, seen| {
            Box::pin(async move { Ok(seen.idle_for < PING_IDLE_AFTER || is_alive(conn).await) })
        })
        .after_release(|conn, _| Box::pin(async move { Ok(ends_transaction(conn).await) }))
        .after_connect(|conn, _| Box::pin(set_up_session(conn)))
}

/// [`configure_pool`] without the `ROLLBACK` of each connection that comes back, for a process whose server is near, and whose
/// transactions begin by [`crate::begin`], or in tasks that run to their end: none is open then,
/// unless a `BEGIN` took longer than three seconds. Not for production: the `ROLLBACK` has a
/// time limit, and sqlx's own ping after it has none.
pub fn configure_trusting_pool(pool: MySqlPoolOptions) -> MySqlPoolOptions {
    configure_pool(pool).after_release(|_, _| Box::pin(async { Ok(true) }))
}

/// Settings of a session.
///
/// On a Galera node, a transaction and a statement outside of one begin when everything is applied that was committed
/// before on any node (`wsrep_sync_wait`: 1 for reads and `BEGIN`, 2 for `UPDATE` and `DELETE`). Otherwise a process may
/// miss what a process at another node has committed and told of. An `INSERT` does not wait: unique keys hold on all nodes.
///
/// The server ends a session that is idle in a transaction. The machine of a process may vanish there; by TCP the server notices
/// after two hours, and until then nobody could write what the transaction has locked. No transaction spans a network call, so
/// none is idle for a minute. MySQL has a limit for idle sessions only; the pool closes its own before.
async fn set_up_session(conn: &mut MySqlConnection) -> sqlx::Result<()> {
    sqlx::raw_sql("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED").execute(&mut *conn).await?;
    if is_galera_node(conn).await? {
        sqlx::raw_sql("SET SESSION innodb_lock_wait_timeout = 10 /*M!100600 , wsrep_sync_wait = 3 */")
            .execute(&mut *conn)
            .await?;
    } else {
        sqlx::raw_sql("SET SESSION innodb_lock_wait_timeout = 10").execute(&mut *conn).await?;
    }
    sqlx::raw_sql("SET SESSION wait_timeout = 150 /*M!100300 , idle_transaction_timeout = 60 */")
        .execute(conn)
        .await?;
    Ok(())
}

async fn is_galera_node(conn: &mut MySqlConnection) -> sqlx::Result<bool> {
    let variable = sqlx::raw_sql("SHOW VARIABLES LIKE 'wsrep_on'").fetch_optional(conn).await?;
    variable.map_or(Ok(false), |row| Ok(row.try_get::<String, _>(1)? == "ON"))
}

/// Checks that the database reads a table. The caller sets the time limit.
///
/// # Errors
///
/// The database is unreachable, has no schema, or refuses the statement: a node of a cluster without quorum does.
pub async fn check_database(pool: &Pool) -> StoreResult<()> {
    let mut conn = pool.acquire().await?;
    nodes::read_table(&mut conn).await
}

/// [`check_database`], and that the server takes writes: it is not a replica.
///
/// # Errors
///
/// As [`check_database`], or the server is read-only.
pub async fn check_primary(pool: &Pool) -> StoreResult<()> {
    let mut conn = pool.acquire().await?;
    nodes::read_table(&mut conn).await?;
    nodes::must_take_writes(&mut conn).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_servers_get_the_time_limit_of_reads() {
        let (seconds, ms) = (READ_TIME_LIMIT.as_secs(), READ_TIME_LIMIT.as_millis());
        for part in
            [format!("/*M! max_statement_time = {seconds} */"), format!("max_execution_time = {ms} */")]
        {
            assert!(SET_READ_TIME_LIMIT.contains(&part), "{part}");
        }
    }
}
