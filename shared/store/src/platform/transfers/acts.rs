//! Tables `transfer_acts` and `transfer_act_numbers`: acts of what paid transfer invoices were for.

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
    /// Row of `vendors`: the seller.
    pub vendor_id: VendorId,
    /// Row of `installs`, which has the widget and the account.
    pub install_id: InstallId,
    /// Names the invoice in the act.
    pub number: InvoiceNumber,
    /// First day of the service, Moscow.
    pub served_from: NaiveDate,
    /// Last day of the service, Moscow.
    pub served_until: NaiveDate,
    /// Day of the act, Moscow.
    pub due_on: NaiveDate,
}

/// Row of `transfer_acts`: an act of services for a firm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransferAct {
    /// The paid invoice, whose payer, title, price and VAT count.
    pub transfer_invoice: TransferInvoiceId,
    /// Row of `vendors`: the seller.
    pub vendor_id: VendorId,
    /// First day of the service, Moscow.
    pub served_from: NaiveDate,
    /// Last day of the service, Moscow.
    pub served_until: NaiveDate,
    /// Day of the act, Moscow.
    pub due_on: NaiveDate,
    /// `Due` until it gets its number.
    pub state: ActState,
    /// Number in the seller's series of acts; `None` until it is issued.
    pub act_number: Option<i64>,
    /// Content as JSON; `None` until the act is issued.
    pub content: Option<String>,
}

#[derive(sqlx::FromRow)]
struct Row {
    transfer_invoice_id: String,
    vendor_id: String,
    served_from: NaiveDate,
    served_until: NaiveDate,
    due_on: NaiveDate,
    state: String,
    act_number: Option<i64>,
    content: Option<String>,
}

impl TryFrom<Row> for TransferAct {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        Ok(Self {
            transfer_invoice: decode_text("transfer invoice id", &row.transfer_invoice_id)?,
            vendor_id: decode_text("vendor id", &row.vendor_id)?,
            served_from: row.served_from,
            served_until: row.served_until,
            due_on: row.due_on,
            state: decode_text("state of an act", &row.state)?,
            act_number: row.act_number,
            content: row.content,
        })
    }
}

const SELECT: &str =
    "SELECT transfer_invoice_id, vendor_id, served_from, served_until, due_on, state, act_number, content
    FROM transfer_acts WHERE ";

fn into_act(row: Option<Row>) -> StoreResult<Option<TransferAct>> {
    row.map(TryInto::try_into).transpose()
}

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

/// Lists the invoices whose acts are to be issued on `today` or before and that wait in no job of the kind `job`, longest due
/// first.
pub async fn list_due_acts(
    conn: &mut Conn,
    job: &str,
    today: NaiveDate,
    limit: u32,
) -> StoreResult<Vec<TransferInvoiceId>> {
    let ids: Vec<String> = sqlx::query_scalar(
        "SELECT a.transfer_invoice_id FROM transfer_acts a WHERE a.state = 'due' AND a.due_on <= ? AND NOT EXISTS (
             SELECT 1 FROM jobs j WHERE j.kind = ? AND j.waiting_key = a.transfer_invoice_id)
         ORDER BY a.due_on, a.number LIMIT ?",
    )
    .bind(today)
    .bind(job)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    ids.iter().map(|id| decode_text("transfer invoice id", id)).collect()
}

/// Lists the acts of an install, newest number of an invoice first.
pub async fn list_acts(conn: &mut Conn, install: InstallId, limit: u32) -> StoreResult<Vec<TransferAct>> {
    let rows = sqlx::query_as(sql!(SELECT, "install_id = ? ORDER BY number DESC LIMIT ?"))
        .bind(install.to_string())
        .bind(limit)
        .fetch_all(conn)
        .await?;
    into_acts(rows)
}

/// Without a lock; `None` if the invoice has no act.
pub async fn find_act(conn: &mut Conn, invoice: TransferInvoiceId) -> StoreResult<Option<TransferAct>> {
    let row = sqlx::query_as(sql!(SELECT, "transfer_invoice_id = ?")).bind(invoice.to_string());
    into_act(row.fetch_optional(conn).await?)
}

/// Reads the act of an invoice and locks its row.
pub async fn lock_act(conn: &mut Conn, invoice: TransferInvoiceId) -> StoreResult<Option<TransferAct>> {
    let row = sqlx::query_as(sql!(SELECT, "transfer_invoice_id = ? FOR UPDATE")).bind(invoice.to_string());
    into_act(row.fetch_optional(conn).await?)
}

/// Takes the next number of a vendor's acts. The row stays locked until the transaction ends: a number that is taken in a
/// transaction that is rolled back is taken again, so that the series has no gaps.
pub async fn take_act_number(conn: &mut Conn, vendor: VendorId, now: DateTime<Utc>) -> StoreResult<i64> {
    sqlx::query(
        "INSERT INTO transfer_act_numbers (vendor_id, last_number, updated_at) VALUES (?, 1, ?)
         ON DUPLICATE KEY UPDATE last_number = last_number + 1, updated_at = VALUES(updated_at)",
    )
    .bind(vendor.to_string())
    .bind(now)
    .execute(&mut *conn)
    .await?;
    Ok(sqlx::query_scalar("SELECT last_number FROM transfer_act_numbers WHERE vendor_id = ?")
        .bind(vendor.to_string())
        .fetch_one(conn)
        .await?)
}

/// Issues an act, once: its number, and what it says as JSON, do not change any more.
pub async fn mark_act_issued(
    conn: &mut Conn,
    invoice: TransferInvoiceId,
    (number, content): (i64, &str),
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let updated = sqlx::query(
        "UPDATE transfer_acts SET state = 'issued', act_number = ?, content = ?, issued_at = ?, updated_at = ?
         WHERE transfer_invoice_id = ? AND state = 'due'",
    )
    .bind(number)
    .bind(content)
    .bind(now)
    .bind(now)
    .bind(invoice.to_string())
    .execute(conn)
    .await?;
    expect_one(&updated, "act")
}
