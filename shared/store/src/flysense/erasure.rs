//! Erasure of what FlySense keeps about an account: its calls, and the people who are bound in messengers.
//!
//! Every function may be repeated: what is erased is not counted again. Row numbers are limited, so that locks are short.
//! FlySense's copy of the account stays with its number, and so do amounts of payments.

use flysk_domain::TextEnum as _;
use flysk_domain::admin::ErasedKind;
use flysk_domain::flysense::activation::messenger::Messenger;
use flysk_domain::flysense::state::TranscriptionState;
use flysk_domain::id::{AccountId, TranscriptionId};
use sqlx::QueryBuilder;

use crate::listed::push_in;
use crate::text_column::decode_text;
use crate::{Conn, StoreResult, TextColumn};

/// A call with its state and the copy of its recording.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct ListedCall {
    /// `tr_…`, ordered by the time of creation.
    #[sqlx(try_from = "String")]
    pub id: TranscriptionId,
    /// Stage that the run has reached, or its end.
    #[sqlx(try_from = "TextColumn")]
    pub state: TranscriptionState,
    /// Key of the copy for the player in object storage.
    pub copy_key: Option<String>,
}

/// Lists at most `limit` calls of an account, oldest first.
pub async fn list_calls(conn: &mut Conn, account: AccountId, limit: u32) -> StoreResult<Vec<ListedCall>> {
    Ok(sqlx::query_as(
        "SELECT t.id, t.state, c.object_key AS copy_key FROM transcriptions t
         LEFT JOIN flysense_playback_copies c ON c.transcription_id = t.id
         WHERE t.account_id = ? ORDER BY t.id LIMIT ?",
    )
    .bind(account.0)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// Deletes ended calls with everything that belongs to them; returns the numbers of calls and of transcripts. Calls in other
/// states stay.
pub async fn delete_calls(
    conn: &mut Conn,
    account: AccountId,
    ids: &[TranscriptionId],
) -> StoreResult<(u64, u64)> {
    let ended = lock_ended(conn, account, ids).await?;
    if ended.is_empty() {
        return Ok((0, 0));
    }
    let mut query = QueryBuilder::new("DELETE FROM transcripts WHERE transcription_id");
    push_in(&mut query, ended.iter().cloned());
    let transcripts = query.build().execute(&mut *conn).await?.rows_affected();
    let mut query = QueryBuilder::new("DELETE FROM transcription_stages WHERE transcription_id");
    push_in(&mut query, ended.iter().cloned());
    query.build().execute(&mut *conn).await?;
    let mut query = QueryBuilder::new("DELETE FROM transcription_waveforms WHERE transcription_id");
    push_in(&mut query, ended.iter().cloned());
    query.build().execute(&mut *conn).await?;
    let mut query = QueryBuilder::new("DELETE FROM flysense_playback_copies WHERE transcription_id");
    push_in(&mut query, ended.iter().cloned());
    query.build().execute(&mut *conn).await?;
    let mut query = QueryBuilder::new("DELETE FROM transcriptions WHERE id");
    push_in(&mut query, ended);
    Ok((query.build().execute(conn).await?.rows_affected(), transcripts))
}

/// Locks those of the calls that have ended.
async fn lock_ended(
    conn: &mut Conn,
    account: AccountId,
    ids: &[TranscriptionId],
) -> StoreResult<Vec<String>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = QueryBuilder::new(
        "SELECT id FROM transcriptions WHERE state IN ('done', 'no_speech', 'failed', 'cancelled') AND account_id = ",
    );
    query.push_bind(account.0).push(" AND id");
    push_in(&mut query, ids.iter().map(ToString::to_string));
    query.push(" ORDER BY id FOR UPDATE");
    Ok(query.build_query_scalar().fetch_all(conn).await?)
}

/// Deletes at most `limit` hook deliveries of an account; returns how many. They are kept for some days only and have no index
/// by account, so they are read without locks first.
pub async fn delete_hooks(conn: &mut Conn, account: AccountId, limit: u32) -> StoreResult<u64> {
    let ids: Vec<String> = sqlx::query_scalar("SELECT id FROM flysense_hooks WHERE account_id = ? LIMIT ?")
        .bind(account.0)
        .bind(limit)
        .fetch_all(&mut *conn)
        .await?;
    if ids.is_empty() {
        return Ok(0);
    }
    let mut query = QueryBuilder::new("DELETE FROM flysense_hooks WHERE id");
    push_in(&mut query, ids);
    Ok(query.build().execute(conn).await?.rows_affected())
}

/// Deletes at most `limit` records of the feed; returns how many.
pub async fn delete_events(conn: &mut Conn, account: AccountId, limit: u32) -> StoreResult<u64> {
    let deleted = sqlx::query("DELETE FROM flysense_events WHERE account_id = ? LIMIT ?")
        .bind(account.0)
        .bind(limit)
        .execute(conn)
        .await?;
    Ok(deleted.rows_affected())
}

/// Deletes at most `limit` tags of the account's dictionary; returns how many.
pub async fn delete_tags(conn: &mut Conn, account: AccountId, limit: u32) -> StoreResult<u64> {
    let deleted = sqlx::query("DELETE FROM flysense_tags WHERE account_id = ? LIMIT ?")
        .bind(account.0)
        .bind(limit)
        .execute(conn)
        .await?;
    Ok(deleted.rows_affected())
}

/// Dialogues of people of this account alone. A dialogue that another account shares stays.
pub async fn list_own_chats(conn: &mut Conn, account: AccountId) -> StoreResult<Vec<(Messenger, i64)>> {
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "SELECT own.messenger, own.chat_id FROM (
             SELECT messenger, chat_id FROM activation_bindings WHERE account_id = ?
             UNION SELECT messenger, chat_id FROM activation_links WHERE account_id = ? AND chat_id IS NOT NULL
         ) own
         WHERE NOT EXISTS (SELECT 1 FROM activation_bindings other
             WHERE other.messenger = own.messenger AND other.chat_id = own.chat_id AND other.account_id <> ?)",
    )
    .bind(account.0)
    .bind(account.0)
    .bind(account.0)
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(|(messenger, chat)| Ok((decode_text("messenger", &messenger)?, chat))).collect()
}

