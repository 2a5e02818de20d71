//! Migrations of tables that charges write: writes go on while they run.
#![expect(clippy::unwrap_used, reason = "a test whose setting fails has failed")]

use sqlx::migrate::Migrator;
use sqlx::{AssertSqlSafe, MySqlPool};

const INDEX_OPEN_LOTS: i64 = 20_261_130_210_500;
const INDEX_LIST_SORTS: i64 = 20_261_201_200_000;
const DROP_LEDGER_INDEXES: i64 = 20_261_202_143_000;

/// The statements of a migration without their comments.
fn statements_of(version: i64) -> Vec<String> {
    let migration = flysk_migrations::MIGRATOR.iter().find(|one| one.version == version).unwrap();
    let lines = migration.sql.as_str().lines().filter(|line| !line.trim_start().starts_with("--"));
    let text = lines.collect::<Vec<_>>().join("\n");
    text.split(';').map(|statement| statement.trim().to_owned()).filter(|one| !one.is_empty()).collect()
}

/// Applies the migrations before this one, and then its statements in a way that a server refuses if it would let writes wait.
async fn apply_without_locks(pool: &MySqlPool, version: i64) -> usize {
    let earlier = flysk_migrations::MIGRATOR.iter().filter(|one| one.version < version).cloned();
    Migrator::with_migrations(earlier.collect()).run(pool).await.unwrap();
    let statements = statements_of(version);
    for statement in &statements {
        let unlocked = format!("{statement}, LOCK = NONE");
        sqlx::raw_sql(AssertSqlSafe(unlocked)).execute(pool).await.unwrap();
    }
    statements.len()
}

#[sqlx::test(migrations = false)]
async fn lots_are_indexed_while_writes_go_on(pool: MySqlPool) {
    assert_eq!(apply_without_locks(&pool, INDEX_OPEN_LOTS).await, 3);
}

#[sqlx::test(migrations = false)]
async fn sorts_are_indexed_while_writes_go_on(pool: MySqlPool) {
    assert_eq!(apply_without_locks(&pool, INDEX_LIST_SORTS).await, 6);
}

#[sqlx::test(migrations = false)]
async fn indexes_of_the_ledger_are_dropped_while_writes_go_on(pool: MySqlPool) {
    assert_eq!(apply_without_locks(&pool, DROP_LEDGER_INDEXES).await, 2);
}
