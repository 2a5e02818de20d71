//! Table `bank_allocations`: where the kopecks of operations are. Append-only.

use chrono::{DateTime, NaiveDate, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::id::{BankOperationId, InstallId, TransferInvoiceId};
use flysk_domain::money::Kopecks;
use flysk_domain::platform::transfers::AllocationTarget;

use crate::text_column::decode_text;
use crate::{Conn, StoreError, StoreResult};

/// One row: kopecks that went to a place, or left it if they are negative.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allocation {
    /// Number of the row within the operation, from 0.
    pub step: u32,
    /// The place.
    pub target: AllocationTarget,
    /// Amount; the rows of an operation sum to the operation's amount.
    pub kopecks: Kopecks,
    /// The invoice, if the place is one.
    pub transfer_invoice: Option<TransferInvoiceId>,
    /// Install whose firm has the balance, if the place is one.
    pub install: Option<InstallId>,
    /// Decider: `bank`, `system` or `operator:<name>`.
    pub decided_by: String,
    /// Why, if a person decided.
    pub reason: Option<String>,
    /// When the kopecks were allocated.
    pub created_at: DateTime<Utc>,
}

#[derive(sqlx::FromRow)]
struct Row {
    step: u32,
    target: String,
    kopecks: i64,
    transfer_invoice_id: Option<String>,
    install_id: Option<String>,
    decided_by: String,
    reason: Option<String>,
    created_at: DateTime<Utc>,
}

impl TryFrom<Row> for Allocation {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let invoice = row.transfer_invoice_id.as_deref();
        Ok(Self {
            step: row.step,
            target: decode_text("allocation target", &row.target)?,
            kopecks: Kopecks(row.kopecks),
            transfer_invoice: invoice.map(|id| decode_text("transfer invoice id", id)).transpose()?,
            install: row.install_id.as_deref().map(|id| decode_text("install id", id)).transpose()?,
            decided_by: row.decided_by,
            reason: row.reason,
            created_at: row.created_at,
        })
    }
}

/// Inserts a row. [`StoreError::Duplicate`]: another decision about the operation was written meanwhile.
pub async fn insert_allocation(
    conn: &mut Conn,
    operation: BankOperationId,
    allocation: &Allocation,
) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO bank_allocations (operation_id, step, target, kopecks, transfer_invoice_id, install_id,
             decided_by, reason, created_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(operation.to_string())
    .bind(allocation.step)
    .bind(allocation.target.as_str())
    .bind(allocation.kopecks.0)
    .bind(allocation.transfer_invoice.map(|id| id.to_string()))
    .bind(allocation.install.map(|id| id.to_string()))
    .bind(&allocation.decided_by)
    .bind(&allocation.reason)
    .bind(allocation.created_at)
    .execute(conn)
    .await?;
    Ok(())
}

/// Money of an operation that an invoice took.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct InvoiceMoney {
    /// Row of `bank_operations`.
    #[sqlx(try_from = "String")]
    pub operation_id: BankOperationId,
    /// Day on which the bank booked it, Moscow.
    pub booked_on: NaiveDate,
    kopecks: i64,
    /// As the bank gives it.
    pub payer_name: String,
    /// Purpose of the payment.
    pub purpose: String,
    /// Decider: `bank`, `system` or `operator:<name>`.
    pub decided_by: String,
}

impl InvoiceMoney {
    /// Amount that the invoice took.
    pub fn kopecks(&self) -> Kopecks {
        Kopecks(self.kopecks)
    }
}

/// Lists the money that operations gave to an invoice, oldest first.
pub async fn list_money_of_invoice(
    conn: &mut Conn,
    invoice: TransferInvoiceId,
    limit: u32,
) -> StoreResult<Vec<InvoiceMoney>> {
    Ok(sqlx::query_as(
        "SELECT a.operation_id, o.booked_on, a.kopecks, o.payer_name, o.purpose, a.decided_by
         FROM bank_allocations a JOIN bank_operations o ON o.id = a.operation_id
         WHERE a.transfer_invoice_id = ? ORDER BY a.operation_id, a.step LIMIT ?",
    )
    .bind(invoice.to_string())
    .bind(limit)
    .fetch_all(conn)
    .await?)
}

/// Lists the rows of an operation, in order.
pub async fn list_allocations(conn: &mut Conn, operation: BankOperationId) -> StoreResult<Vec<Allocation>> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT step, target, kopecks, transfer_invoice_id, install_id, decided_by, reason, created_at
         FROM bank_allocations WHERE operation_id = ? ORDER BY step",
    )
    .bind(operation.to_string())
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}