/// Deletes a dialogue with at most `limit` of its messages; returns the number of messages.
pub async fn delete_chat(
    conn: &mut Conn,
    (messenger, chat): (Messenger, i64),
    limit: u32,
) -> StoreResult<u64> {
    let ids: Vec<String> =
        sqlx::query_scalar("SELECT id FROM bot_messages WHERE messenger = ? AND chat_id = ? LIMIT ?")
            .bind(messenger.as_str())
            .bind(chat)
            .bind(limit)
            .fetch_all(&mut *conn)
            .await?;
    if ids.is_empty() {
        sqlx::query("DELETE FROM bot_chats WHERE messenger = ? AND chat_id = ?")
            .bind(messenger.as_str())
            .bind(chat)
            .execute(conn)
            .await?;
        return Ok(0);
    }
    let mut query = QueryBuilder::new("DELETE FROM bot_messages WHERE id");
    push_in(&mut query, ids);
    Ok(query.build().execute(conn).await?.rows_affected())
}

/// Deletes the bindings of an account with phone numbers and names, and their notices; returns the number of bindings.
pub async fn delete_bindings(conn: &mut Conn, account: AccountId) -> StoreResult<u64> {
    sqlx::query(
        "DELETE FROM activation_notices
         WHERE binding_id IN (SELECT b.id FROM activation_bindings b WHERE b.account_id = ?)",
    )
    .bind(account.0)
    .execute(&mut *conn)
    .await?;
    let deleted = sqlx::query("DELETE FROM activation_bindings WHERE account_id = ?")
        .bind(account.0)
        .execute(conn)
        .await?;
    Ok(deleted.rows_affected())
}

/// Deletes the links of activation of an account with names of users; returns how many.
pub async fn delete_links(conn: &mut Conn, account: AccountId) -> StoreResult<u64> {
    let deleted = sqlx::query("DELETE FROM activation_links WHERE account_id = ?")
        .bind(account.0)
        .execute(conn)
        .await?;
    Ok(deleted.rows_affected())
}

/// Counts the rows of a kind; `None` for kinds of the platform, and for recordings, which are in object storage.
pub async fn count(conn: &mut Conn, kind: ErasedKind, account: AccountId) -> StoreResult<Option<i64>> {
    let query = match kind {
        ErasedKind::Transcripts => sqlx::query_scalar(
            "SELECT COUNT(*) FROM transcriptions t JOIN transcripts s ON s.transcription_id = t.id WHERE t.account_id = ?",
        )
        .bind(account.0),
        ErasedKind::Calls => {
            sqlx::query_scalar("SELECT COUNT(*) FROM transcriptions WHERE account_id = ?").bind(account.0)
        }
        ErasedKind::Hooks => {
            sqlx::query_scalar("SELECT COUNT(*) FROM flysense_hooks WHERE account_id = ?").bind(account.0)
        }
        ErasedKind::Events => {
            sqlx::query_scalar("SELECT COUNT(*) FROM flysense_events WHERE account_id = ?").bind(account.0)
        }
        ErasedKind::Tags => {
            sqlx::query_scalar("SELECT COUNT(*) FROM flysense_tags WHERE account_id = ?").bind(account.0)
        }
        ErasedKind::Bindings => {
            sqlx::query_scalar("SELECT COUNT(*) FROM activation_bindings WHERE account_id = ?").bind(account.0)
        }
        ErasedKind::Links => {
            sqlx::query_scalar("SELECT COUNT(*) FROM activation_links WHERE account_id = ?").bind(account.0)
        }
        _ => return Ok(None),
    };
    Ok(Some(query.fetch_one(conn).await?))
}
