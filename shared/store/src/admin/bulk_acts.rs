//! Tables `bulk_acts` and `bulk_act_results`: acts of operators on all rows of a list, with a result for each row.

use chrono::{DateTime, Utc};
use flysk_domain::admin::{BulkAction, BulkState};
use flysk_domain::id::{BulkActId, BulkResultId, OperatorId};
use flysk_domain::{TextEnum as _, UnknownText};

use crate::admin::listing::{Keyset, arrange, push_page, push_selection};
use crate::error::expect_one;
use crate::listed::push_in;
use crate::sql_text::sql;
use crate::{Conn, StoreResult, TextColumn};

/// Row of `bulk_acts`: one act on every row of a list's filter.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct BulkAct {
    /// `blk_…`, ordered by the time of creation.
    #[sqlx(try_from = "String")]
    pub id: BulkActId,
    /// The operator who started it.
    #[sqlx(try_from = "String")]
    pub operator_id: OperatorId,
    /// As it was at the start, for the audit log.
    pub operator_login: String,
    /// The act on one row.
    #[sqlx(try_from = "TextColumn")]
    pub action: BulkAction,
    /// Path of the list.
    pub list: String,
    /// Query string of the list, without `?`.
    pub query: String,
    /// The act that this one takes back.
    pub undo_of: Option<String>,
    /// `Running` or `Paused` until its last row has a result or an operator ends it.
    #[sqlx(try_from = "TextColumn")]
    pub state: BulkState,
    /// Rows that the operator has confirmed; no more are touched.
    pub expected: u32,
    /// Rows that were changed.
    pub done_count: u32,
    /// Rows that could not be changed.
    pub refused_count: u32,
    /// The row whose result was written last.
    pub last_id: Option<String>,
    /// Given by the operator, for every row.
    pub reason: String,
    /// Address of the operator.
    pub address: String,
    /// Correlation id of the request.
    pub correlation_id: String,
    /// When it was confirmed by the dry run; later rows are not touched.
    pub requested_at: DateTime<Utc>,
    /// When its last row got a result, or when it was ended before.
    pub finished_at: Option<DateTime<Utc>>,
}

impl BulkAct {
    /// Rows that have a result.
    pub const fn processed(&self) -> u32 {
        self.done_count.saturating_add(self.refused_count)
    }
}

/// Outcome of a bulk act for one row.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BulkOutcome {
    /// The row was changed.
    Done,
    /// The row could not be changed.
    Refused,
}

/// The result of a bulk act for one row.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct BulkResult {
    /// `blr_…`, ordered by the time of creation.
    #[sqlx(try_from = "String")]
    pub id: BulkResultId,
    /// Row of `bulk_acts`.
    #[sqlx(try_from = "String")]
    pub bulk_act_id: BulkActId,
    /// Id of the row.
    pub subject_id: String,
    /// Whether the row was changed.
    #[sqlx(try_from = "TextColumn")]
    pub outcome: BulkOutcome,
    /// Effect on the row, or the reason why there is none, in Russian.
    pub detail: String,
    /// When the row got its result.
    pub happened_at: DateTime<Utc>,
}

const SELECT: &str =
    "SELECT id, operator_id, operator_login, action, list, query, undo_of, state, expected, done_count, refused_count, last_id,
            reason, address, correlation_id, requested_at, finished_at
     FROM bulk_acts WHERE ";

