//! Transcriptions whose note amoCRM has not returned: `called_at` is unknown. Users can name any number, so they are counted
//! and deleted.

use chrono::{DateTime, Utc};
use flysk_domain::flysense::state::TranscriptionState;
use flysk_domain::id::AccountId;

use crate::listed::push_in;
use crate::{Conn, StoreResult};

/// Number of transcriptions of an account since `since` that users requested and whose note was not seen yet, at most `limit`.
pub async fn count_unseen(
    conn: &mut Conn,
    account_id: AccountId,
    since: DateTime<Utc>,
    limit: u32,
) -> StoreResult<u32> {
    let counted: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM (SELECT id FROM transcriptions
             WHERE account_id = ? AND created_at >= ? AND requested_by IS NOT NULL AND called_at IS NULL
             LIMIT ?) AS unseen",
    )
    .bind(account_id.0)
    .bind(since)
    .bind(limit)
    .fetch_one(conn)
    .await?;
    Ok(u32::try_from(counted).unwrap_or(u32::MAX))
}

/// Deletes at most `limit` transcriptions in the final state `state` since before `before` whose note was never seen; returns
/// how many. They have no transcript and no payment.
pub async fn prune_unseen(
    conn: &mut Conn,
    state: TranscriptionState,
    before: DateTime<Utc>,
    limit: u32,
) -> StoreResult<u64> {
    let ids: Vec<String> = sqlx::query_scalar(
        "SELECT id FROM transcriptions WHERE state = ? AND called_at IS NULL AND updated_at < ?
         ORDER BY updated_at LIMIT ?",
    )
    .bind(state.code())
    .bind(before)
    .bind(limit)
    .fetch_all(&mut *conn)
    .await?;
    if ids.is_empty() {
        return Ok(0);
    }
    let mut stages = sqlx::QueryBuilder::new("DELETE FROM transcription_stages WHERE transcription_id");
    push_in(&mut stages, ids.iter().cloned());
    stages.build().execute(&mut *conn).await?;
    // One that was started again in the meantime has another state.
    let mut calls =
        sqlx::QueryBuilder::new("DELETE FROM transcriptions WHERE called_at IS NULL AND state = ");
    calls.push_bind(state.code()).push(" AND updated_at < ").push_bind(before).push(" AND id");
    push_in(&mut calls, ids);
    Ok(calls.build().execute(conn).await?.rows_affected())
}
