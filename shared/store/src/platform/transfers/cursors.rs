//! Table `statement_cursors`: until when the statement of an account was read.

use chrono::{DateTime, Utc};
use flysk_domain::id::VendorId;

use crate::{Conn, StoreResult};

/// Width of the column of the bank's error code, in characters.
const MAX_ERROR_CODE_LEN: usize = 64;

/// Progress of reading a statement.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct StatementCursor {
    /// Beginning of the last complete reading: it has all that the bank had listed then.
    pub read_until: DateTime<Utc>,
    /// The bank's last refusal; `None` after a complete reading.
    pub error_code: Option<String>,
    /// When the row was written.
    pub updated_at: DateTime<Utc>,
}

/// Finds the progress of an account.
pub async fn find_cursor(
    conn: &mut Conn,
    vendor: VendorId,
    account: &str,
) -> StoreResult<Option<StatementCursor>> {
    Ok(sqlx::query_as(
        "SELECT read_until, error_code, updated_at FROM statement_cursors
         WHERE vendor_id = ? AND account_number = ?",
    )
    .bind(vendor.to_string())
    .bind(account)
    .fetch_optional(conn)
    .await?)
}

/// Lets one reading of an account at a time store what it has read: the row stays locked until the transaction ends, and is
/// written, so that of two readings at once one is repeated on a cluster as well. `began` counts only for the first reading.
pub async fn lock_reading(
    conn: &mut Conn,
    vendor: VendorId,
    account: &str,
    (began, now): (DateTime<Utc>, DateTime<Utc>),
) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO statement_cursors (vendor_id, account_number, read_until, updated_at) VALUES (?, ?, ?, ?)
         ON DUPLICATE KEY UPDATE updated_at = VALUES(updated_at)",
    )
    .bind(vendor.to_string())
    .bind(account)
    .bind(began)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Records a complete reading. An older one that ends later changes nothing.
pub async fn record_reading(
    conn: &mut Conn,
    vendor: VendorId,
    account: &str,
    read_until: DateTime<Utc>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO statement_cursors (vendor_id, account_number, read_until, updated_at) VALUES (?, ?, ?, ?)
         ON DUPLICATE KEY UPDATE read_until = GREATEST(read_until, VALUES(read_until)), error_code = NULL,
             updated_at = VALUES(updated_at)",
    )
    .bind(vendor.to_string())
    .bind(account)
    .bind(read_until)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Records that the bank refused a reading. `read_until` counts only for the first reading of an account.
pub async fn record_failed_reading(
    conn: &mut Conn,
    vendor: VendorId,
    account: &str,
    (read_until, error_code): (DateTime<Utc>, &str),
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let code = crate::platform::purchases::truncate_ascii(error_code, MAX_ERROR_CODE_LEN);
    sqlx::query(
        "INSERT INTO statement_cursors (vendor_id, account_number, read_until, error_code, updated_at)
         VALUES (?, ?, ?, ?, ?)
         ON DUPLICATE KEY UPDATE error_code = VALUES(error_code), updated_at = VALUES(updated_at)",
    )
    .bind(vendor.to_string())
    .bind(account)
    .bind(read_until)
    .bind(code)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}
