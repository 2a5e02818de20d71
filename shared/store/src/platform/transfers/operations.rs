//! Tables `bank_operations` and `bank_operation_ids`: money that arrived on vendors' accounts.

use chrono::{DateTime, Days, NaiveDate, Utc};
use flysk_domain::TextEnum;
use flysk_domain::id::{BankOperationId, VendorId};
use flysk_domain::money::Kopecks;
use flysk_domain::platform::transfers::{OperationState, QueueReason};

use crate::error::expect_one;
use crate::listed::push_in;
use crate::platform::purchases::truncate_ascii;
use crate::sql_text::sql;
use crate::text_column::decode_text;
use crate::{Conn, StoreError, StoreResult};

/// Width of the column of the bank's id, in characters.
const MAX_BANK_ID_LEN: usize = 64;
/// Days around the booking within which an id of the bank names one operation.
const ID_HOLDS_DAYS: u64 = 7;

/// Row of `bank_operations`: money that arrived on a vendor's account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BankOperation {
    /// `bop_…`, ordered by the time of creation.
    pub id: BankOperationId,
    /// Vendor who owns the account.
    pub vendor_id: VendorId,
    /// Number of the vendor's bank account.
    pub account: String,
    /// Day on which the bank booked it, Moscow.
    pub booked_on: NaiveDate,
    /// When the bank booked it.
    pub booked_at: DateTime<Utc>,
    /// Credited to the account, above zero.
    pub amount: Kopecks,
    /// As the bank gives it.
    pub payer_name: String,
    /// The payer's INN, as the bank gives it; may be empty.
    pub payer_inn: String,
    /// The payer's account; may be empty.
    pub payer_account: String,
    /// Number of the payment order.
    pub document_number: String,
    /// Purpose of the payment.
    pub purpose: String,
    /// `Queued` waits for a person.
    pub state: OperationState,
    /// Why a person had to decide.
    pub queue_reason: Option<QueueReason>,
    /// Incremented by every decision.
    pub version: u32,
    /// When it was read.
    pub created_at: DateTime<Utc>,
}

/// An operation to be inserted, and its identity.
#[derive(Debug)]
pub struct NewOperation<'a> {
    /// The operation; state, reason and version are those of a new one.
    pub operation: &'a BankOperation,
    /// Fingerprint, 64 hex digits.
    pub dedup_key: &'a str,
    /// Number among equal operations of the day, from 0.
    pub occurrence: u32,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    vendor_id: String,
    account_number: String,
    booked_on: NaiveDate,
    booked_at: DateTime<Utc>,
    amount_kopecks: i64,
    payer_name: String,
    payer_inn: String,
    payer_account: String,
    document_number: String,
    purpose: String,
    state: String,
    queue_reason: Option<String>,
    version: u32,
    created_at: DateTime<Utc>,
}

impl TryFrom<Row> for BankOperation {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let reason = row.queue_reason.as_deref();
        Ok(Self {
            id: decode_text("operation id", &row.id)?,
            vendor_id: decode_text("vendor id", &row.vendor_id)?,
            account: row.account_number,
            booked_on: row.booked_on,
            booked_at: row.booked_at,
            amount: Kopecks(row.amount_kopecks),
            payer_name: row.payer_name,
            payer_inn: row.payer_inn,
            payer_account: row.payer_account,
            document_number: row.document_number,
            purpose: row.purpose,
            state: decode_text("operation state", &row.state)?,
            queue_reason: reason.map(|reason| decode_text("queue reason", reason)).transpose()?,
            version: row.version,
            created_at: row.created_at,
        })
    }
}

const SELECT: &str = "SELECT id, vendor_id, account_number, booked_on, booked_at, amount_kopecks, payer_name,
    payer_inn, payer_account, document_number, purpose, state, queue_reason, version, created_at
    FROM bank_operations WHERE ";

