//! Table `token_reads`: who was given an account's access token, when and for what. Rows are only added.

use chrono::{DateTime, Utc};
use flysk_domain::id::InstallId;

use crate::{Conn, StoreResult};

/// One disclosure.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct TokenRead {
    /// Whose token.
    #[sqlx(try_from = "String")]
    pub install_id: InstallId,
    /// Who was given it: `backend:<widget code>`, `gateway:<widget code>`.
    pub reader: String,
    /// For what: `user 501`, `background`, `GET /api/v4/leads`.
    pub purpose: String,
    /// The thread it hangs on.
    pub correlation_id: String,
    /// When.
    pub read_at: DateTime<Utc>,
}

/// Writes disclosures, all or none.
pub async fn insert(conn: &mut Conn, reads: &[TokenRead]) -> StoreResult<()> {
    if reads.is_empty() {
        return Ok(());
    }
    let cut = |text: &str, most: usize| -> String {
        text.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).take(most).collect()
    };
    let mut query = sqlx::QueryBuilder::new(
        "INSERT INTO token_reads (install_id, reader, purpose, correlation_id, read_at) ",
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

/// The latest disclosures of an install's token, the latest first.
pub async fn list_latest(conn: &mut Conn, install_id: InstallId, limit: u32) -> StoreResult<Vec<TokenRead>> {
    Ok(sqlx::query_as(
        "SELECT install_id, reader, purpose, correlation_id, read_at FROM token_reads
         WHERE install_id = ? ORDER BY id DESC LIMIT ?",
    )
    .bind(install_id.to_string())
    .bind(limit)
    .fetch_all(conn)
    .await?)
}
