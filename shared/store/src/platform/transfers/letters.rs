//! Table `transfer_letters`: letters about transfer invoices.

use chrono::{DateTime, NaiveDate, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::id::TransferInvoiceId;
use flysk_domain::platform::mail::{MailState, TransferLetter};

use super::invoices::{SELECT_INVOICE, TransferInvoice, into_invoices};
use crate::error::expect_one;
use crate::sql_text::sql;
use crate::text_column::decode_text;
use crate::{Conn, StoreError, StoreResult};

/// Inserts a letter that waits; `false` if the invoice has one of its kind.
pub async fn insert_transfer_letter(
    conn: &mut Conn,
    invoice: TransferInvoiceId,
    letter: TransferLetter,
    now: DateTime<Utc>,
) -> StoreResult<bool> {
    let inserted = sqlx::query(
        "INSERT INTO transfer_letters (transfer_invoice_id, kind, state, created_at, updated_at)
         VALUES (?, ?, 'waiting', ?, ?)",
    )
    .bind(invoice.to_string())
    .bind(letter.as_str())
    .bind(now)
    .bind(now)
    .execute(conn)
    .await
    .map_err(StoreError::from);
    match inserted {
        Ok(_) => Ok(true),
        Err(StoreError::Duplicate { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Finds the state of a letter.
pub async fn find_transfer_letter(
    conn: &mut Conn,
    invoice: TransferInvoiceId,
    letter: TransferLetter,
) -> StoreResult<Option<MailState>> {
    let state: Option<String> =
        sqlx::query_scalar("SELECT state FROM transfer_letters WHERE transfer_invoice_id = ? AND kind = ?")
            .bind(invoice.to_string())
            .bind(letter.as_str())
            .fetch_optional(conn)
            .await?;
    state.map(|state| decode_text("state of a letter", &state)).transpose()
}

/// Changes the state of a letter; fails if it is in another state than `from`.
pub async fn set_transfer_letter_state(
    conn: &mut Conn,
    (invoice, letter): (TransferInvoiceId, TransferLetter),
    (from, to): (MailState, MailState),
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let updated = sqlx::query(
        "UPDATE transfer_letters SET state = ?, updated_at = ?
         WHERE transfer_invoice_id = ? AND kind = ? AND state = ?",
    )
    .bind(to.as_str())
    .bind(now)
    .bind(invoice.to_string())
    .bind(letter.as_str())
    .bind(from.as_str())
    .execute(conn)
    .await?;
    expect_one(&updated, "letter")
}

/// Lists invoices that wait for money, have this due day, and have had no letter of the kind.
pub async fn list_without_letter(
    conn: &mut Conn,
    due_on: NaiveDate,
    letter: TransferLetter,
    limit: u32,
) -> StoreResult<Vec<TransferInvoice>> {
    let rows = sqlx::query_as(sql!(
        SELECT_INVOICE,
        "open_slot = 1 AND due_on = ? AND NOT EXISTS (
             SELECT 1 FROM transfer_letters l WHERE l.transfer_invoice_id = transfer_invoices.id AND l.kind = ?)
         ORDER BY id LIMIT ?"
    ))
    .bind(due_on)
    .bind(letter.as_str())
    .bind(limit)
    .fetch_all(conn)
    .await?;
    into_invoices(rows)
}
