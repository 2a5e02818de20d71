//! Connections whose work is dropped in the middle of a statement, and servers that are gone.
#![expect(clippy::unwrap_used, reason = "a test whose setting fails has failed")]

use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use flysk_domain::id::{InstallId, LotId, TransactionId, WalletId, WidgetId};
use flysk_domain::money::MicroCoins;
use flysk_domain::platform::ledger::{Command, Origin};
use flysk_domain::{Clock as _, SystemClock};
use flysk_store::StoreError;
use flysk_store::platform::ledger::{self, CommandOutcome, LedgerCommand, WalletBatcher};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions, MySqlSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, MySqlConnection, MySqlPool, Row as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

const CONNECTIONS: u32 = 4;
const DROPPED: u32 = 4_000;

/// A request or a job that times out is dropped at any point.
#[sqlx::test(migrations = false)]
async fn thousands_of_dropped_statements_lose_no_connection(
    options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    let pool = options.max_connections(CONNECTIONS).acquire_timeout(Duration::from_mins(2));
    let pool = flysk_store::configure_pool(pool).connect_with(connect).await.unwrap();
    let mut dice = StdRng::seed_from_u64(1);
    for round in 0..DROPPED / CONNECTIONS {
        let mut work = JoinSet::new();
        for caller in 0..CONNECTIONS {
            let time_limit = Duration::from_micros(dice.random_range(0..600));
            let pool = pool.clone();
            work.spawn(tokio::time::timeout(
                time_limit,
                async move { ask(&pool, round % 300, caller).await },
            ));
        }
        work.join_all().await;
    }
    let mut held = Vec::new();
    for _ in 0..CONNECTIONS {
        held.push(pool.acquire().await.expect("a connection was lost"));
    }
    for conn in &mut held {
        let answer: i64 = sqlx::query_scalar("SELECT ? + 1").bind(41).fetch_one(&mut **conn).await.unwrap();
        assert_eq!(answer, 42, "the result of another statement");
    }
}

/// As pages of the panel read: see `configure_pool_for_reading`, whose limit is longer.
#[sqlx::test(migrations = false)]
async fn a_read_that_takes_too_long_is_told_from_other_failures(pool: MySqlPool) {
    let mut conn = pool.acquire().await.unwrap();
    let limit = "SET SESSION /*M! max_statement_time = 1 */ /*!80000 max_execution_time = 1000 */";
    sqlx::raw_sql(limit).execute(&mut *conn).await.unwrap();
    let slow = "SELECT COUNT(*) FROM information_schema.collations a, information_schema.collations b,
                    information_schema.collations c, information_schema.collations d
                WHERE SHA2(CONCAT(a.id, b.id, c.id, d.id), 256) = 'x'";
    let error = sqlx::query(slow).execute(&mut *conn).await.unwrap_err();
    assert!(StoreError::from(error).is_statement_timeout());
    // The others are not meant to be told from a slow one.
    let no_limit = "SET SESSION /*M! max_statement_time = 0 */ /*!80000 max_execution_time = 0 */";
    sqlx::raw_sql(no_limit).execute(&mut *conn).await.unwrap();
    let answer: i64 = sqlx::query_scalar("SELECT ? + 1").bind(41).fetch_one(&mut *conn).await.unwrap();
    assert_eq!(answer, 42, "the connection remains usable");
    let error = sqlx::query("SELECT 1 FROM nowhere").execute(&mut *conn).await.unwrap_err();
    assert!(!StoreError::from(error).is_statement_timeout());
}

/// Runs a statement in a transaction; it is rarely prepared already.
async fn ask(pool: &MySqlPool, statement: u32, caller: u32) {
    let Ok(mut tx) = pool.begin().await else { return };
    let sql = format!("SELECT ? + {statement}");
    let sum: Result<i64, _> = sqlx::query_scalar(AssertSqlSafe(sql)).bind(caller).fetch_one(&mut *tx).await;
    if let Ok(sum) = sum {
        assert_eq!(sum, i64::from(caller + statement), "the result of another statement");
    }
    let _dropped_or_not = tx.commit().await;
}

