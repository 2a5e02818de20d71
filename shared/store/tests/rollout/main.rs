//! Migrations while the release before serves: its transactions go on, on a schema that changes below them.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test whose setting fails has failed")]

mod work;

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use flysk_store::{Conn, Pool, StoreError, StoreResult, repeat_while};
use sqlx::mysql::{MySqlDatabaseError, MySqlPoolOptions};
use sqlx::{AssertSqlSafe, MySqlPool, migrate::Migrator};
use tokio::task::JoinSet;

use work::{ALL_WORK, CLIENTS, Statement, WALLET_COINS_MICRO, Work, seed};

/// The last migration of 0.1.0.
const SCHEMA_OF_0_1_0: i64 = 20_261_129_000_006;
/// After these errors 0.1.0 repeats a transaction.
const REPEATED_BY_0_1_0: [u16; 4] = [1213, 1205, 1020, 1047];
/// Units of work of each kind before and after the migrations.
const MIN_SERVED: u64 = 10;
const WAIT_TIMEOUT: Duration = Duration::from_mins(5);

/// A statement for each table that reads all its columns.
async fn statements_of_all_columns(pool: &Pool) -> Vec<String> {
    let columns: Vec<(String, String)> = sqlx::query_as(
        "SELECT CAST(table_name AS CHAR), CAST(column_name AS CHAR) FROM information_schema.columns
         WHERE table_schema = DATABASE() ORDER BY table_name, ordinal_position",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let mut statements: Vec<String> = Vec::new();
    for table in columns.chunk_by(|one, next| one.0 == next.0) {
        let mut statement = String::from("SELECT ");
        for (index, (_, column)) in table.iter().enumerate() {
            write!(statement, "{}`{column}`", if index == 0 { "" } else { ", " }).unwrap();
        }
        write!(statement, " FROM `{}` LIMIT 3", table[0].0).unwrap();
        statements.push(statement);
    }
    statements
}

/// A process of 0.1.0.
struct Client {
    pool: Pool,
    work: Work,
    number: usize,
    statements_of_all_columns: Arc<Vec<String>>,
    served: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl Client {
    /// Serves until it is to stop; returns the error that a user would have seen.
    async fn serve(self) -> Result<(), String> {
        while !self.stop.load(Ordering::SeqCst) {
            let unit = self.served.load(Ordering::SeqCst);
            let failed = |error: StoreError| format!("{:?}, unit {unit}: {error}", self.work);
            if self.work == Work::Reads {
                for statement in self.statements_of_all_columns.iter() {
                    let read = sqlx::query(AssertSqlSafe(statement.clone())).fetch_all(&self.pool).await;
                    read.map_err(|error| format!("{statement}: {error}"))?;
                }
            }
            for transaction in self.work.transactions(self.number, unit) {
                repeat_while(is_repeated_by_0_1_0, || self.run(&transaction)).await.map_err(failed)?;
            }
            self.served.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    }

    async fn run(&self, transaction: &[Statement]) -> StoreResult<()> {
        let mut tx = self.pool.begin().await?;
        for statement in transaction {
            execute(&mut tx, statement).await?;
        }
        Ok(tx.commit().await?)
    }
}

async fn execute(conn: &mut Conn, statement: &Statement) -> StoreResult<()> {
    let mut query = sqlx::query(statement.sql);
    for value in &statement.values {
        query = query.bind(value);
    }
    let Some(rows) = statement.rows else {
        query.fetch_all(conn).await?;
        return Ok(());
    };
    let written = query.execute(conn).await?.rows_affected();
    if written == rows { Ok(()) } else { Err(StoreError::WrongState { what: "row" }) }
}

fn is_repeated_by_0_1_0(error: &StoreError) -> bool {
    let StoreError::Conflict(error) = error else { return false };
    let number = error.as_database_error().and_then(|error| error.try_downcast_ref::<MySqlDatabaseError>());
    number.is_some_and(|error| REPEATED_BY_0_1_0.contains(&error.number()))
}

/// Clients that serve, with the number of units of each.
struct Clients {
    running: JoinSet<Result<(), String>>,
    served: Vec<(Work, Arc<AtomicU64>)>,
    stop: Arc<AtomicBool>,
}

impl Clients {
    fn start(pool: &Pool, statements_of_all_columns: Vec<String>) -> Self {
        let statements_of_all_columns = Arc::new(statements_of_all_columns);
        let (mut running, mut served, stop) = (JoinSet::new(), Vec::new(), Arc::new(AtomicBool::new(false)));
        for (work, number) in ALL_WORK.into_iter().flat_map(|work| (0..CLIENTS).map(move |n| (work, n))) {
            let units = Arc::new(AtomicU64::new(0));
            served.push((work, Arc::clone(&units)));
            let client = Client {
                pool: pool.clone(),
                work,
                number,
                statements_of_all_columns: Arc::clone(&statements_of_all_columns),
                served: units,
                stop: Arc::clone(&stop),
            };
            running.spawn(client.serve());
        }
        Self { running, served, stop }
    }

    fn units(&self) -> Vec<u64> {
        self.served.iter().map(|(_, units)| units.load(Ordering::SeqCst)).collect()
    }

    /// Waits until every client has served [`MIN_SERVED`] more units of work.
    async fn serve_more(&mut self) {
        let (before, began) = (self.units(), Instant::now());
        while self.units().iter().zip(&before).any(|(now, before)| *now < before + MIN_SERVED) {
            if let Some(ended) = self.running.try_join_next() {
                panic!("a request failed: {:?}", ended.unwrap());
            }
            assert!(began.elapsed() < WAIT_TIMEOUT, "served {:?}, before {before:?}", self.units());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Ends all; returns a function that tells how many units of a kind of work were served.
    async fn end(mut self) -> impl Fn(Work) -> i64 {
        self.stop.store(true, Ordering::SeqCst);
        while let Some(ended) = self.running.join_next().await {
            assert_eq!(ended.unwrap(), Ok(()), "a request failed");
        }
        move |work| {
            let units = self.served.iter().filter(|(of, _)| *of == work);
            units.map(|(_, units)| i64::try_from(units.load(Ordering::SeqCst)).unwrap()).sum()
        }
    }
}

/// Each transaction of 0.1.0 that was served is there once.
#[sqlx::test(migrations = false)]
async fn no_request_of_the_release_before_fails_while_migrations_run(pool: MySqlPool) {
    let released = flysk_migrations::MIGRATOR.iter().filter(|one| one.version <= SCHEMA_OF_0_1_0).cloned();
    Migrator::with_migrations(released.collect()).run(&pool).await.unwrap();
    let options = MySqlPoolOptions::new().max_connections(20);
    let old = flysk_store::configure_pool(options);
    let old = old.connect_with((*pool.connect_options()).clone()).await.unwrap();
    seed(&old).await;
    let mut clients = Clients::start(&old, statements_of_all_columns(&old).await);
    clients.serve_more().await;

    flysk_migrations::migrate(&pool).await.unwrap();

    clients.serve_more().await;
    let served = clients.end().await;
    for (work, counted) in [
        (Work::Jobs, "SELECT COUNT(*) FROM jobs WHERE state = 'done'".to_owned()),
        (Work::Charges, format!("SELECT {WALLET_COINS_MICRO} - available_micro FROM wallets")),
        (Work::Charges, "SELECT COUNT(*) FROM idempotency_keys".to_owned()),
        (Work::Renewals, "SELECT CAST(SUM(generation - 1) AS SIGNED) FROM install_tokens".to_owned()),
        (Work::Events, "SELECT COUNT(*) FROM lifecycle_events WHERE state = 'delivered'".to_owned()),
        (Work::Events, "SELECT CAST(event_number AS SIGNED) FROM widgets".to_owned()),
        (Work::Calls, "SELECT COUNT(*) FROM transcriptions WHERE state = 'done'".to_owned()),
    ] {
        let there: i64 = sqlx::query_scalar(AssertSqlSafe(counted.clone())).fetch_one(&old).await.unwrap();
        assert_eq!(there, served(work), "{counted}");
    }
}
