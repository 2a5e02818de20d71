//! One call noted on several cards: the first of them is transcribed.

use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::id::{AccountId, TranscriptionId};

use crate::error::expect_one;
use crate::{Conn, StoreResult};

/// Telephonies count anew some day; notes of one call are written within minutes.
const SAME_CALL_WITHIN: TimeDelta = TimeDelta::hours(1);

/// Notes which call a transcription is of; whether it is the first one that is under way or done.
///
/// It is asked once: a call that was let in stays in, whatever comes after it. The account's row is written, which locks it
/// until the transaction ends: of two cards at once one is the first. On a cluster, where a lock is of one node, the write is
/// what lets one of two transactions commit. [`crate::StoreError::Stale`] without an account.
pub async fn is_first_of_call(
    conn: &mut Conn,
    account_id: AccountId,
    id: TranscriptionId,
    call_key: &str,
    called_at: DateTime<Utc>,
) -> StoreResult<bool> {
    let counted =
        sqlx::query("UPDATE flysense_accounts SET calls_compared = calls_compared + 1 WHERE account_id = ?")
            .bind(account_id.0)
            .execute(&mut *conn)
            .await?;
    expect_one(&counted, "account")?;
    let noted = sqlx::query(
        "UPDATE transcriptions SET call_key = ?, called_at = ? WHERE account_id = ? AND id = ? AND call_key IS NULL",
    )
    .bind(call_key)
    .bind(called_at)
    .bind(account_id.0)
    .bind(id.to_string())
    .execute(&mut *conn)
    .await?;
    if noted.rows_affected() == 0 {
        return Ok(true);
    }
    // A locking read sees what was committed while we waited for the account's row.
    let other: Option<(String,)> = sqlx::query_as(
        "SELECT id FROM transcriptions
         WHERE account_id = ? AND call_key = ? AND id <> ? AND called_at BETWEEN ? AND ?
             AND state NOT IN ('failed', 'cancelled')
         LIMIT 1 FOR UPDATE",
    )
    .bind(account_id.0)
    .bind(call_key)
    .bind(id.to_string())
    .bind(called_at - SAME_CALL_WITHIN)
    .bind(called_at + SAME_CALL_WITHIN)
    .fetch_optional(conn)
    .await?;
    Ok(other.is_none())
}
