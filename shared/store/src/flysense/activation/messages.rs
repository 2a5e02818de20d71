//! Table `bot_messages`: messages of the bots, stored before they are sent.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::flysense::activation::binding::MessageState;
use flysk_domain::flysense::activation::message::Outgoing;
use flysk_domain::flysense::activation::messenger::Messenger;
use flysk_domain::id::BotMessageId;
use sqlx::types::Json;

use crate::error::expect_one;
use crate::{Conn, StoreResult, TextColumn};

/// Row of `bot_messages`: a message from the bot to one dialogue.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct MessageRow {
    /// Telegram or MAX, whose ids are apart.
    #[sqlx(try_from = "TextColumn")]
    pub messenger: Messenger,
    /// The messenger's number of the dialogue.
    pub chat_id: i64,
    /// Text and buttons.
    pub body: Json<Outgoing>,
    /// `Waiting` until a job sends it.
    #[sqlx(try_from = "TextColumn")]
    pub state: MessageState,
}

/// Stores a message that waits to be sent.
pub async fn insert(
    conn: &mut Conn,
    id: BotMessageId,
    messenger: Messenger,
    chat_id: i64,
    body: &Outgoing,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO bot_messages (id, messenger, chat_id, body, state, created_at, updated_at)
         VALUES (?, ?, ?, ?, 'waiting', ?, ?)",
    )
    .bind(id.to_string())
    .bind(messenger.as_str())
    .bind(chat_id)
    .bind(Json(body))
    .bind(now)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Reads one row without a lock; `None` if there is none.
pub async fn find(conn: &mut Conn, id: BotMessageId) -> StoreResult<Option<MessageRow>> {
    Ok(sqlx::query_as("SELECT messenger, chat_id, body, state FROM bot_messages WHERE id = ?")
        .bind(id.to_string())
        .fetch_optional(conn)
        .await?)
}

/// Changes the state from `from` to `to`; fails if the message is in another state.
pub async fn set_state(
    conn: &mut Conn,
    id: BotMessageId,
    from: MessageState,
    to: MessageState,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let result = sqlx::query("UPDATE bot_messages SET state = ?, updated_at = ? WHERE id = ? AND state = ?")
        .bind(to.as_str())
        .bind(now)
        .bind(id.to_string())
        .bind(from.as_str())
        .execute(conn)
        .await?;
    expect_one(&result, "bot message")
}

/// Deletes at most `limit` messages created before `before`; returns how many.
pub async fn prune(conn: &mut Conn, before: DateTime<Utc>, limit: u32) -> StoreResult<u64> {
    let pruned = sqlx::query("DELETE FROM bot_messages WHERE created_at < ? ORDER BY created_at LIMIT ?")
        .bind(before)
        .bind(limit)
        .execute(conn)
        .await?;
    Ok(pruned.rows_affected())
}