/// Inserts an act; [`crate::StoreError::Duplicate`] with `bulk_acts_undo` if the act to take back was taken back.
pub async fn insert(conn: &mut Conn, act: &BulkAct) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO bulk_acts (id, operator_id, operator_login, action, list, query, undo_of, state, expected, reason, address,
                                correlation_id, requested_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(act.id.to_string())
    .bind(act.operator_id.to_string())
    .bind(&act.operator_login)
    .bind(act.action.code())
    .bind(&act.list)
    .bind(&act.query)
    .bind(act.undo_of.as_deref())
    .bind(act.state.as_str())
    .bind(act.expected)
    .bind(&act.reason)
    .bind(&act.address)
    .bind(&act.correlation_id)
    .bind(act.requested_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// Reads one row without a lock; `None` if there is none.
pub async fn find(conn: &mut Conn, id: BulkActId) -> StoreResult<Option<BulkAct>> {
    Ok(sqlx::query_as(sql!(SELECT, "id = ?")).bind(id.to_string()).fetch_optional(conn).await?)
}

/// Finds an act and locks its row until the transaction ends.
pub async fn lock(conn: &mut Conn, id: BulkActId) -> StoreResult<Option<BulkAct>> {
    Ok(sqlx::query_as(sql!(SELECT, "id = ? FOR UPDATE")).bind(id.to_string()).fetch_optional(conn).await?)
}

/// Finds the act that takes this one back.
pub async fn find_undo(conn: &mut Conn, id: BulkActId) -> StoreResult<Option<BulkAct>> {
    Ok(sqlx::query_as(sql!(SELECT, "undo_of = ?")).bind(id.to_string()).fetch_optional(conn).await?)
}

/// Filter of acts; `None` selects any.
#[derive(Debug, Clone, Default)]
pub struct BulkActFilter {
    /// Keeps rows in this state.
    pub state: Option<BulkState>,
    /// The act on one row.
    pub action: Option<BulkAction>,
    /// The operator who started it.
    pub operator_id: Option<OperatorId>,
}

/// Ids of the acts that match, one page of them. People start them, so that there are few.
pub async fn ids(conn: &mut Conn, filter: &BulkActFilter, keyset: &Keyset) -> StoreResult<Vec<String>> {
    let mut query = sqlx::QueryBuilder::new("SELECT ");
    push_selection(&mut query, keyset);
    query.push(" FROM bulk_acts WHERE 1 = 1");
    if let Some(state) = filter.state {
        query.push(" AND state = ").push_bind(state.as_str());
    }
    if let Some(action) = filter.action {
        query.push(" AND action = ").push_bind(action.code());
    }
    if let Some(id) = filter.operator_id {
        query.push(" AND operator_id = ").push_bind(id.to_string());
    }
    push_page(&mut query, keyset);
    Ok(keyset.in_order(query.build_query_scalar().fetch_all(conn).await?))
}

/// The acts with these ids, in their order.
pub async fn rows(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<BulkAct>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = sqlx::QueryBuilder::new(sql!(SELECT, "id"));
    push_in(&mut query, ids.iter().cloned());
    let rows: Vec<BulkAct> = query.build_query_as().fetch_all(conn).await?;
    Ok(arrange(rows, ids, |row| row.id.to_string()))
}

/// Moves an act whose row is locked from one state to another; `finished_at` is the time of a final state.
pub async fn write_state(
    conn: &mut Conn,
    id: BulkActId,
    (from, to): (BulkState, BulkState),
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let result = sqlx::query("UPDATE bulk_acts SET state = ?, finished_at = ? WHERE id = ? AND state = ?")
        .bind(to.as_str())
        .bind(to.is_final().then_some(now))
        .bind(id.to_string())
        .bind(from.as_str())
        .execute(conn)
        .await?;
    expect_one(&result, "bulk act")
}

/// Writes the result for the next row of an act whose row is locked, and counts it.
pub async fn write_result(conn: &mut Conn, result: &BulkResult) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO bulk_act_results (id, bulk_act_id, subject_id, outcome, detail, happened_at)
         VALUES (?, ?, ?, ?, ?, ?)",
    )
    .bind(result.id.to_string())
    .bind(result.bulk_act_id.to_string())
    .bind(&result.subject_id)
    .bind(result.outcome.as_str())
    .bind(&result.detail)
    .bind(result.happened_at)
    .execute(&mut *conn)
    .await?;
    let is_done = result.outcome == BulkOutcome::Done;
    let counted = sqlx::query(
        "UPDATE bulk_acts SET done_count = done_count + ?, refused_count = refused_count + ?, last_id = ?
         WHERE id = ? AND state = 'running'",
    )
    .bind(u32::from(is_done))
    .bind(u32::from(!is_done))
    .bind(&result.subject_id)
    .bind(result.bulk_act_id.to_string())
    .execute(conn)
    .await?;
    expect_one(&counted, "bulk act")
}

