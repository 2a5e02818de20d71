//! Table `bots`: the bots, as their messengers last described them.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::flysense::activation::messenger::Messenger;

use crate::{Conn, StoreResult, TextColumn};

/// Row of `bots`: FlySense's account in a messenger, as the messenger described it last.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct BotRow {
    /// Telegram or MAX, whose ids are apart.
    #[sqlx(try_from = "TextColumn")]
    pub messenger: Messenger,
    /// Name in deep links.
    pub username: String,
    /// Keyed hash of URL and secret of the webhook that was set last.
    pub webhook_hash: String,
    /// Updates that wait for delivery; `None` if the messenger does not tell.
    pub pending: Option<u64>,
    /// The messenger's description of the last failed delivery.
    pub last_error: Option<String>,
    /// When the messenger was asked.
    pub checked_at: DateTime<Utc>,
}

/// Lists the bots that have answered at least once.
pub async fn list(conn: &mut Conn) -> StoreResult<Vec<BotRow>> {
    Ok(sqlx::query_as(
        "SELECT messenger, username, webhook_hash, pending, last_error, checked_at FROM bots ORDER BY messenger",
    )
    .fetch_all(conn)
    .await?)
}

/// Reads one row without a lock; `None` if there is none.
pub async fn find(conn: &mut Conn, messenger: Messenger) -> StoreResult<Option<BotRow>> {
    Ok(sqlx::query_as(
        "SELECT messenger, username, webhook_hash, pending, last_error, checked_at FROM bots WHERE messenger = ?",
    )
    .bind(messenger.as_str())
    .fetch_optional(conn)
    .await?)
}

/// Inserts or replaces a bot.
pub async fn put(conn: &mut Conn, bot: &BotRow) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO bots (messenger, username, webhook_hash, pending, last_error, checked_at)
         VALUES (?, ?, ?, ?, ?, ?)
         ON DUPLICATE KEY UPDATE username = VALUES(username), webhook_hash = VALUES(webhook_hash),
                                 pending = VALUES(pending), last_error = VALUES(last_error),
                                 checked_at = VALUES(checked_at)",
    )
    .bind(bot.messenger.as_str())
    .bind(&bot.username)
    .bind(&bot.webhook_hash)
    .bind(bot.pending)
    .bind(&bot.last_error)
    .bind(bot.checked_at)
    .execute(conn)
    .await?;
    Ok(())
}
