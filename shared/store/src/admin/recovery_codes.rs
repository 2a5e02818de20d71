//! Table `operator_recovery_codes`: codes for a lost second factor, each valid once.

use chrono::{DateTime, Utc};
use flysk_domain::id::OperatorId;

use crate::{Conn, StoreResult};

/// Replaces all codes of an operator; `hashes` must not be empty.
pub async fn replace_all(conn: &mut Conn, operator: OperatorId, hashes: &[String]) -> StoreResult<()> {
    remove_all(conn, operator).await?;
    let mut query = sqlx::QueryBuilder::new("INSERT INTO operator_recovery_codes (operator_id, code_hash) ");
    query.push_values(hashes, |mut row, hash| {
        row.push_bind(operator.to_string()).push_bind(hash.clone());
    });
    query.build().execute(conn).await?;
    Ok(())
}

/// Removes all codes of an operator.
pub async fn remove_all(conn: &mut Conn, operator: OperatorId) -> StoreResult<()> {
    sqlx::query("DELETE FROM operator_recovery_codes WHERE operator_id = ?")
        .bind(operator.to_string())
        .execute(conn)
        .await?;
    Ok(())
}

/// Uses a code; `false` if there is no such code or it was used.
pub async fn use_once(
    conn: &mut Conn,
    operator: OperatorId,
    hash: &str,
    now: DateTime<Utc>,
) -> StoreResult<bool> {
    let used = sqlx::query(
        "UPDATE operator_recovery_codes SET used_at = ? WHERE operator_id = ? AND code_hash = ? AND used_at IS NULL",
    )
    .bind(now)
    .bind(operator.to_string())
    .bind(hash)
    .execute(conn)
    .await?;
    Ok(used.rows_affected() == 1)
}

/// Number of unused codes.
pub async fn count_unused(conn: &mut Conn, operator: OperatorId) -> StoreResult<i64> {
    Ok(sqlx::query_scalar(
        "SELECT COUNT(*) FROM operator_recovery_codes WHERE operator_id = ? AND used_at IS NULL",
    )
    .bind(operator.to_string())
    .fetch_one(conn)
    .await?)
}
