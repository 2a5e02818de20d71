//! Failover of a pool between the nodes of a cluster.
//!
//! A pool uses one node at a time: of the hosts that its URL lists, the first that takes writes. A task asks that node
//! every second. If it does not answer, has no quorum, is not online in its group or is read-only, the pool moves to the next node
//! that takes writes, and stays there. Connections to the former node are closed when they come back, or before they are used again.

use std::convert::Infallible;
use std::str::FromStr as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use flysk_domain::url_hosts::split_hosts;
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use sqlx::{ConnectOptions as _, MySqlConnection};

use crate::answer_limit::no_answer;
use crate::connection::{PING_IDLE_AFTER, STATEMENT_CACHE_CAPACITY, ends_transaction, is_alive};
use crate::group_member;
use crate::{Conn, Pool, StoreError, StoreResult};

/// Interval of asking the node in use.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// A node that does not answer within this time is down.
const CHECK_TIMEOUT: Duration = Duration::from_secs(3);
/// A connection that was opened within this time after a move may still lead to the former node.
const OPENING_TIME: Duration = Duration::from_secs(1);

/// The nodes that a pool may use, and the one that it uses.
pub(crate) struct Nodes {
    all: Vec<MySqlConnectOptions>,
    current: Mutex<CurrentNode>,
}

/// The node that a pool uses, and the time of its last move.
struct CurrentNode {
    index: usize,
    moved_at: Option<Instant>,
}

impl Nodes {
    /// The nodes of a URL, which may list several hosts. The first one is in use.
    ///
    /// # Errors
    ///
    /// The URL is invalid.
    pub(crate) fn of(url: &str) -> StoreResult<Self> {
        let read = |url: &String| -> Result<MySqlConnectOptions, sqlx::Error> {
            Ok(MySqlConnectOptions::from_str(url)?.statement_cache_capacity(STATEMENT_CACHE_CAPACITY))
        };
        let all: Vec<MySqlConnectOptions> = split_hosts(url).iter().map(read).collect::<Result<_, _>>()?;
        Ok(Self { all, current: Mutex::new(CurrentNode { index: 0, moved_at: None }) })
    }

    /// Whether there is more than one.
    pub(crate) fn are_several(&self) -> bool {
        self.all.len() > 1
    }

    /// Options of connections to the node in use.
    pub(crate) fn in_use(&self) -> &MySqlConnectOptions {
        let index = self.current().index;
        &self.all[index]
    }

    /// Uses the first node that takes writes.
    ///
    /// # Errors
    ///
    /// That of the last node, if none does.
    pub(crate) async fn choose(&self) -> StoreResult<()> {
        let mut refused = None;
        for index in 0..self.all.len() {
            match self.ask(index).await {
                Ok(_conn) => {
                    self.current().index = index;
                    return Ok(());
                }
                Err(error) => {
                    let (host, port) = self.address(index);
                    tracing::warn!(host, port, error = %error, "a database node takes no writes");
                    refused = Some(error);
                }
            }
        }
        Err(refused.unwrap_or(StoreError::WrongState { what: "list of database nodes" }))
    }

    /// Whether a connection of this age leads to a former node, or may.
    fn has_left(&self, age: Duration) -> bool {
        self.current().moved_at.is_some_and(|moved| moved.elapsed() < age + OPENING_TIME)
    }

    /// Moves the pool to another node if the one in use takes no writes. `probe` is a connection to the one in use.
    async fn check(&self, pool: &Pool, probe: &mut Option<MySqlConnection>) {
        let index = self.current().index;
        if let Some(conn) = probe.take() {
            *probe = usable(conn).await.ok();
        }
        if probe.is_none() {
            // The connection may have been closed while its node lives.
            *probe = self.ask(index).await.ok();
        }
        if probe.is_some() {
            return;
        }
        for other in (1..self.all.len()).map(|step| (index + step) % self.all.len()) {
            let Ok(conn) = self.ask(other).await else { continue };
            pool.set_connect_options(self.all[other].clone());
            *self.current() = CurrentNode { index: other, moved_at: Some(Instant::now()) };
            *probe = Some(conn);
            let ((former, former_port), (host, port)) = (self.address(index), self.address(other));
            tracing::warn!(
                former,
                former_port,
                host,
                port,
                "the database node takes no writes: using another"
            );
            return;
        }
    }