/// Work that is dropped while it begins a transaction leaves none open to the next caller, whose statements would belong to it.
#[sqlx::test(migrations = false)]
async fn a_dropped_begin_leaves_no_transaction_to_the_next_caller(
    options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    let pool =
        flysk_store::configure_pool(options.max_connections(1)).connect_with(connect.clone()).await.unwrap();
    assert_dropped_begins_are_rolled_back(&pool, &connect, || pool.begin()).await;
}

/// The same without the rollback of connections that come back.
#[sqlx::test(migrations = false)]
async fn a_dropped_begin_of_ours_is_rolled_back_by_a_task(
    options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    let pool = flysk_store::configure_trusting_pool(options.max_connections(1));
    let pool = pool.connect_with(connect.clone()).await.unwrap();
    assert_dropped_begins_are_rolled_back(&pool, &connect, || flysk_store::begin(&pool)).await;
}

/// Drops beginnings of transactions after none to five polls, and expects that what the only connection of the pool writes afterwards
/// is committed.
async fn assert_dropped_begins_are_rolled_back<F: Future>(
    pool: &MySqlPool,
    connect: &MySqlConnectOptions,
    begin: impl Fn() -> F,
) {
    let mut reader = MySqlConnection::connect_with(connect).await.unwrap();
    sqlx::query("CREATE TABLE marks (number INT PRIMARY KEY) ENGINE = InnoDB").execute(pool).await.unwrap();
    for number in 1..=500_i64 {
        let mut begin = Box::pin(begin());
        for _ in 0..number % 6 {
            if poll_fn(|context| Poll::Ready(begin.as_mut().poll(context).is_ready())).await {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(begin);
        sqlx::query("INSERT INTO marks VALUES (?)").bind(number).execute(pool).await.unwrap();
        let seen: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM marks").fetch_one(&mut reader).await.unwrap();
        assert_eq!(seen, number, "a statement was not committed");
    }
}

/// The machine of the server may vanish while a transaction begins. If its caller is dropped, the pool gets a new connection long before
/// the kernel gives up the old one. Without TLS: over TLS, sqlx 0.9 reads from a connection before it closes it.
#[sqlx::test(migrations = false)]
async fn a_begin_that_is_never_answered_keeps_no_connection(
    options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = format!("{}:{}", connect.get_host(), connect.get_port());
    let falls_silent = Arc::new(Notify::new());
    let forwarding = tokio::spawn(forward_until(listener, server, Arc::clone(&falls_silent)));
    let connect = connect.host("127.0.0.1").port(port).ssl_mode(MySqlSslMode::Disabled);
    let pool = flysk_store::configure_pool(options.max_connections(1)).connect_with(connect).await.unwrap();
    sqlx::query("SELECT 1").execute(&pool).await.unwrap();
    while pool.num_idle() == 0 {
        tokio::time::sleep(Duration::from_millis(1)).await; // it is being returned
    }
    falls_silent.notify_waiters();
    let answered = tokio::time::timeout(Duration::from_millis(100), flysk_store::begin(&pool)).await;
    assert!(answered.is_err(), "the server is not silent");
    let acquired = tokio::time::timeout(Duration::from_secs(25), pool.acquire()).await;
    acquired.expect("the connection is kept").unwrap();
    forwarding.abort();
}

/// Forwards connections. Those that are open when `falls_silent` is told stay open, and nothing comes through any more.
async fn forward_until(listener: TcpListener, server: String, falls_silent: Arc<Notify>) {
    let mut open = JoinSet::new();
    while let Ok((mut client, _)) = listener.accept().await {
        let Ok(mut server) = TcpStream::connect(&server).await else { return };
        let falls_silent = Arc::clone(&falls_silent);
        open.spawn(async move {
            tokio::select! {
                _ended = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                () = falls_silent.notified() => std::future::pending().await,
            }
        });
    }
}

/// The machine of a process may vanish in the middle of a transaction. Its connection stays open for the server, which ends it
/// after some idle time, and with it the locks.
#[sqlx::test(migrations = false)]
async fn a_transaction_whose_process_is_gone_ends(options: MySqlPoolOptions, connect: MySqlConnectOptions) {
    let pool = flysk_store::configure_pool(options.max_connections(2)).connect_with(connect).await.unwrap();
    sqlx::query("CREATE TABLE marks (number INT PRIMARY KEY) ENGINE = InnoDB").execute(&pool).await.unwrap();
    sqlx::query("INSERT INTO marks VALUES (1)").execute(&pool).await.unwrap();
    let mut vanished = pool.acquire().await.unwrap();
    let limits = "SHOW SESSION VARIABLES WHERE variable_name IN ('wait_timeout', 'idle_transaction_timeout')";
    let limits = sqlx::raw_sql(limits).fetch_all(&mut *vanished).await.unwrap();
    let seconds =
        limits.iter().map(|limit| limit.get_unchecked::<String, _>("Value").parse::<u32>().unwrap());
    let shortest = seconds.filter(|seconds| *seconds > 0).min();
    assert!(shortest.is_some_and(|seconds| seconds <= 150), "the server waits for {shortest:?} s");

    // The same limits, of a second: MariaDB's for transactions replaces the other one while a transaction is open.
    for limit in &limits {
        let shortened = format!("SET SESSION {} = 1", limit.get_unchecked::<String, _>("Variable_name"));
        sqlx::raw_sql(AssertSqlSafe(shortened)).execute(&mut *vanished).await.unwrap();
    }
    for statement in ["BEGIN", "UPDATE marks SET number = 2"] {
        sqlx::raw_sql(statement).execute(&mut *vanished).await.unwrap();
    }
    // Waits for the lock, at most 10 s.
    sqlx::query("UPDATE marks SET number = number + 2").execute(&pool).await.unwrap();
    let number: i32 = sqlx::query_scalar("SELECT number FROM marks").fetch_one(&pool).await.unwrap();
    assert_eq!(number, 3, "what the other transaction wrote is undone");
}

#[tokio::test]
async fn a_refused_connection_is_told_at_once_with_its_address() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let began = std::time::Instant::now();
    let (url, acquire_timeout) = (format!("mysql://root@127.0.0.1:{port}/flysk"), Duration::from_mins(20));
    let refused = flysk_store::connect_within(&url, 1, acquire_timeout).await;
    let told = refused.unwrap_err().to_string();
    assert!(told.contains(&format!("127.0.0.1:{port} refuses connections")), "{told}");
    assert!(began.elapsed() < acquire_timeout / 10, "not after the time to acquire a connection");
}

/// The server closes connections on its own: after idle time, or killed by an operator.
#[sqlx::test(migrations = false)]
async fn connections_closed_by_the_server_are_replaced(
    options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    let pool = options.max_connections(CONNECTIONS).acquire_timeout(Duration::from_mins(2));
    let pool = flysk_store::configure_pool(pool).connect_with(connect.clone()).await.unwrap();
    let mut operator = MySqlConnection::connect_with(&connect).await.unwrap();
    for round in 0..20 {
        let mut held = Vec::new();
        for _ in 0..CONNECTIONS {
            let mut conn = pool.acquire().await.expect("a connection is lost");
            // A recently returned connection is not tested before it is handed out.
            let id = sqlx::query_scalar::<_, u64>("SELECT CONNECTION_ID()").fetch_one(&mut *conn).await;
            held.push((id.ok(), conn));
        }
        for (id, conn) in held {
            // In use, or just returned.
            let in_use = (round % 2 == 0).then_some(conn);
            if let Some(id) = id {
                let kill = AssertSqlSafe(format!("KILL {id}"));
                // A connection that failed the ping on its return is closed already.
                let _unknown_thread = sqlx::query(kill).execute(&mut operator).await;
            }
            drop(in_use);
        }
    }
    let mut held = Vec::new();
    while held.len() < CONNECTIONS as usize {
        let mut conn = pool.acquire().await.expect("a connection was lost");
        if sqlx::query("SELECT 1").execute(&mut *conn).await.is_ok() {
            held.push(conn);
        }
    }
}

/// Forwards connections to a server. Its end closes them, as that of a node does.
async fn forward(listener: TcpListener, server: String) {
    let mut open = JoinSet::new();
    while let Ok((mut client, _)) = listener.accept().await {
        let Ok(mut server) = TcpStream::connect(&server).await else { return };
        open.spawn(async move { tokio::io::copy_bidirectional(&mut client, &mut server).await });
    }
}

/// The pool uses the first node that its URL lists, and the next one when that is gone: within two checks, and without a
/// connection that fails again and again.
#[sqlx::test(migrations = false)]
async fn a_pool_moves_to_the_next_node_when_its_node_is_gone(
    _options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    let (pool, node) = of_two_nodes(&connect).await;
    sqlx::query("SELECT 1").execute(&pool).await.unwrap();
    assert!(node.is_used_by(&pool));
    node.end(&pool).await;
    for _ in 0..CONNECTIONS * 2 {
        sqlx::query("SELECT 1").execute(&pool).await.expect("a connection to the former node was handed out");
    }
    pool.close().await;
}

/// A node in front of the server.
struct Node {
    port: u16,
    forwarding: tokio::task::JoinHandle<()>,
}

impl Node {
    fn is_used_by(&self, pool: &MySqlPool) -> bool {
        pool.connect_options().get_port() == self.port
    }

    /// Ends the node, and waits until the pool has moved.
    async fn end(self, pool: &MySqlPool) {
        self.forwarding.abort();
        let moved = async {
            while self.is_used_by(pool) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let moved = tokio::time::timeout(Duration::from_mins(2), moved).await;
        assert!(moved.is_ok(), "the pool has not moved");
    }
}

/// A pool whose URL lists a node that leads to the server, and the server itself.
async fn of_two_nodes(connect: &MySqlConnectOptions) -> (MySqlPool, Node) {
    let server = format!("{}:{}", connect.get_host(), connect.get_port());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let node = listener.local_addr().unwrap();
    let url = connect.to_url_lossy().as_str().replacen(&server, &format!("{node},{server}"), 1);
    assert!(url.contains(','), "{url}");
    let forwarding = tokio::spawn(forward(listener, server));
    let pool = flysk_store::connect_within(&url, CONNECTIONS, Duration::from_mins(2)).await.unwrap();
    (pool, Node { port: node.port(), forwarding })
}

/// The wallet batcher has connections of its own. They lead where those of the pool lead.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_wallet_batcher_moves_with_its_pool(_options: MySqlPoolOptions, connect: MySqlConnectOptions) {
    let (pool, node) = of_two_nodes(&connect).await;
    let clock = SystemClock;
    let (wallet, install, widget) =
        (WalletId::generate(&clock), InstallId::generate(&clock), WidgetId::generate(&clock));
    let mut conn = pool.acquire().await.unwrap();
    assert!(ledger::insert_wallet(&mut conn, wallet, install, widget, clock.now()).await.unwrap());
    drop(conn);
    let batcher = WalletBatcher::new(pool.clone(), Arc::new(clock));
    let credit = async || {
        let (lot, amount) = (LotId::generate(&clock), MicroCoins(1));
        let command = Command::Credit { lot, origin: Origin::Package, amount, expires_at: None };
        batcher.submit(wallet, LedgerCommand::new(TransactionId::generate(&clock), command)).await
    };
    assert!(matches!(credit().await, Ok(CommandOutcome::Done(_))));
    node.end(&pool).await;
    let outcome = credit().await;
    assert!(matches!(outcome, Ok(CommandOutcome::Done(_))), "{outcome:?}");
    pool.close().await;
}

#[sqlx::test(migrations = false)]
async fn a_node_that_is_down_is_passed_over_at_the_start(
    _options: MySqlPoolOptions,
    connect: MySqlConnectOptions,
) {
    let server = format!("{}:{}", connect.get_host(), connect.get_port());
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url = connect.to_url_lossy().as_str().replacen(&server, &format!("{gone},{server}"), 1);
    let pool = flysk_store::connect(&url, 1).await.unwrap();
    assert_eq!(pool.connect_options().get_port(), connect.get_port());
    pool.close().await;
}
