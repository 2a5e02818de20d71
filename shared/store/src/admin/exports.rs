//! Table `list_exports`: exports of lists, whose files are in object storage.

use chrono::{DateTime, Utc};
use flysk_domain::id::{ExportId, OperatorId};
use flysk_domain::{TextEnum as _, UnknownText};

use crate::admin::listing::{Keyset, arrange, push_page, push_selection};
use crate::error::expect_one;
use crate::listed::push_in;
use crate::sql_text::sql;
use crate::{Conn, StoreResult, TextColumn};

/// Format of an export's file.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileFormat {
    /// Semicolon-separated values in UTF-8.
    Csv,
    /// Office Open XML workbook.
    Xlsx,
}

impl FileFormat {
    /// Value of `Content-Type` when the file is downloaded.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Csv => "text/csv; charset=utf-8",
            Self::Xlsx => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        }
    }
}

/// Progress of the file; stored as text.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportState {
    /// A job writes the file.
    Writing,
    /// The file is in object storage.
    Ready,
    /// The file could not be written.
    Failed,
    /// The file's time is over; it was deleted.
    Deleted,
}

/// Row of `list_exports`: a file of a list, requested by an operator.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct ListExport {
    /// `exp_…`, ordered by the time of creation.
    #[sqlx(try_from = "String")]
    pub id: ExportId,
    /// The operator who requested it.
    #[sqlx(try_from = "String")]
    pub operator_id: OperatorId,
    /// Path of the list.
    pub list: String,
    /// Query string of the list, without `?`.
    pub query: String,
    /// Chosen at the request; decides media type and file name.
    #[sqlx(try_from = "TextColumn")]
    pub file_format: FileFormat,
    /// `Writing` until its job has ended.
    #[sqlx(try_from = "TextColumn")]
    pub state: ExportState,
    /// Rows written so far.
    pub rows_written: u64,
    /// Whether the list has more rows than an export may have.
    pub is_cut: bool,
    /// Size of the file, bytes.
    pub file_bytes: Option<u64>,
    /// When it was requested; later rows are not in it.
    pub requested_at: DateTime<Utc>,
    /// Last progress.
    pub updated_at: DateTime<Utc>,
    /// When the file is deleted; `None` while it is being written and after its deletion.
    pub expires_at: Option<DateTime<Utc>>,
}

impl ListExport {
    /// Key of the file in object storage.
    pub fn object_key(&self) -> String {
        format!("exports/{}.{}", self.id, self.file_format.as_str())
    }
}

const SELECT: &str =
    "SELECT id, operator_id, list, query, file_format, state, rows_written, is_cut, file_bytes, requested_at, updated_at,
            expires_at
     FROM list_exports WHERE ";