fn into_operation(row: Option<Row>) -> StoreResult<Option<BankOperation>> {
    row.map(TryInto::try_into).transpose()
}

fn into_operations(rows: Vec<Row>) -> StoreResult<Vec<BankOperation>> {
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Inserts an operation unless it is known; returns its id.
pub async fn insert_operation(conn: &mut Conn, new: &NewOperation<'_>) -> StoreResult<BankOperationId> {
    let operation = new.operation;
    sqlx::query(
        "INSERT INTO bank_operations (id, vendor_id, account_number, dedup_key, occurrence, booked_on, booked_at,
             amount_kopecks, payer_name, payer_inn, payer_account, document_number, purpose, state, created_at,
             updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'new', ?, ?)
         ON DUPLICATE KEY UPDATE updated_at = updated_at",
    )
    .bind(operation.id.to_string())
    .bind(operation.vendor_id.to_string())
    .bind(&operation.account)
    .bind(new.dedup_key)
    .bind(new.occurrence)
    .bind(operation.booked_on)
    .bind(operation.booked_at)
    .bind(operation.amount.0)
    .bind(&operation.payer_name)
    .bind(&operation.payer_inn)
    .bind(&operation.payer_account)
    .bind(&operation.document_number)
    .bind(&operation.purpose)
    .bind(operation.created_at)
    .bind(operation.created_at)
    .execute(&mut *conn)
    .await?;
    // A locking read sees a row that another reading committed since this transaction's snapshot.
    let id: String = sqlx::query_scalar(
        "SELECT id FROM bank_operations
         WHERE vendor_id = ? AND account_number = ? AND dedup_key = ? AND occurrence = ? LOCK IN SHARE MODE",
    )
    .bind(operation.vendor_id.to_string())
    .bind(&operation.account)
    .bind(new.dedup_key)
    .bind(new.occurrence)
    .fetch_one(conn)
    .await?;
    decode_text("operation id", &id)
}

/// Finds the operation that a statement lists, by its identity or, if the bank has worded it anew, by its id: one of this amount
/// that was booked about this day. `None` if it is new. Of two readings of an account at once, the caller lets one wait
/// ([`super::lock_reading`]).
pub async fn find_listed_operation(
    conn: &mut Conn,
    new: &NewOperation<'_>,
    bank_id: &str,
) -> StoreResult<Option<BankOperationId>> {
    let operation = new.operation;
    let known: Option<String> = sqlx::query_scalar(
        "SELECT id FROM bank_operations
         WHERE vendor_id = ? AND account_number = ? AND dedup_key = ? AND occurrence = ?",
    )
    .bind(operation.vendor_id.to_string())
    .bind(&operation.account)
    .bind(new.dedup_key)
    .bind(new.occurrence)
    .fetch_optional(&mut *conn)
    .await?;
    // A second equal operation of a day is another one, whatever id the first one had.
    let id = if known.is_some() || new.occurrence > 0 {
        known
    } else {
        let days = Days::new(ID_HOLDS_DAYS);
        sqlx::query_scalar(
            "SELECT o.id FROM bank_operation_ids i JOIN bank_operations o ON o.id = i.operation_id
             WHERE i.bank_id = ? AND o.vendor_id = ? AND o.account_number = ? AND o.amount_kopecks = ?
               AND o.booked_on BETWEEN ? AND ?
             ORDER BY o.id LIMIT 1",
        )
        .bind(truncate_ascii(bank_id, MAX_BANK_ID_LEN))
        .bind(operation.vendor_id.to_string())
        .bind(&operation.account)
        .bind(operation.amount.0)
        .bind(operation.booked_on.checked_sub_days(days).unwrap_or(operation.booked_on))
        .bind(operation.booked_on.checked_add_days(days).unwrap_or(operation.booked_on))
        .fetch_optional(conn)
        .await?
    };
    id.map(|id: String| decode_text("operation id", &id)).transpose()
}

