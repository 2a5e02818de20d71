//! Table `vendor_recovery_codes`: codes for a lost second factor, each valid once.

use chrono::{DateTime, Utc};
use flysk_domain::id::VendorUserId;

use crate::{Conn, StoreResult};

/// Replaces all codes of a user; `hashes` must not be empty.
pub async fn replace_all(conn: &mut Conn, user: VendorUserId, hashes: &[String]) -> StoreResult<()> {
    remove_all(conn, user).await?;
    let mut query = sqlx::QueryBuilder::new("INSERT INTO vendor_recovery_codes (user_id, code_hash) ");
    query.push_values(hashes, |mut row, hash| {
        row.push_bind(user.to_string()).push_bind(hash.clone());
    });
    query.build().execute(conn).await?;
    Ok(())
}

/// Removes all codes of a user.
pub async fn remove_all(conn: &mut Conn, user: VendorUserId) -> StoreResult<()> {
    sqlx::query("DELETE FROM vendor_recovery_codes WHERE user_id = ?")
        .bind(user.to_string())
        .execute(conn)
        .await?;
    Ok(())
}

/// Uses a code; `false` if there is no such code or it was used.
pub async fn use_once(
    conn: &mut Conn,
    user: VendorUserId,
    hash: &str,
    now: DateTime<Utc>,
) -> StoreResult<bool> {
    let marked = sqlx::query(
        "UPDATE vendor_recovery_codes SET used_at = ? WHERE user_id = ? AND code_hash = ? AND used_at IS NULL",
    )
    .bind(now)
    .bind(user.to_string())
    .bind(hash)
    .execute(conn)
    .await?;
    Ok(marked.rows_affected() == 1)
}

/// Number of unused codes.
pub async fn count_unused(conn: &mut Conn, user: VendorUserId) -> StoreResult<i64> {
    Ok(sqlx::query_scalar("SELECT COUNT(*) FROM vendor_recovery_codes WHERE user_id = ? AND used_at IS NULL")
        .bind(user.to_string())
        .fetch_one(conn)
        .await?)
}
