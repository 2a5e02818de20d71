//! Counts of jobs by state, in slices: no statement reads more rows because more jobs wait.

use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::TextEnum as _;

use super::JobState;
use crate::{Conn, StoreResult};

/// Number of jobs of a kind in a slice.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Depth {
    /// Kind from the catalogue.
    pub kind: String,
    /// Whether the jobs are due; retries and delayed jobs may start later.
    pub due: bool,
    /// Number of jobs.
    pub count: i64,
    /// The earliest `run_at` among them.
    pub oldest: DateTime<Utc>,
}

/// Some of the jobs in a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// Their numbers.
    pub depths: Vec<Depth>,
    /// Where the next slice begins; `None` if this one is the last.
    pub next: Option<DateTime<Utc>>,
}

/// Counts the jobs in `state` from `from` on, in the order of `push_at`: `rows` of them, fewer if the last ones have the same
/// `push_at` as others, more if `rows` do not suffice for those of one `push_at`. What is due is due at `due_at`.
///
/// The index `jobs_due` alone suffices, so the cost does not depend on how long done jobs are kept.
pub async fn count_slice(
    conn: &mut Conn,
    state: JobState,
    from: DateTime<Utc>,
    rows: u32,
    due_at: DateTime<Utc>,
) -> StoreResult<Slice> {
    let next: Option<DateTime<Utc>> = sqlx::query_scalar(
        "SELECT push_at FROM jobs FORCE INDEX (jobs_due) WHERE state = ? AND push_at >= ?
         ORDER BY push_at LIMIT 1 OFFSET ?",
    )
    .bind(state.as_str())
    .bind(from)
    .bind(rows)
    .fetch_optional(&mut *conn)
    .await?;
    // The precision of the column.
    let next = next.map(|next| next.max(from + TimeDelta::microseconds(1)));
    let depths = match next {
        Some(next) => sqlx::query_as(
            "SELECT kind, run_at <= ? AS due, COUNT(*) AS count, MIN(run_at) AS oldest FROM jobs FORCE INDEX (jobs_due)
             WHERE state = ? AND push_at >= ? AND push_at < ? GROUP BY kind, due",
        )
        .bind(due_at)
        .bind(state.as_str())
        .bind(from)
        .bind(next)
        .fetch_all(conn)
        .await?,
        None => sqlx::query_as(
            "SELECT kind, run_at <= ? AS due, COUNT(*) AS count, MIN(run_at) AS oldest FROM jobs FORCE INDEX (jobs_due)
             WHERE state = ? AND push_at >= ? GROUP BY kind, due",
        )
        .bind(due_at)
        .bind(state.as_str())
        .bind(from)
        .fetch_all(conn)
        .await?,
    };
    Ok(Slice { depths, next })
}
