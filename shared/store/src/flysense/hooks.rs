//! Table `flysense_hooks`: raw hook deliveries from amoCRM, stored before they are answered.

use chrono::{DateTime, Utc};
use flysk_domain::id::{AccountId, HookId};

use crate::{Conn, StoreResult};

/// Inserts a delivery.
pub async fn insert(
    conn: &mut Conn,
    id: HookId,
    account_id: AccountId,
    body: &[u8],
    now: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query("INSERT INTO flysense_hooks (id, account_id, body, state, received_at) VALUES (?, ?, ?, 'received', ?)")
        .bind(id.to_string())
        .bind(account_id.0)
        .bind(body)
        .bind(now)
        .execute(conn)
        .await?;
    Ok(())
}

/// Finds the raw body of a delivery.
pub async fn find_body(conn: &mut Conn, id: HookId) -> StoreResult<Option<Vec<u8>>> {
    Ok(sqlx::query_scalar("SELECT body FROM flysense_hooks WHERE id = ?")
        .bind(id.to_string())
        .fetch_optional(conn)
        .await?)
}

/// Marks a delivery as processed.
pub async fn mark_ingested(conn: &mut Conn, id: HookId) -> StoreResult<()> {
    sqlx::query("UPDATE flysense_hooks SET state = 'ingested' WHERE id = ?")
        .bind(id.to_string())
        .execute(conn)
        .await?;
    Ok(())
}

/// Deletes at most `limit` deliveries of each state received before `before`; returns how many. They contain phone numbers and
/// are therefore kept no longer than support needs them.
pub async fn prune(conn: &mut Conn, before: DateTime<Utc>, limit: u32) -> StoreResult<u64> {
    let mut pruned = 0;
    // By state, because the index begins with it.
    for state in ["ingested", "received"] {
        pruned += sqlx::query(
            "DELETE FROM flysense_hooks WHERE state = ? AND received_at < ? ORDER BY received_at LIMIT ?",
        )
        .bind(state)
        .bind(before)
        .bind(limit)
        .execute(&mut *conn)
        .await?
        .rows_affected();
    }
    Ok(pruned)
}
