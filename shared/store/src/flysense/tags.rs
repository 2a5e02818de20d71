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

const ORDER: &str = " ORDER BY uses DESC, tag_key LIMIT ?";

/// Counts one more use of a tag and adds it if it is new.
pub async fn count_use(
    conn: &mut Conn,
    account_id: AccountId,
    text: &str,
    now: DateTime<Utc>,
) -> StoreResult<()> {
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
