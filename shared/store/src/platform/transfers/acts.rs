//! Table `transfer_acts`: acts of what paid transfer invoices were for.

use chrono::{DateTime, NaiveDate, Utc};
use flysk_domain::id::{InstallId, TransferInvoiceId, VendorId};
use flysk_domain::platform::transfers::{ActState, InvoiceNumber};

use crate::error::expect_one;
use crate::sql_text::sql;
use crate::text_column::decode_text;
use crate::{Conn, StoreError, StoreResult};

/// An act to be planned.
#[derive(Debug, Clone, Copy)]
pub struct NewAct {
    /// The paid invoice.
    pub transfer_invoice: TransferInvoiceId,
    /// The seller.
    pub vendor_id: VendorId,
    /// The install.
    pub install_id: InstallId,
    /// The invoice's number.
    pub number: InvoiceNumber,
    /// First day of the service, Moscow.
    pub served_from: NaiveDate,
    /// Last day of the service, Moscow.
    pub served_until: NaiveDate,
    /// Day on which the document is made, Moscow.
    pub due_on: NaiveDate,
}

/// An act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferAct {
    /// The paid invoice, whose payer, title, price and VAT count.
    pub transfer_invoice: TransferInvoiceId,
    /// First day of the service, Moscow.
    pub served_from: NaiveDate,
    /// Last day of the service, Moscow.
    pub served_until: NaiveDate,
    /// Day on which the document is made, Moscow.
    pub due_on: NaiveDate,
    /// State.
    pub state: ActState,
    /// Key of the document in object storage.
    pub object_key: Option<String>,
}

#[derive(sqlx::FromRow)]
struct Row {
    transfer_invoice_id: String,
    served_from: NaiveDate,
    served_until: NaiveDate,
    due_on: NaiveDate,
    state: String,
    object_key: Option<String>,
}

impl TryFrom<Row> for TransferAct {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            transfer_invoice: decode_text("transfer invoice id", &row.transfer_invoice_id)?,
            served_from: row.served_from,
            served_until: row.served_until,
            due_on: row.due_on,
            state: decode_text("state of an act", &row.state)?,
            object_key: row.object_key,
        })
    }
}

const SELECT: &str = "SELECT transfer_invoice_id, served_from, served_until, due_on, state, object_key
    FROM transfer_acts WHERE ";

fn into_acts(rows: Vec<Row>) -> StoreResult<Vec<TransferAct>> {
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Plans the act of an invoice. [`StoreError::Duplicate`]: it has one.
pub async fn insert_act(conn: &mut Conn, act: &NewAct, now: DateTime<Utc>) -> StoreResult<()> {
    sqlx::query(
        "INSERT INTO transfer_acts (transfer_invoice_id, vendor_id, install_id, number, served_from, served_until,
             due_on, state, created_at, updated_at)
         VALUES (?, ?, ?, ?, ?, ?, ?, 'due', ?, ?)",
    )
    .bind(act.transfer_invoice.to_string())
    .bind(act.vendor_id.to_string())
    .bind(act.install_id.to_string())
    .bind(act.number.get())
    .bind(act.served_from)
    .bind(act.served_until)
    .bind(act.due_on)
    .bind(now)
    .bind(now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Lists acts whose document is to be made on `today` or before, longest due first.
pub async fn list_due_acts(conn: &mut Conn, today: NaiveDate, limit: u32) -> StoreResult<Vec<TransferAct>> {
    let rows = sqlx::query_as(sql!(SELECT, "state = 'due' AND due_on <= ? ORDER BY due_on LIMIT ?"))
        .bind(today)
        .bind(limit)
        .fetch_all(conn)
        .await?;
    into_acts(rows)
}

/// Lists the acts of an install, newest number first.
pub async fn list_acts(conn: &mut Conn, install: InstallId, limit: u32) -> StoreResult<Vec<TransferAct>> {
    let rows = sqlx::query_as(sql!(SELECT, "install_id = ? ORDER BY number DESC LIMIT ?"))
        .bind(install.to_string())
        .bind(limit)
        .fetch_all(conn)
        .await?;
    into_acts(rows)
}

/// Records where the document of an act is.
pub async fn mark_act_stored(
    conn: &mut Conn,
    invoice: TransferInvoiceId,
    object_key: &str,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let updated = sqlx::query(
        "UPDATE transfer_acts SET state = 'stored', object_key = ?, updated_at = ? WHERE transfer_invoice_id = ?",
    )
    .bind(object_key)
    .bind(now)
    .bind(invoice.to_string())
    .execute(conn)
    .await?;
    expect_one(&updated, "act")
}
