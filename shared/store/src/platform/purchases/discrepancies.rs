//! Table `tbank_discrepancies`: differences between the bank's data and ours.

use chrono::{DateTime, NaiveDate, Utc};
use flysk_domain::id::{DiscrepancyId, PurchaseId};

use crate::{Conn, StoreError, StoreResult};

/// Maximum length of either side's text, in characters.
const MAX_SIDE_LEN: usize = 120;

/// A discrepancy found by the daily reconciliation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiscrepancyRow {
    /// The compared day, UTC.
    pub day: NaiveDate,
    /// Code of the discrepancy.
    pub kind: String,
    /// The order's number.
    pub order_id: String,
    /// The bank's number of the payment, if there is one.
    pub payment_id: Option<String>,
    /// The purchase, if it is known.
    pub purchase_id: Option<PurchaseId>,
    /// Our data.
    pub ours: String,
    /// The bank's data.
    pub banks: String,
    /// When it was found.
    pub found_at: DateTime<Utc>,
}

#[derive(sqlx::FromRow)]
struct Row {
    day: NaiveDate,
    kind: String,
    order_id: String,
    payment_id: Option<String>,
    purchase_id: Option<String>,
    ours: String,
    banks: String,
    found_at: DateTime<Utc>,
}

impl TryFrom<Row> for DiscrepancyRow {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let purchase = row.purchase_id.as_deref().map(|id| super::decode_text("purchase id", id));
        Ok(Self {
            day: row.day,
            kind: row.kind,
            order_id: row.order_id,
            payment_id: row.payment_id,
            purchase_id: purchase.transpose()?,
            ours: row.ours,
            banks: row.banks,
            found_at: row.found_at,
        })
    }
}

/// Inserts a discrepancy. The same discrepancy of the same day is updated.
pub async fn insert_discrepancy(
    conn: &mut Conn,
    id: DiscrepancyId,
    found: &DiscrepancyRow,
) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO tbank_discrepancies (id, day, kind, order_id, payment_id, purchase_id, ours, banks, found_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON DUPLICATE KEY UPDATE ours = VALUES(ours), banks = VALUES(banks), payment_id = VALUES(payment_id),
                                 found_at = VALUES(found_at)",
    )
    .bind(id.to_string())
    .bind(found.day)
    .bind(&found.kind)
    .bind(&found.order_id)
    .bind(&found.payment_id)
    .bind(found.purchase_id.map(|id| id.to_string()))
    .bind(super::truncate_ascii(&found.ours, MAX_SIDE_LEN))
    .bind(super::truncate_ascii(&found.banks, MAX_SIDE_LEN))
    .bind(found.found_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether the same discrepancy, with the same data on both sides, was found for an earlier day, `since` or later.
pub async fn is_known_discrepancy(
    conn: &mut Conn,
    found: &DiscrepancyRow,
    since: NaiveDate,
) -> StoreResult<bool> {
    let known: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM tbank_discrepancies
         WHERE day >= ? AND day < ? AND order_id = ? AND kind = ? AND ours = ? AND banks = ?",
    )
    .bind(since)
    .bind(found.day)
    .bind(&found.order_id)
    .bind(&found.kind)
    .bind(super::truncate_ascii(&found.ours, MAX_SIDE_LEN))
    .bind(super::truncate_ascii(&found.banks, MAX_SIDE_LEN))
    .fetch_one(conn)
    .await?;
    Ok(known > 0)
}

/// By order and kind.
pub async fn list_discrepancies(conn: &mut Conn, day: NaiveDate) -> StoreResult<Vec<DiscrepancyRow>> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT day, kind, order_id, payment_id, purchase_id, ours, banks, found_at FROM tbank_discrepancies
         WHERE day = ? ORDER BY order_id, kind",
    )
    .bind(day)
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}
