//! Table `token_audit`, the audit log of tokens: recipient, time and purpose of each disclosure. No entry is
//! changed; entries are deleted by their age alone.

use chrono::{DateTime, Utc};
use flysk_domain::id::InstallId;

use crate::{Conn, StoreResult};

/// A disclosure of an access token.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct TokenAuditEntry {
    /// The install whose token was disclosed.
    #[sqlx(try_from = "String")]
    pub install_id: InstallId,
    /// Recipient: `backend:<widget code>`, `gateway:<widget code>`.
    pub reader: String,
    /// Purpose: `user 501`, `background`, `GET /api/v4/leads`.
    pub purpose: String,
    /// Correlation id of the request.
    pub correlation_id: String,
    /// When it was disclosed.
    pub read_at: DateTime<Utc>,
}

/// Inserts disclosures, all or none.
pub async fn insert(conn: &mut Conn, reads: &[TokenAuditEntry]) -> StoreResult<()> {
    if reads.is_empty() {
        return Ok(());
    }
    let cut = |text: &str, most: usize| -> String {
        text.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).take(most).collect()
    };
    let mut query = sqlx::QueryBuilder::new(
        "INSERT INTO token_audit (install_id, reader, purpose, correlation_id, read_at) ",
    );
    query.push_values(reads, |mut row, read| {
        row.push_bind(read.install_id.to_string())
            .push_bind(cut(&read.reader, 80))
            .push_bind(cut(&read.purpose, 64))
            .push_bind(cut(&read.correlation_id, 64))
            .push_bind(read.read_at);
    });
    query.build().execute(conn).await?;
    Ok(())
}

/// Lists the latest disclosures of an install's token, newest first.
pub async fn list_latest(
    conn: &mut Conn,
    install_id: InstallId,
    limit: u32,
) -> StoreResult<Vec<TokenAuditEntry>> {
    Ok(sqlx::query_as(
        "SELECT install_id, reader, purpose, correlation_id, read_at FROM token_audit
         WHERE install_id = ? ORDER BY read_at DESC, id DESC LIMIT ?",
    )
    .bind(install_id.to_string())
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// Lists the latest disclosures of an install's token before a time, newest first. Reads a range of the index, however many
/// there are.
pub async fn list_before(
    conn: &mut Conn,
    install_id: InstallId,
    before: DateTime<Utc>,
    limit: u32,
) -> StoreResult<Vec<TokenAuditEntry>> {
    Ok(sqlx::query_as(
        "SELECT install_id, reader, purpose, correlation_id, read_at FROM token_audit
         WHERE install_id = ? AND read_at < ? ORDER BY read_at DESC, id DESC LIMIT ?",
    )
    .bind(install_id.to_string())
    .bind(before.naive_utc())
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// Deletes those of the `limit` oldest entries that are older than `before`; returns how many.
pub async fn prune(conn: &mut Conn, before: DateTime<Utc>, limit: u32) -> StoreResult<u64> {
    // By id, which grows with time: an index of times would cost every disclosure.
    let last: Option<u64> = sqlx::query_scalar(
        "SELECT MAX(id) FROM (SELECT id, read_at FROM token_audit ORDER BY id LIMIT ?) AS oldest WHERE read_at < ?",
    )
    .bind(limit)
    .bind(before)
    .fetch_one(&mut *conn)
    .await?;
    let Some(last) = last else { return Ok(0) };
    let pruned = sqlx::query("DELETE FROM token_audit WHERE id <= ? AND read_at < ? ORDER BY id LIMIT ?")
        .bind(last)
        .bind(before)
        .bind(limit)
        .execute(conn)
        .await?;
    Ok(pruned.rows_affected())
}
