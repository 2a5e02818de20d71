//! Table `audit_log`: acts of operators, inserted in the transaction of the change.

use chrono::{DateTime, Utc};
use flysk_domain::id::{AuditId, OperatorId, VendorUserId};

use super::listing::{Keyset, arrange, push_page, push_selection};
use crate::error::expect_one;
use crate::listed::push_in;
use crate::sql_text::sql;
use crate::{Conn, StoreResult};

/// An act.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct AuditRow {
    /// `aud_…`, ordered by the time of creation.
    #[sqlx(try_from = "String")]
    pub id: AuditId,
    /// Id of the operator or of the vendor's user (`vus_…`); `None` for a command on the server.
    pub operator_id: Option<String>,
    /// Login of the operator, address of the vendor's user, or name of the program.
    pub operator_login: String,
    /// The act: `wallet.credit`.
    pub action: String,
    /// Kind of the changed object: `wallet`.
    pub subject_kind: String,
    /// Id of the object.
    pub subject_id: String,
    /// Reason given by the operator.
    pub reason: String,
    /// Changed fields before, as JSON.
    pub state_before: Option<String>,
    /// Changed fields after, as JSON.
    pub state_after: Option<String>,
    /// Address of the operator.
    pub address: String,
    /// Correlation id of the request and of its jobs.
    pub correlation_id: String,
    /// When it happened.
    pub happened_at: DateTime<Utc>,
    /// Place in the hash chain; `None` until the row is sealed.
    pub chain_number: Option<u64>,
}

const COLUMNS: &str =
    "id, operator_id, operator_login, action, subject_kind, subject_id, reason, state_before,
     state_after, address, correlation_id, happened_at, chain_number";

/// An act to be recorded.
#[derive(Debug)]
pub struct NewAuditRow<'a> {
    /// `aud_…`, chosen by the caller.
    pub id: AuditId,
    /// The operator; `None` for a command on the server.
    pub operator_id: Option<OperatorId>,
    /// Login of the operator, or name of the program.
    pub operator_login: &'a str,
    /// The act: `wallet.credit`; at most 48 characters.
    pub action: &'a str,
    /// Kind and id of the changed object.
    pub subject: (&'a str, &'a str),
    /// Reason given by the operator, at most 500 characters.
    pub reason: &'a str,
    /// Changed fields before and after, as JSON.
    pub states: (Option<String>, Option<String>),
    /// Address of the operator.
    pub address: &'a str,
    /// Correlation id of the request.
    pub correlation_id: &'a str,
}

/// Inserts an act of an operator or of a command.
pub async fn insert(conn: &mut Conn, row: &NewAuditRow<'_>, now: DateTime<Utc>) -> StoreResult<()> {
    insert_by(conn, row, row.operator_id.map(|id| id.to_string()), now).await
}

/// Inserts an act of a vendor's user; the row names no operator.
pub async fn insert_by_vendor_user(
    conn: &mut Conn,
    row: &NewAuditRow<'_>,
    user: VendorUserId,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    insert_by(conn, row, Some(user.to_string()), now).await
}

