//! The lock of migrations: row 0 of the table of applied migrations, as Flyway keeps one on servers without a lock of its
//! own.
//!
//! sqlx takes `GET_LOCK`, which is local to a node of a cluster. Of two inserts of one row, a cluster commits one. The
//! holder counts the row up while it migrates. Who waits takes the row over once it has stood still for a while, by its own
//! monotonic clock: no two clocks are compared.

use crate::error::unless_duplicate;
use crate::{Conn, StoreResult};

/// Owner of the lock, and the number of its signs of life.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct MigrationLock {
    /// Unique name of the process.
    pub owner: String,
    /// Number of signs of life.
    pub beats: i64,
}

/// Acquires the lock; `false` if it is held. The table of applied migrations must exist.
pub async fn acquire(conn: &mut Conn, owner: &str) -> StoreResult<bool> {
    let inserted = sqlx::query(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (0, ?, TRUE, '', 0)",
    )
    .bind(owner)
    .execute(conn)
    .await;
    unless_duplicate(inserted)
}

/// Reads who holds the lock.
pub async fn find(conn: &mut Conn) -> StoreResult<Option<MigrationLock>> {
    Ok(sqlx::query_as(
        "SELECT description AS owner, execution_time AS beats FROM _sqlx_migrations WHERE version = 0",
    )
    .fetch_optional(conn)
    .await?)
}

/// Shows that the holder lives; `false` if it holds the lock no more.
pub async fn beat(conn: &mut Conn, owner: &str) -> StoreResult<bool> {
    let counted = sqlx::query(
        "UPDATE _sqlx_migrations SET execution_time = execution_time + 1 WHERE version = 0 AND description = ?",
    )
    .bind(owner)
    .execute(conn)
    .await?;
    Ok(counted.rows_affected() == 1)
}

/// Takes the lock over from a holder that has died; `false` if it has shown that it lives, or somebody was faster.
pub async fn take_over(conn: &mut Conn, seen: &MigrationLock, owner: &str) -> StoreResult<bool> {
    let taken = sqlx::query(
        "UPDATE _sqlx_migrations SET description = ?, execution_time = execution_time + 1
         WHERE version = 0 AND description = ? AND execution_time = ?",
    )
    .bind(owner)
    .bind(&seen.owner)
    .bind(seen.beats)
    .execute(conn)
    .await?;
    Ok(taken.rows_affected() == 1)
}

/// Deletes the lock, if `owner` still holds it.
pub async fn release(conn: &mut Conn, owner: &str) -> StoreResult<()> {
    sqlx::query("DELETE FROM _sqlx_migrations WHERE version = 0 AND description = ?")
        .bind(owner)
        .execute(conn)
        .await?;
    Ok(())
}