    /// A connection to a node that takes writes.
    async fn ask(&self, index: usize) -> StoreResult<MySqlConnection> {
        let conn = tokio::time::timeout(CHECK_TIMEOUT, self.all[index].connect()).await;
        usable(conn.map_err(|_elapsed| no_answer())??).await
    }

    fn address(&self, index: usize) -> (&str, u16) {
        (self.all[index].get_host(), self.all[index].get_port())
    }

    fn current(&self) -> MutexGuard<'_, CurrentNode> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The options of a pool whose connections to former nodes are closed.
pub(crate) fn leave_former_nodes(pool: MySqlPoolOptions, nodes: &Arc<Nodes>) -> MySqlPoolOptions {
    let (acquired, released) = (Arc::clone(nodes), Arc::clone(nodes));
    pool.before_acquire(move |conn, seen| {
        let stays = !acquired.has_left(seen.age);
        Box::pin(async move { Ok(stays && (seen.idle_for < PING_IDLE_AFTER || is_alive(conn).await)) })
    })
    .after_release(move |conn, seen| {
        let stays = !released.has_left(seen.age);
        Box::pin(async move { Ok(stays && ends_transaction(conn).await) })
    })
}

/// Follows the node that takes writes until the pool is closed.
pub(crate) async fn follow(nodes: Arc<Nodes>, pool: Pool) {
    let mut closed = pool.close_event();
    let _pool_is_closed = closed.do_until(check_for_ever(&nodes, &pool)).await;
}

async fn check_for_ever(nodes: &Nodes, pool: &Pool) -> Infallible {
    let mut probe = None;
    loop {
        tokio::time::sleep(CHECK_INTERVAL).await;
        nodes.check(pool, &mut probe).await;
    }
}

/// The connection, if its server takes writes and says so in time.
async fn usable(mut conn: MySqlConnection) -> StoreResult<MySqlConnection> {
    let checked = tokio::time::timeout(CHECK_TIMEOUT, async {
        match read_table(&mut conn).await {
            // No migration has run. The server looked for the table, so it is ready.
            Ok(()) | Err(StoreError::Defect(_)) => must_take_writes(&mut conn).await,
            Err(error) => Err(error),
        }
    });
    checked.await.map_err(|_elapsed| no_answer())??;
    Ok(conn)
}

/// Reads a table. A node of a cluster without quorum executes `SELECT 1`, but refuses every table (1047).
pub(crate) async fn read_table(conn: &mut Conn) -> StoreResult<()> {
    sqlx::query("SELECT version FROM _sqlx_migrations LIMIT 1").execute(conn).await?;
    Ok(())
}

/// Fails if the server is read-only, or a member of a group that must not be written to. A user with the privilege to write
/// nevertheless would write to a replica.
pub(crate) async fn must_take_writes(conn: &mut Conn) -> StoreResult<()> {
    let takes_writes: i64 = sqlx::query_scalar("SELECT CAST(@@global.read_only AS CHAR) IN ('0', 'OFF')")
        .fetch_one(&mut *conn)
        .await?;
    if takes_writes == 0 {
        return Err(StoreError::Database(sqlx::Error::Protocol("the server is read-only".to_owned())));
    }
    group_member::must_be_in_majority(conn).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_to_a_former_node_are_recognised_by_their_age() {
        let nodes = Nodes::of("mysql://flysk:secret@one,two:3307/flysk").unwrap();
        assert!(nodes.are_several() && !Nodes::of("mysql://one/flysk").unwrap().are_several());
        assert_eq!((nodes.address(0), nodes.address(1)), (("one", 3306), ("two", 3307)));
        assert!(!nodes.has_left(Duration::from_hours(1)), "the pool has not moved");
        let moved_at = Instant::now().checked_sub(Duration::from_secs(10));
        *nodes.current() = CurrentNode { index: 1, moved_at };
        assert_eq!(nodes.in_use().get_host(), "two");
        assert!(nodes.has_left(Duration::from_secs(11)), "opened before the move");
        assert!(nodes.has_left(Duration::from_millis(9_900)), "opened while the pool moved");
        assert!(!nodes.has_left(Duration::from_secs(8)));
    }
}
