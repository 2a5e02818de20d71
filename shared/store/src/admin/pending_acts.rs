//! Table `pending_acts`: acts with money that wait for a second operator.

use chrono::{DateTime, Utc};
use flysk_domain::id::{OperatorId, PendingActId};

use crate::sql_text::sql;
use crate::{Conn, StoreResult};

/// An act that waits, or waited, for a second operator.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct PendingAct {
    /// Id of the row.
    #[sqlx(try_from = "String")]
    pub id: PendingActId,
    /// The act: `wallet.credit`.
    pub action: String,
    /// Id of the object.
    pub subject_id: String,
    /// The form, as a query string.
    pub form: String,
    /// Amount in Russian.
    pub amount: String,
    /// Given by the requester; it goes into the audit log.
    pub reason: String,
    /// Cannot approve the act.
    #[sqlx(try_from = "String")]
    pub requested_by: OperatorId,
    /// Login of that operator.
    pub requested_login: String,
    /// When it was requested.
    pub requested_at: DateTime<Utc>,
    /// `approved` or `declined`; `None` while it waits.
    pub outcome: Option<String>,
}

/// An act that was decided.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct DecidedAct {
    /// What was requested; it has an outcome.
    #[sqlx(flatten)]
    pub act: PendingAct,
    /// Who approved or declined it; the requester, if it was withdrawn.
    #[sqlx(try_from = "String")]
    pub decided_by: OperatorId,
    /// Login of that operator.
    pub decided_login: Option<String>,
    /// When it was decided.
    pub decided_at: DateTime<Utc>,
}

const COLUMNS: &str =
    "id, action, subject_id, form, amount, reason, requested_by, requested_login, requested_at, outcome";
const SELECT: &str = sql!("SELECT ", COLUMNS, " FROM pending_acts WHERE ");
const SELECT_DECIDED: &str = sql!(
    "SELECT ",
    COLUMNS,
    ", decided_by, decided_at, (SELECT o.login FROM operators o WHERE o.id = decided_by) AS decided_login FROM pending_acts"
);

/// Stores an act that waits; `outcome` is not written.
pub async fn insert(conn: &mut Conn, act: &PendingAct) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO pending_acts (id, action, subject_id, form, amount, reason, requested_by, requested_login, requested_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(act.id.to_string())
    .bind(&act.action)
    .bind(&act.subject_id)
    .bind(&act.form)
    .bind(&act.amount)
    .bind(&act.reason)
    .bind(act.requested_by.to_string())
    .bind(&act.requested_login)
    .bind(act.requested_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// Lists at most `limit` acts that wait, oldest first.
pub async fn list_open(conn: &mut Conn, limit: u32) -> StoreResult<Vec<PendingAct>> {
    Ok(sqlx::query_as(sql!(SELECT, "outcome IS NULL ORDER BY id LIMIT ?"))
        .bind(limit)
        .fetch_all(conn)
        .await?)
}

/// Lists at most `limit` acts that wait and that an operator requested, oldest first.
pub async fn list_open_of(conn: &mut Conn, operator: OperatorId, limit: u32) -> StoreResult<Vec<PendingAct>> {
    Ok(sqlx::query_as(sql!(SELECT, "outcome IS NULL AND requested_by = ? ORDER BY id LIMIT ?"))
        .bind(operator.to_string())
        .bind(limit)
        .fetch_all(conn)
        .await?)
}

/// Lists at most `limit` acts that were decided since a time, newest decision first: those that follow `after` in this order, and, with
/// an operator, those that the operator requested.
pub async fn list_decided(
    conn: &mut Conn,
    requested_by: Option<OperatorId>,
    since: DateTime<Utc>,
    after: Option<&DecidedAct>,
    limit: u32,
) -> StoreResult<Vec<DecidedAct>> {
    let mut query = sqlx::QueryBuilder::new(sql!(
        SELECT_DECIDED,
        " FORCE INDEX (pending_acts_decided) WHERE decided_at >= "
    ));
    query.push_bind(since);
    if let Some(after) = after {
        query
            .push(" AND decided_at <= ")
            .push_bind(after.decided_at)
            .push(" AND (decided_at < ")
            .push_bind(after.decided_at)
            .push(" OR id < ")
            .push_bind(after.act.id.to_string())
            .push(")");
    }
    if let Some(operator) = requested_by {
        query.push(" AND requested_by = ").push_bind(operator.to_string());
    }
    query.push(" ORDER BY decided_at DESC, id DESC LIMIT ").push_bind(limit);
    Ok(query.build_query_as().fetch_all(conn).await?)
}

/// Finds an act that was decided.
pub async fn find_decided(conn: &mut Conn, id: PendingActId) -> StoreResult<Option<DecidedAct>> {
    Ok(sqlx::query_as(sql!(SELECT_DECIDED, " WHERE id = ? AND decided_at IS NOT NULL"))
        .bind(id.to_string())
        .fetch_optional(conn)
        .await?)
}

/// Finds an act and locks its row until the transaction ends.
pub async fn lock(conn: &mut Conn, id: PendingActId) -> StoreResult<Option<PendingAct>> {
    Ok(sqlx::query_as(sql!(SELECT, "id = ? FOR UPDATE")).bind(id.to_string()).fetch_optional(conn).await?)
}

/// Writes the decision; `false` if it was decided.
pub async fn decide(
    conn: &mut Conn,
    id: PendingActId,
    outcome: &str,
    by: OperatorId,
    now: DateTime<Utc>,
) -> StoreResult<bool> {
    let decided = sqlx::query(
        "UPDATE pending_acts SET outcome = ?, decided_by = ?, decided_at = ? WHERE id = ? AND outcome IS NULL",
    )
    .bind(outcome)
    .bind(by.to_string())
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    Ok(decided.rows_affected() == 1)
}