/// Ids of the rows that an act has changed, the oldest first as in an act, after a row.
pub async fn changed_ids(
    conn: &mut Conn,
    id: BulkActId,
    after: Option<&str>,
    limit: u32,
) -> StoreResult<Vec<String>> {
    Ok(sqlx::query_scalar(
        "SELECT subject_id FROM bulk_act_results WHERE bulk_act_id = ? AND outcome = 'done' AND subject_id > ?
         ORDER BY subject_id LIMIT ?",
    )
    .bind(id.to_string())
    .bind(after.unwrap_or_default())
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// Deletes at most `limit` results of acts that ended before `before`, and each act with its last results; returns how many
/// rows. An act stays while another one takes it back, which reads its results.
pub async fn prune(conn: &mut Conn, before: DateTime<Utc>, limit: u32) -> StoreResult<u64> {
    let mut pruned = 0;
    while pruned < u64::from(limit) {
        match prune_one(conn, before, limit).await? {
            Some(rows) => pruned += rows,
            None => break,
        }
    }
    Ok(pruned)
}

/// Deletes at most `limit` results of one act, and the act with its last results; `None` if there is nothing to delete.
async fn prune_one(conn: &mut Conn, before: DateTime<Utc>, limit: u32) -> StoreResult<Option<u64>> {
    let ended: Option<String> = sqlx::query_scalar(
        "SELECT a.id FROM bulk_acts a LEFT JOIN bulk_acts u ON u.undo_of = a.id AND u.finished_at IS NULL
         WHERE a.finished_at < ? AND u.id IS NULL ORDER BY a.id LIMIT 1",
    )
    .bind(before)
    .fetch_optional(&mut *conn)
    .await?;
    let Some(id) = ended else { return Ok(None) };
    let results =
        sqlx::query("DELETE FROM bulk_act_results WHERE bulk_act_id = ? ORDER BY subject_id LIMIT ?")
            .bind(&id)
            .bind(limit)
            .execute(&mut *conn)
            .await?;
    if results.rows_affected() < u64::from(limit) {
        sqlx::query("DELETE FROM bulk_acts WHERE id = ?").bind(&id).execute(conn).await?;
    }
    Ok(Some(results.rows_affected() + 1))
}

/// Selection of rows of `bulk_act_results`.
#[derive(Debug, Clone)]
pub struct ResultFilter {
    /// Keeps rows of this bulk act.
    pub bulk_act_id: BulkActId,
    /// Outcome; `None` selects any.
    pub outcome: Option<BulkOutcome>,
}

/// Ids of the results that match, one page of them.
pub async fn result_ids(conn: &mut Conn, filter: &ResultFilter, keyset: &Keyset) -> StoreResult<Vec<String>> {
    let mut query = sqlx::QueryBuilder::new("SELECT ");
    push_selection(&mut query, keyset);
    // Otherwise the servers read all results of the act by another of its indexes, and sort them.
    match filter.outcome {
        Some(_) => query
            .push(" FROM bulk_act_results FORCE INDEX (bulk_act_results_outcome_id) WHERE bulk_act_id = "),
        None => query.push(" FROM bulk_act_results FORCE INDEX (bulk_act_results_list) WHERE bulk_act_id = "),
    };
    query.push_bind(filter.bulk_act_id.to_string());
    if let Some(outcome) = filter.outcome {
        query.push(" AND outcome = ").push_bind(outcome.as_str());
    }
    push_page(&mut query, keyset);
    Ok(keyset.in_order(query.build_query_scalar().fetch_all(conn).await?))
}

/// The results with these ids, in their order.
pub async fn result_rows(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<BulkResult>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = sqlx::QueryBuilder::new(
        "SELECT id, bulk_act_id, subject_id, outcome, detail, happened_at FROM bulk_act_results WHERE id",
    );
    push_in(&mut query, ids.iter().cloned());
    let rows: Vec<BulkResult> = query.build_query_as().fetch_all(conn).await?;
    Ok(arrange(rows, ids, |row| row.id.to_string()))
}
