//! Deduplication of calls that are noted on several cards: only the first one is transcribed.

use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::id::{AccountId, TranscriptionId};

use crate::error::expect_one;
use crate::{Conn, StoreResult};

/// Telephony systems reuse call ids after some time; the notes of one call are created within minutes.
const SAME_CALL_WINDOW: TimeDelta = TimeDelta::hours(1);

/// Stores the key of the call and returns whether the call has no other transcription, except failed or cancelled ones.
///
/// The check is made once: a transcription that passed it passes again. The account's row is updated, which locks it until
/// the transaction ends: of two concurrent cards one is the first. On a cluster, where locks are local to a node, the
/// update makes one of two transactions fail at commit. [`crate::StoreError::WrongState`] if there is no account.
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
    // A locking read sees what was committed while this transaction waited for the account's row.
    let other: Option<(String,)> = sqlx::query_as(
        "SELECT id FROM transcriptions
         WHERE account_id = ? AND call_key = ? AND id <> ? AND called_at BETWEEN ? AND ?
             AND state NOT IN ('failed', 'cancelled')
         LIMIT 1 FOR UPDATE",
    )
    .bind(account_id.0)
    .bind(call_key)
    .bind(id.to_string())
    .bind(called_at - SAME_CALL_WINDOW)
    .bind(called_at + SAME_CALL_WINDOW)
    .fetch_optional(conn)
    .await?;
    Ok(other.is_none())
}
