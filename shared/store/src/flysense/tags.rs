//! Table `flysense_tags`: the account's own tags, for autocomplete.

use chrono::{DateTime, Utc};
use flysk_domain::flysense::tag::tag_key;
use flysk_domain::id::AccountId;

use crate::sql_text::sql;
use crate::{Conn, StoreResult};

/// A tag of the dictionary.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct TagRow {
    /// The tag as it was last written.
    pub text: String,
    /// Number of times it was put on a call.
    pub uses: u32,
}

/// Maximum number of tags in an account's dictionary. Calls may have others, which are not suggested.
pub const MAX_TAGS: u32 = 5_000;

const ORDER: &str = " ORDER BY uses DESC, tag_key LIMIT ?";

/// Counts one more use of a tag and adds it if it is new. A new tag is not added to a full dictionary; the limit is approximate.
pub async fn count_use(
    conn: &mut Conn,
    account_id: AccountId,
    text: &str,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    if !has_room(conn, account_id, text).await? {
        return Ok(());
    }
    sqlx::query(
        "INSERT INTO flysense_tags (account_id, tag_key, text, uses, used_at) VALUES (?, ?, ?, 1, ?)
         ON DUPLICATE KEY UPDATE text = VALUES(text), uses = uses + 1, used_at = VALUES(used_at)",
    )
    .bind(account_id.0)
    .bind(tag_key(text))
    .bind(text)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether the dictionary has the tag or may take another one.
async fn has_room(conn: &mut Conn, account_id: AccountId, text: &str) -> StoreResult<bool> {
    let uses: Option<u32> =
        sqlx::query_scalar("SELECT uses FROM flysense_tags WHERE account_id = ? AND tag_key = ?")
            .bind(account_id.0)
            .bind(tag_key(text))
            .fetch_optional(&mut *conn)
            .await?;
    if uses.is_some() {
        return Ok(true);
    }
    let counted: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM (SELECT tag_key FROM flysense_tags WHERE account_id = ? LIMIT ?) AS listed",
    )
    .bind(account_id.0)
    .bind(MAX_TAGS)
    .fetch_one(conn)
    .await?;
    Ok(counted < i64::from(MAX_TAGS))
}

/// Lists at most `limit` tags of an account, most used first; only those that contain `query`, if given, whatever its case.
pub async fn list(
    conn: &mut Conn,
    account_id: AccountId,
    query: Option<&str>,
    limit: u32,
) -> StoreResult<Vec<TagRow>> {
    let wanted = query.map(tag_key).unwrap_or_default();
    Ok(sqlx::query_as(sql!(
        "SELECT text, uses FROM flysense_tags WHERE account_id = ? AND (? = '' OR INSTR(tag_key, ?) > 0)",
        ORDER
    ))
    .bind(account_id.0)
    .bind(&wanted)
    .bind(&wanted)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// Removes a tag from the dictionary; calls keep it. `false` if it is not there.
pub async fn delete(conn: &mut Conn, account_id: AccountId, text: &str) -> StoreResult<bool> {
    let deleted = sqlx::query("DELETE FROM flysense_tags WHERE account_id = ? AND tag_key = ?")
        .bind(account_id.0)
        .bind(tag_key(text))
        .execute(conn)
        .await?;
    Ok(deleted.rows_affected() > 0)
}
