//! Writes of `transcriptions` that count runs and store what their requests bring.

use flysk_domain::flysense::roles::Role;
use flysk_domain::flysense::run_limit::RunCount;
use flysk_domain::id::{TranscriptionId, UserId};

use crate::error::expect_one;
use crate::{Conn, StoreResult};

/// Counts one more run: replaces `counted` with `next`. [`crate::StoreError::WrongState`] if the count changed in the
/// meantime. The condition enforces the limit even where locks do not, as on a cluster.
pub async fn count_run(
    conn: &mut Conn,
    id: TranscriptionId,
    counted: RunCount,
    next: RunCount,
) -> StoreResult<()> {
    let written = sqlx::query(
        "UPDATE transcriptions SET runs_since = ?, runs_counted = ? WHERE id = ? AND runs_counted = ? AND runs_since <=> ?",
    )
    .bind(next.since)
    .bind(next.runs)
    .bind(id.to_string())
    .bind(counted.runs)
    .bind(counted.since)
    .execute(conn)
    .await?;
    expect_one(&written, "transcription")
}

/// Stores the user who requested a transcription that was started automatically. A known user is kept.
pub async fn set_requested_by(conn: &mut Conn, id: TranscriptionId, user: UserId) -> StoreResult<()> {
    sqlx::query("UPDATE transcriptions SET requested_by = ? WHERE id = ? AND requested_by IS NULL")
        .bind(user.0)
        .bind(id.to_string())
        .execute(conn)
        .await?;
    Ok(())
}

/// Stores the role of the speaker on the left channel, for a run that follows the account's present preference.
pub async fn set_left_channel(conn: &mut Conn, id: TranscriptionId, role: Role) -> StoreResult<()> {
    sqlx::query("UPDATE transcriptions SET left_channel = ? WHERE id = ?")
        .bind(role.code())
        .bind(id.to_string())
        .execute(conn)
        .await?;
    Ok(())
}
