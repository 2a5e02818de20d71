//! Table `tbank_differences`: where the bank and we disagree.

use chrono::{DateTime, NaiveDate, Utc};
use flysk_domain::id::{DifferenceId, PurchaseId};

use crate::{Conn, StoreError, StoreResult};

/// What is told of either side at most, characters.
const TOLD: usize = 120;

/// One disagreement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The day that was compared, UTC.
    pub day: NaiveDate,
    /// What kind.
    pub kind: String,
    /// The order's number.
    pub order_id: String,
    /// The bank's number of the payment, if there is one.
    pub payment_id: Option<String>,
    /// The purchase, if there is one.
    pub purchase_id: Option<PurchaseId>,
    /// What we know.
    pub ours: String,
    /// What the bank says.
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

impl TryFrom<Row> for Difference {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let purchase = row.purchase_id.as_deref().map(|id| super::read_text("purchase id", id));
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

/// Keeps a disagreement; the same one of the same day is kept once, as it was found last.
pub async fn insert_difference(conn: &mut Conn, id: DifferenceId, found: &Difference) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO tbank_differences (id, day, kind, order_id, payment_id, purchase_id, ours, banks, found_at)
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
    .bind(super::kept(&found.ours, TOLD))
    .bind(super::kept(&found.banks, TOLD))
    .bind(found.found_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// What was found for a day.
pub async fn list_differences(conn: &mut Conn, day: NaiveDate) -> StoreResult<Vec<Difference>> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT day, kind, order_id, payment_id, purchase_id, ours, banks, found_at FROM tbank_differences
         WHERE day = ? ORDER BY order_id, kind",
    )
    .bind(day)
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}