/// Records an id under which the bank lists an operation.
pub async fn note_operation_id(
    conn: &mut Conn,
    id: BankOperationId,
    bank_id: &str,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO bank_operation_ids (operation_id, bank_id, seen_at) VALUES (?, ?, ?)
         ON DUPLICATE KEY UPDATE seen_at = seen_at",
    )
    .bind(id.to_string())
    .bind(truncate_ascii(bank_id, MAX_BANK_ID_LEN))
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Reads one row without a lock; `None` if there is none.
pub async fn find_operation(conn: &mut Conn, id: BankOperationId) -> StoreResult<Option<BankOperation>> {
    into_operation(sqlx::query_as(sql!(SELECT, "id = ?")).bind(id.to_string()).fetch_optional(conn).await?)
}

/// Reads an operation and locks its row.
pub async fn lock_operation(conn: &mut Conn, id: BankOperationId) -> StoreResult<BankOperation> {
    let row = sqlx::query_as(sql!(SELECT, "id = ? FOR UPDATE")).bind(id.to_string());
    into_operation(row.fetch_optional(conn).await?)?.ok_or(StoreError::WrongState { what: "bank operation" })
}

/// Writes a decision about an operation. Compares the version, so that of two decisions one counts.
pub async fn set_operation_state(
    conn: &mut Conn,
    operation: &BankOperation,
    state: OperationState,
    reason: Option<QueueReason>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let updated = sqlx::query(
        "UPDATE bank_operations SET state = ?, queue_reason = COALESCE(?, queue_reason), version = version + 1,
             updated_at = ?
         WHERE id = ? AND version = ?",
    )
    .bind(state.as_str())
    .bind(reason.map(TextEnum::as_str))
    .bind(now)
    .bind(operation.id.to_string())
    .bind(operation.version)
    .execute(conn)
    .await?;
    expect_one(&updated, "bank operation")
}

/// Lists operations of a vendor that were not matched yet, in the order in which the bank booked them.
pub async fn list_new_operations(
    conn: &mut Conn,
    vendor: VendorId,
    limit: u32,
) -> StoreResult<Vec<BankOperationId>> {
    let ids: Vec<String> = sqlx::query_scalar(
        "SELECT id FROM bank_operations WHERE state = 'new' AND vendor_id = ? ORDER BY booked_at, id LIMIT ?",
    )
    .bind(vendor.to_string())
    .bind(limit)
    .fetch_all(conn)
    .await?;
    ids.iter().map(|id| decode_text("operation id", id)).collect()
}

/// Lists operations that wait for a person, oldest first, starting after `after`.
pub async fn list_queued_operations(
    conn: &mut Conn,
    after: Option<BankOperationId>,
    limit: u32,
) -> StoreResult<Vec<BankOperation>> {
    let rows = sqlx::query_as(sql!(SELECT, "state = 'queued' AND id > ? ORDER BY id LIMIT ?"))
        .bind(after.map(|id| id.to_string()).unwrap_or_default())
        .bind(limit)
        .fetch_all(conn)
        .await?;
    into_operations(rows)
}

/// Lists those of these operations that exist.
pub async fn list_operations_by_ids(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<BankOperation>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = sqlx::QueryBuilder::new(sql!(SELECT, "id"));
    push_in(&mut query, ids.iter().cloned());
    into_operations(query.build_query_as().fetch_all(conn).await?)
}

/// The queue of operations that wait for a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct QueueSize {
    /// Number of operations.
    pub operations: i64,
    /// When the oldest one was read.
    pub oldest: Option<DateTime<Utc>>,
}

/// Counts operations that wait for a person.
pub async fn read_queue_size(conn: &mut Conn) -> StoreResult<QueueSize> {
    Ok(sqlx::query_as(
        "SELECT COUNT(*) AS operations, MIN(created_at) AS oldest FROM bank_operations WHERE state = 'queued'",
    )
    .fetch_one(conn)
    .await?)
}
