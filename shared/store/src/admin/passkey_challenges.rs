//! Table `operator_passkey_challenges`: what browsers were asked for a passkey, until they answer.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::admin::PasskeyPurpose;
use flysk_domain::id::OperatorSessionId;

use crate::{Conn, StoreResult};

/// Stores a challenge; an open one of the same session and purpose is replaced.
pub async fn put(
    conn: &mut Conn,
    session: OperatorSessionId,
    purpose: PasskeyPurpose,
    challenge: &str,
    expires_at: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO operator_passkey_challenges (session_id, purpose, challenge, expires_at) VALUES (?, ?, ?, ?)
         ON DUPLICATE KEY UPDATE challenge = ?, expires_at = ?",
    )
    .bind(session.to_string())
    .bind(purpose.as_str())
    .bind(challenge)
    .bind(expires_at)
    .bind(challenge)
    .bind(expires_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes the open challenge of a session: a second call finds none. `None` without one, and after its end.
pub async fn take(
    conn: &mut Conn,
    session: OperatorSessionId,
    purpose: PasskeyPurpose,
    now: DateTime<Utc>,
) -> StoreResult<Option<String>> {
    let challenge: Option<String> = sqlx::query_scalar(
        "SELECT challenge FROM operator_passkey_challenges
         WHERE session_id = ? AND purpose = ? AND expires_at > ? FOR UPDATE",
    )
    .bind(session.to_string())
    .bind(purpose.as_str())
    .bind(now)
    .fetch_optional(&mut *conn)
    .await?;
    let taken = sqlx::query("DELETE FROM operator_passkey_challenges WHERE session_id = ? AND purpose = ?")
        .bind(session.to_string())
        .bind(purpose.as_str())
        .execute(conn)
        .await?;
    Ok(challenge.filter(|_| taken.rows_affected() == 1))
}

/// Deletes at most `limit` challenges that ended before `before`; returns how many.
pub async fn prune(conn: &mut Conn, before: DateTime<Utc>, limit: u32) -> StoreResult<u64> {
    let pruned = sqlx::query(
        "DELETE FROM operator_passkey_challenges WHERE expires_at < ? ORDER BY expires_at LIMIT ?",
    )
    .bind(before)
    .bind(limit)
    .execute(conn)
    .await?;
    Ok(pruned.rows_affected())
}
