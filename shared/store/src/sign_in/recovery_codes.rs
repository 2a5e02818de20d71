//! Codes for a lost second factor, each valid once, in the principal's own table.

use chrono::{DateTime, Utc};

use super::StoredId;
use super::sealed::Sealed;
use crate::{Conn, StoreResult};

/// The table of the recovery codes of a principal, and its statements.
pub trait RecoveryCodeTable: StoredId + Sealed {
    /// Begins to insert rows of owner and hash.
    const INSERT: &'static str;
    /// Deletes all codes of an owner.
    const REMOVE_ALL: &'static str;
    /// Writes the time of use of an owner's unused code with this hash.
    const USE_ONCE: &'static str;
    /// Counts the unused codes of an owner.
    const COUNT_UNUSED: &'static str;
}

/// Replaces all codes of a principal; `hashes` must not be empty.
pub async fn replace_all<P: RecoveryCodeTable>(
    conn: &mut Conn,
    owner: P,
    hashes: &[String],
) -> StoreResult<()> {
    remove_all(conn, owner).await?;
    let mut query = sqlx::QueryBuilder::new(<P as RecoveryCodeTable>::INSERT);
    query.push_values(hashes, |mut row, hash| {
        row.push_bind(owner.to_string()).push_bind(hash.clone());
    });
    query.build().execute(conn).await?;
    Ok(())
}

/// Removes all codes of a principal.
pub async fn remove_all<P: RecoveryCodeTable>(conn: &mut Conn, owner: P) -> StoreResult<()> {
    sqlx::query(<P as RecoveryCodeTable>::REMOVE_ALL).bind(owner.to_string()).execute(conn).await?;
    Ok(())
}

/// Uses a code; `false` if there is no such code or it was used.
pub async fn use_once<P: RecoveryCodeTable>(
    conn: &mut Conn,
    owner: P,
    hash: &str,
    now: DateTime<Utc>,
) -> StoreResult<bool> {
    let used = sqlx::query(<P as RecoveryCodeTable>::USE_ONCE)
        .bind(now)
        .bind(owner.to_string())
        .bind(hash)
        .execute(conn)
        .await?;
    Ok(used.rows_affected() == 1)
}

/// Number of unused codes.
pub async fn count_unused<P: RecoveryCodeTable>(conn: &mut Conn, owner: P) -> StoreResult<i64> {
    Ok(sqlx::query_scalar(<P as RecoveryCodeTable>::COUNT_UNUSED)
        .bind(owner.to_string())
        .fetch_one(conn)
        .await?)
}
