//! Table `bot_updates`: updates of messengers, stored before they are answered.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::flysense::activation::messenger::Messenger;
use flysk_domain::id::BotUpdateId;

use crate::error::unless_duplicate_of;
use crate::{Conn, StoreResult, TextColumn};

/// Values of a row of `bot_updates`, as a webhook received them.
#[derive(Debug, Clone)]
pub struct NewUpdate<'a> {
    /// `upd_…`, chosen by the caller.
    pub id: BotUpdateId,
    /// Telegram or MAX, whose ids are apart.
    pub messenger: Messenger,
    /// Identifies repeated deliveries.
    pub key: &'a str,
    /// Dialogue of the update, if it concerns one.
    pub chat_id: Option<i64>,
    /// The body, sealed for `bot_updates.body:<id>`.
    pub body_sealed: &'a str,
    /// When it was received.
    pub received_at: DateTime<Utc>,
}

/// An update that is to be handled.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct UpdateRow {
    /// Telegram or MAX, whose ids are apart.
    #[sqlx(try_from = "TextColumn")]
    pub messenger: Messenger,
    /// Dialogue of the update, if it concerns one.
    pub chat_id: Option<i64>,
    /// The body, sealed for `bot_updates.body:<id>`.
    pub body_sealed: String,
}

/// Inserts an update; `false` if it was stored before.
pub async fn insert(conn: &mut Conn, new: &NewUpdate<'_>) -> StoreResult<bool> {
    let inserted = sqlx::query(
        "INSERT INTO bot_updates (id, messenger, update_key, chat_id, body_sealed, state, received_at)
         VALUES (?, ?, ?, ?, ?, 'new', ?)",
    )
    .bind(new.id.to_string())
    .bind(new.messenger.as_str())
    .bind(new.key)
    .bind(new.chat_id)
    .bind(new.body_sealed)
    .bind(new.received_at)
    .execute(conn)
    .await;
    unless_duplicate_of(inserted, "bot_updates_once")
}

/// Finds an update that is not handled yet.
pub async fn find_new(conn: &mut Conn, id: BotUpdateId) -> StoreResult<Option<UpdateRow>> {
    Ok(sqlx::query_as(
        "SELECT messenger, chat_id, body_sealed FROM bot_updates WHERE id = ? AND state = 'new'",
    )
    .bind(id.to_string())
    .fetch_optional(conn)
    .await?)
}

/// Whether an earlier update of the same dialogue is not handled yet.
pub async fn is_behind_another(
    conn: &mut Conn,
    messenger: Messenger,
    chat_id: i64,
    id: BotUpdateId,
) -> StoreResult<bool> {
    let earlier: Option<i64> = sqlx::query_scalar(
        "SELECT 1 FROM bot_updates WHERE messenger = ? AND chat_id = ? AND state = 'new' AND id < ? LIMIT 1",
    )
    .bind(messenger.as_str())
    .bind(chat_id)
    .bind(id.to_string())
    .fetch_optional(conn)
    .await?;
    Ok(earlier.is_some())
}

/// Marks an update as handled and deletes its content, which contains phone numbers and tokens; `false` if it was handled
/// before. `how` is `handled`, `ignored` or `failed`.
pub async fn finish(conn: &mut Conn, id: BotUpdateId, how: &'static str) -> StoreResult<bool> {
    let result =
        sqlx::query("UPDATE bot_updates SET state = ?, body_sealed = '' WHERE id = ? AND state = 'new'")
            .bind(how)
            .bind(id.to_string())
            .execute(conn)
            .await?;
    Ok(result.rows_affected() == 1)
}

/// Deletes at most `limit` updates received before `before`; returns how many. Messengers repeat an update for a day at
/// most, so older keys are not needed.
pub async fn prune(conn: &mut Conn, before: DateTime<Utc>, limit: u32) -> StoreResult<u64> {
    let pruned = sqlx::query("DELETE FROM bot_updates WHERE received_at < ? ORDER BY received_at LIMIT ?")
        .bind(before)
        .bind(limit)
        .execute(conn)
        .await?;
    Ok(pruned.rows_affected())
}