async fn insert_by(
    conn: &mut Conn,
    row: &NewAuditRow<'_>,
    actor: Option<String>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO audit_log (id, operator_id, operator_login, action, subject_kind, subject_id, reason, state_before,
                                state_after, address, correlation_id, happened_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(row.id.to_string())
    .bind(actor)
    .bind(row.operator_login)
    .bind(row.action)
    .bind(row.subject.0)
    .bind(row.subject.1)
    .bind(row.reason)
    .bind(row.states.0.as_deref())
    .bind(row.states.1.as_deref())
    .bind(row.address)
    .bind(row.correlation_id)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Filter of the audit log; `None` selects any.
#[derive(Debug, Clone, Default)]
pub struct AuditFilter {
    /// `opr_…` of an operator or `vus_…` of a vendor's user.
    pub operator_id: Option<String>,
    /// The act.
    pub action: Option<String>,
    /// Kind of the changed object.
    pub subject_kind: Option<String>,
    /// Id of the changed object.
    pub subject_id: Option<String>,
    /// Correlation id of the request.
    pub correlation: Option<String>,
}

/// Ids of the rows that match, one page of them.
pub async fn ids(conn: &mut Conn, filter: &AuditFilter, keyset: &Keyset) -> StoreResult<Vec<String>> {
    let mut query = sqlx::QueryBuilder::new("SELECT ");
    push_selection(&mut query, keyset);
    // Otherwise the servers read all rows of the value by another of its indexes, and sort them.
    match filter {
        AuditFilter { correlation: Some(_), .. } => {
            query.push(" FROM audit_log FORCE INDEX (audit_log_correlation)")
        }
        AuditFilter { subject_id: Some(_), subject_kind: Some(_), .. } => {
            query.push(" FROM audit_log FORCE INDEX (audit_log_subject)")
        }
        AuditFilter { subject_id: Some(_), .. } => {
            query.push(" FROM audit_log FORCE INDEX (audit_log_subject_id)")
        }
        AuditFilter { operator_id: Some(_), .. } => {
            query.push(" FROM audit_log FORCE INDEX (audit_log_operator)")
        }
        AuditFilter { action: Some(_), .. } => query.push(" FROM audit_log FORCE INDEX (audit_log_action)"),
        AuditFilter { subject_kind: Some(_), .. } => {
            query.push(" FROM audit_log FORCE INDEX (audit_log_kind)")
        }
        AuditFilter { subject_kind: None, .. } => query.push(" FROM audit_log"),
    };
    query.push(" WHERE 1 = 1");
    if let Some(id) = &filter.operator_id {
        query.push(" AND operator_id = ").push_bind(id.clone());
    }
    if let Some(action) = &filter.action {
        query.push(" AND action = ").push_bind(action.clone());
    }
    if let Some(kind) = &filter.subject_kind {
        query.push(" AND subject_kind = ").push_bind(kind.clone());
    }
    if let Some(id) = &filter.subject_id {
        query.push(" AND subject_id = ").push_bind(id.clone());
    }
    if let Some(correlation) = &filter.correlation {
        query.push(" AND correlation_id = ").push_bind(correlation.clone());
    }
    push_page(&mut query, keyset);
    Ok(keyset.in_order(query.build_query_scalar().fetch_all(conn).await?))
}

/// The rows with these ids, in their order.
pub async fn rows(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<AuditRow>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = sqlx::QueryBuilder::new(sql!("SELECT ", COLUMNS, " FROM audit_log WHERE id"));
    push_in(&mut query, ids.iter().cloned());
    let rows: Vec<AuditRow> = query.build_query_as().fetch_all(conn).await?;
    Ok(arrange(rows, ids, |row| row.id.to_string()))
}

/// The latest acts on an object, newest first.
pub async fn list_of_subject(
    conn: &mut Conn,
    kind: &str,
    id: &str,
    limit: u32,
) -> StoreResult<Vec<AuditRow>> {
    Ok(sqlx::query_as(sql!(
        "SELECT ",
        COLUMNS,
        " FROM audit_log WHERE subject_kind = ? AND subject_id = ? ORDER BY id DESC LIMIT ?"
    ))
    .bind(kind)
    .bind(id)
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// Place of a row in the hash chain.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Sealed {
    /// Number in the chain, from 1.
    #[sqlx(rename = "chain_number")]
    pub number: u64,
    /// Hash of the row and of the chain before it.
    #[sqlx(rename = "chain_hash")]
    pub hash: String,
}

#[derive(sqlx::FromRow)]
struct SealedRow {
    #[sqlx(flatten)]
    row: AuditRow,
    chain_hash: String,
}

/// The last sealed row; locks it until the transaction ends.
pub async fn lock_last_sealed(conn: &mut Conn) -> StoreResult<Option<Sealed>> {
    Ok(sqlx::query_as(
        "SELECT chain_number, chain_hash FROM audit_log WHERE chain_number IS NOT NULL
         ORDER BY chain_number DESC LIMIT 1 FOR UPDATE",
    )
    .fetch_optional(conn)
    .await?)
}

const SELECT_HEAD: &str = "SELECT chain_number, chain_hash FROM audit_chain_head WHERE id = 1";

/// The head of the chain: the last row that was sealed, whether or not it is still there. Locks it until the transaction ends.
pub async fn lock_chain_head(conn: &mut Conn) -> StoreResult<Option<Sealed>> {
    Ok(sqlx::query_as(sql!(SELECT_HEAD, " FOR UPDATE")).fetch_optional(conn).await?)
}

/// [`lock_chain_head`] without the lock.
pub async fn find_chain_head(conn: &mut Conn) -> StoreResult<Option<Sealed>> {
    Ok(sqlx::query_as(SELECT_HEAD).fetch_optional(conn).await?)
}

/// Writes number and hash of the last sealed row, over the former ones.
pub async fn write_chain_head(conn: &mut Conn, head: &Sealed) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO audit_chain_head (id, chain_number, chain_hash) VALUES (1, ?, ?)
         ON DUPLICATE KEY UPDATE chain_number = VALUES(chain_number), chain_hash = VALUES(chain_hash)",
    )
    .bind(head.number)
    .bind(&head.hash)
    .execute(conn)
    .await?;
    Ok(())
}

/// Lists at most `limit` rows that are not sealed, oldest first.
pub async fn list_unsealed(conn: &mut Conn, limit: u32) -> StoreResult<Vec<AuditRow>> {
    Ok(sqlx::query_as(sql!(
        "SELECT ",
        COLUMNS,
        " FROM audit_log WHERE chain_number IS NULL ORDER BY id LIMIT ?"
    ))
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// Seals a row; [`crate::StoreError::WrongState`] if it is sealed.
pub async fn seal(conn: &mut Conn, id: AuditId, number: u64, hash: &str) -> StoreResult<()> {
    let result = sqlx::query(
        "UPDATE audit_log SET chain_number = ?, chain_hash = ? WHERE id = ? AND chain_number IS NULL",
    )
    .bind(number)
    .bind(hash)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    expect_one(&result, "audit row")
}

/// Lists at most `limit` sealed rows after a number, in the order of the chain.
pub async fn list_sealed(conn: &mut Conn, after: u64, limit: u32) -> StoreResult<Vec<(AuditRow, Sealed)>> {
    let rows: Vec<SealedRow> = sqlx::query_as(sql!(
        "SELECT ",
        COLUMNS,
        ", chain_hash FROM audit_log WHERE chain_number > ? ORDER BY chain_number LIMIT ?"
    ))
    .bind(after)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    let sealed = |found: SealedRow| {
        let number = found.row.chain_number.unwrap_or_default();
        (found.row, Sealed { number, hash: found.chain_hash })
    };
    Ok(rows.into_iter().map(sealed).collect())
}
