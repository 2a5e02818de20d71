//! Table `bot_chats`: dialogues with the bots.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::flysense::activation::messenger::Messenger;

use crate::{Conn, StoreResult};

/// A dialogue.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct ChatRow {
    /// Wrong codes since `codes_since`.
    pub wrong_codes: u32,
    /// First wrong code of the window.
    pub codes_since: Option<DateTime<Utc>>,
}

/// Counts an update of a dialogue and locks the dialogue until the transaction ends.
pub async fn lock(
    conn: &mut Conn,
    messenger: Messenger,
    chat_id: i64,
    now: DateTime<Utc>,
) -> StoreResult<ChatRow> {
    sqlx::query(
        "INSERT INTO bot_chats (messenger, chat_id, updates, updated_at) VALUES (?, ?, 1, ?)
         ON DUPLICATE KEY UPDATE updates = updates + 1, updated_at = VALUES(updated_at)",
    )
    .bind(messenger.as_str())
    .bind(chat_id)
    .bind(now)
    .execute(&mut *conn)
    .await?;
    Ok(sqlx::query_as(
        "SELECT wrong_codes, codes_since FROM bot_chats WHERE messenger = ? AND chat_id = ? FOR UPDATE",
    )
    .bind(messenger.as_str())
    .bind(chat_id)
    .fetch_one(conn)
    .await?)
}

/// Stores the number of wrong codes; the caller has locked the dialogue.
pub async fn set_wrong_codes(
    conn: &mut Conn,
    messenger: Messenger,
    chat_id: i64,
    chat: &ChatRow,
) -> StoreResult<()> {
    sqlx::query("UPDATE bot_chats SET wrong_codes = ?, codes_since = ? WHERE messenger = ? AND chat_id = ?")
        .bind(chat.wrong_codes)
        .bind(chat.codes_since)
        .bind(messenger.as_str())
        .bind(chat_id)
        .execute(conn)
        .await?;
    Ok(())
}

/// Deletes at most `limit` dialogues without an update since `before`; returns how many. The next update begins a new one.
pub async fn prune(conn: &mut Conn, before: DateTime<Utc>, limit: u32) -> StoreResult<u64> {
    let pruned = sqlx::query("DELETE FROM bot_chats WHERE updated_at < ? ORDER BY updated_at LIMIT ?")
        .bind(before)
        .bind(limit)
        .execute(conn)
        .await?;
    Ok(pruned.rows_affected())
}
