//! Columns `t_api_…` and `transfer_…` of `vendors`: access to the T-API of the bank, and how long invoices can be paid.

use chrono::{DateTime, Utc};
use flysk_domain::id::VendorId;
use flysk_domain::platform::transfers::DueTerms;

use crate::error::expect_one;
use crate::text_column::decode_text;
use crate::{Conn, StoreError, StoreResult};

/// A vendor's access to the T-API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TApiAccess {
    /// Row of `vendors`.
    pub vendor_id: VendorId,
    /// Account that is paid to and whose statement is read, 20 digits.
    pub account: String,
    /// Token, sealed for `vendors.t_api_token:<id>`.
    pub token_sealed: String,
    /// Days in which the vendor's invoices can be paid.
    pub due: DueTerms,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    t_api_account: String,
    t_api_token_sealed: String,
    transfer_due_days: u8,
    transfer_banking_days: bool,
}

fn into_terms(days: u8, counts_banking_days: bool) -> StoreResult<DueTerms> {
    DueTerms::new(days.into(), counts_banking_days)
        .map_err(|error| StoreError::InvalidRow { what: "days to pay", reason: error.to_string() })
}

fn into_access(row: Row) -> StoreResult<TApiAccess> {
    Ok(TApiAccess {
        vendor_id: decode_text("vendor id", &row.id)?,
        account: row.t_api_account,
        token_sealed: row.t_api_token_sealed,
        due: into_terms(row.transfer_due_days, row.transfer_banking_days)?,
    })
}

/// Reads one row without a lock; `None` if there is none.
pub async fn find_access(conn: &mut Conn, vendor: VendorId) -> StoreResult<Option<TApiAccess>> {
    let row: Option<Row> = sqlx::query_as(
        "SELECT id, t_api_account, t_api_token_sealed, transfer_due_days, transfer_banking_days FROM vendors
         WHERE id = ? AND t_api_account IS NOT NULL AND t_api_token_sealed IS NOT NULL",
    )
    .bind(vendor.to_string())
    .fetch_optional(conn)
    .await?;
    row.map(into_access).transpose()
}

/// Lists the accesses of all vendors.
pub async fn list_accesses(conn: &mut Conn) -> StoreResult<Vec<TApiAccess>> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT id, t_api_account, t_api_token_sealed, transfer_due_days, transfer_banking_days FROM vendors
         WHERE t_api_account IS NOT NULL AND t_api_token_sealed IS NOT NULL ORDER BY id",
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(into_access).collect()
}

/// Sets account and sealed token of a vendor, or removes both.
pub async fn set_access(
    conn: &mut Conn,
    vendor: VendorId,
    access: Option<(&str, &str)>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let updated = sqlx::query(
        "UPDATE vendors SET t_api_account = ?, t_api_token_sealed = ?, updated_at = ? WHERE id = ?",
    )
    .bind(access.map(|(account, _)| account))
    .bind(access.map(|(_, sealed)| sealed))
    .bind(now)
    .bind(vendor.to_string())
    .execute(conn)
    .await?;
    expect_one(&updated, "vendor")
}

/// Replaces the sealed token, unless it changed since it was read.
pub async fn reseal_access(conn: &mut Conn, read: &TApiAccess, sealed: &str) -> StoreResult<bool> {
    let updated =
        sqlx::query("UPDATE vendors SET t_api_token_sealed = ? WHERE id = ? AND t_api_token_sealed = ?")
            .bind(sealed)
            .bind(read.vendor_id.to_string())
            .bind(&read.token_sealed)
            .execute(conn)
            .await?;
    Ok(updated.rows_affected() == 1)
}

/// Reads how long invoices of a vendor can be paid, whether it has access or not; `None` if there is no such vendor.
pub async fn find_due_terms(conn: &mut Conn, vendor: VendorId) -> StoreResult<Option<DueTerms>> {
    let row: Option<(u8, bool)> =
        sqlx::query_as("SELECT transfer_due_days, transfer_banking_days FROM vendors WHERE id = ?")
            .bind(vendor.to_string())
            .fetch_optional(conn)
            .await?;
    row.map(|(days, counts_banking_days)| into_terms(days, counts_banking_days)).transpose()
}

/// Sets how long invoices of a vendor can be paid. Invoices that were written keep their day.
pub async fn set_due_terms(
    conn: &mut Conn,
    vendor: VendorId,
    terms: DueTerms,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let updated = sqlx::query(
        "UPDATE vendors SET transfer_due_days = ?, transfer_banking_days = ?, updated_at = ? WHERE id = ?",
    )
    .bind(terms.days())
    .bind(terms.counts_banking_days())
    .bind(now)
    .bind(vendor.to_string())
    .execute(conn)
    .await?;
    expect_one(&updated, "vendor")
}