/// Inserts an export that is to be written.
pub async fn insert(conn: &mut Conn, export: &ListExport) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO list_exports (id, operator_id, list, query, file_format, state, requested_at, updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(export.id.to_string())
    .bind(export.operator_id.to_string())
    .bind(&export.list)
    .bind(&export.query)
    .bind(export.file_format.as_str())
    .bind(export.state.as_str())
    .bind(export.requested_at)
    .bind(export.updated_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// Reads one row without a lock; `None` if there is none.
pub async fn find(conn: &mut Conn, id: ExportId) -> StoreResult<Option<ListExport>> {
    Ok(sqlx::query_as(sql!(SELECT, "id = ?")).bind(id.to_string()).fetch_optional(conn).await?)
}

/// Filter of exports; `None` selects any, but for the operator.
#[derive(Debug, Clone, Default)]
pub struct ExportFilter {
    /// The operator who requested them; without one there are none, because nobody sees those of others.
    pub operator_id: Option<OperatorId>,
    /// Keeps rows in this state.
    pub state: Option<ExportState>,
    /// Keeps rows of this format.
    pub file_format: Option<FileFormat>,
}

/// Ids of the exports that match, one page of them.
pub async fn ids(conn: &mut Conn, filter: &ExportFilter, keyset: &Keyset) -> StoreResult<Vec<String>> {
    let mut query = sqlx::QueryBuilder::new("SELECT ");
    push_selection(&mut query, keyset);
    query.push(" FROM list_exports FORCE INDEX (list_exports_operator) WHERE operator_id = ");
    query.push_bind(filter.operator_id.map(|id| id.to_string()).unwrap_or_default());
    if let Some(state) = filter.state {
        query.push(" AND state = ").push_bind(state.as_str());
    }
    if let Some(file_format) = filter.file_format {
        query.push(" AND file_format = ").push_bind(file_format.as_str());
    }
    push_page(&mut query, keyset);
    Ok(keyset.in_order(query.build_query_scalar().fetch_all(conn).await?))
}

/// The exports with these ids, in their order.
pub async fn rows(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<ListExport>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = sqlx::QueryBuilder::new(sql!(SELECT, "id"));
    push_in(&mut query, ids.iter().cloned());
    let rows: Vec<ListExport> = query.build_query_as().fetch_all(conn).await?;
    Ok(arrange(rows, ids, |row| row.id.to_string()))
}

/// Counts an operator's exports that are being written.
pub async fn count_writing(conn: &mut Conn, operator: OperatorId) -> StoreResult<i64> {
    Ok(sqlx::query_scalar("SELECT COUNT(*) FROM list_exports WHERE operator_id = ? AND state = 'writing'")
        .bind(operator.to_string())
        .fetch_one(conn)
        .await?)
}

/// Writes how many rows an export has so far.
pub async fn write_progress(
    conn: &mut Conn,
    id: ExportId,
    written: u64,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query(
        "UPDATE list_exports SET rows_written = ?, updated_at = ? WHERE id = ? AND state = 'writing'",
    )
    .bind(written)
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    Ok(())
}

/// A complete file.
#[derive(Debug, Clone, Copy)]
pub struct WrittenFile {
    /// Rows without the head.
    pub written: u64,
    /// Whether the list has more rows than an export may have.
    pub is_cut: bool,
    /// Size, bytes.
    pub bytes: u64,
}

/// Makes an export ready until `expires_at`; [`crate::StoreError::WrongState`] if it is not being written.
pub async fn make_ready(
    conn: &mut Conn,
    id: ExportId,
    file: WrittenFile,
    expires_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let result = sqlx::query(
        "UPDATE list_exports SET state = 'ready', rows_written = ?, is_cut = ?, file_bytes = ?, expires_at = ?, updated_at = ?
         WHERE id = ? AND state = 'writing'",
    )
    .bind(file.written)
    .bind(file.is_cut)
    .bind(file.bytes)
    .bind(expires_at)
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    expect_one(&result, "export")
}

/// Ends an export that is being written; `false` if it has ended. A file may be there already: it expires at once.
pub async fn fail(conn: &mut Conn, id: ExportId, now: DateTime<Utc>) -> StoreResult<bool> {
    let failed = sqlx::query(
        "UPDATE list_exports SET state = 'failed', expires_at = ?, updated_at = ?
         WHERE id = ? AND state = 'writing'",
    )
    .bind(now)
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    Ok(failed.rows_affected() == 1)
}

/// Lists at most `limit` exports whose files have to be deleted: ready ones whose time is over, and failed ones.
pub async fn list_expired(conn: &mut Conn, now: DateTime<Utc>, limit: u32) -> StoreResult<Vec<ListExport>> {
    Ok(sqlx::query_as(sql!(SELECT, "state IN ('ready', 'failed') AND expires_at <= ? LIMIT ?"))
        .bind(now)
        .bind(limit)
        .fetch_all(conn)
        .await?)
}

/// Lists at most `limit` exports that are being written and have made no progress since `before`.
pub async fn list_stuck(conn: &mut Conn, before: DateTime<Utc>, limit: u32) -> StoreResult<Vec<ListExport>> {
    Ok(sqlx::query_as(sql!(SELECT, "state = 'writing' AND updated_at < ? LIMIT ?"))
        .bind(before)
        .bind(limit)
        .fetch_all(conn)
        .await?)
}

/// Lists at most `limit` exports that were requested until `until` and whose files exist or are being written.
pub async fn list_made_until(
    conn: &mut Conn,
    until: DateTime<Utc>,
    limit: u32,
) -> StoreResult<Vec<ListExport>> {
    Ok(sqlx::query_as(sql!(
        SELECT,
        "state IN ('ready', 'writing') AND requested_at <= ? ORDER BY id LIMIT ?"
    ))
    .bind(until)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// Records that the file of an export was deleted. A failed export stays failed.
pub async fn mark_deleted(conn: &mut Conn, id: ExportId, now: DateTime<Utc>) -> StoreResult<()> {
    sqlx::query(
        "UPDATE list_exports SET state = IF(state = 'ready', 'deleted', state), expires_at = NULL, updated_at = ?
         WHERE id = ? AND state IN ('ready', 'failed')",
    )
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    Ok(())
}

/// Deletes at most `limit` exports without a file that ended before `before`; returns how many.
pub async fn prune(conn: &mut Conn, before: DateTime<Utc>, limit: u32) -> StoreResult<u64> {
    let pruned = sqlx::query(
        "DELETE FROM list_exports WHERE state IN ('failed', 'deleted') AND expires_at IS NULL AND updated_at < ?
         ORDER BY updated_at LIMIT ?",
    )
    .bind(before)
    .bind(limit)
    .execute(conn)
    .await?;
    Ok(pruned.rows_affected())
}
