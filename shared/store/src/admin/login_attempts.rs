//! Table `login_attempts`: counters of the lock-out.

use chrono::{DateTime, Utc};
use flysk_domain::admin::LoginAttempts;

use crate::{Conn, StoreResult};

#[derive(sqlx::FromRow)]
struct Row {
    attempts: u32,
    first_at: DateTime<Utc>,
    locked_until: Option<DateTime<Utc>>,
}

impl From<Row> for LoginAttempts {
    fn from(row: Row) -> Self {
        Self { attempts: row.attempts, first_at: row.first_at, locked_until: row.locked_until }
    }
}

/// Finds the counter of a subject, without locking it; `None` if no attempt is counted.
pub async fn find(conn: &mut Conn, subject: &str) -> StoreResult<Option<LoginAttempts>> {
    let row: Option<Row> =
        sqlx::query_as("SELECT attempts, first_at, locked_until FROM login_attempts WHERE subject = ?")
            .bind(subject)
            .fetch_optional(conn)
            .await?;
    Ok(row.map(Into::into))
}

/// Reads the counter of a subject (`account:…`, `proof:…` or `address:…`) and locks its row until the transaction ends; inserts it if
/// there is none.
pub async fn lock(conn: &mut Conn, subject: &str, now: DateTime<Utc>) -> StoreResult<LoginAttempts> {
    sqlx::query(
        "INSERT INTO login_attempts (subject, attempts, first_at) VALUES (?, 0, ?)
         ON DUPLICATE KEY UPDATE attempts = attempts",
    )
    .bind(subject)
    .bind(now)
    .execute(&mut *conn)
    .await?;
    let row: Row = sqlx::query_as(
        "SELECT attempts, first_at, locked_until FROM login_attempts WHERE subject = ? FOR UPDATE",
    )
    .bind(subject)
    .fetch_one(conn)
    .await?;
    Ok(row.into())
}

/// Writes a counter; the caller holds the row's lock.
pub async fn write(conn: &mut Conn, subject: &str, attempts: &LoginAttempts) -> StoreResult<()> {
    sqlx::query("UPDATE login_attempts SET attempts = ?, first_at = ?, locked_until = ? WHERE subject = ?")
        .bind(attempts.attempts)
        .bind(attempts.first_at)
        .bind(attempts.locked_until)
        .bind(subject)
        .execute(conn)
        .await?;
    Ok(())
}

/// Removes a counter after a complete sign-in, or because an operator lifts the lock-out.
pub async fn clear(conn: &mut Conn, subject: &str) -> StoreResult<()> {
    sqlx::query("DELETE FROM login_attempts WHERE subject = ?").bind(subject).execute(conn).await?;
    Ok(())
}

/// Deletes at most `limit` counters that began before `before`; returns how many.
pub async fn prune(conn: &mut Conn, before: DateTime<Utc>, limit: u32) -> StoreResult<u64> {
    let pruned = sqlx::query("DELETE FROM login_attempts WHERE first_at < ? ORDER BY first_at LIMIT ?")
        .bind(before)
        .bind(limit)
        .execute(conn)
        .await?;
    Ok(pruned.rows_affected())
}
