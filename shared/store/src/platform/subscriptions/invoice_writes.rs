//! Writes of `subscription_invoices`. The caller has locked the subscription.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum;
use flysk_domain::id::{InstallId, InvoiceId, QuoteId, SubscriptionId, VendorId, WidgetId};
use flysk_domain::money::Kopecks;
use flysk_domain::platform::subscriptions::{
    InvoiceKind, InvoiceState, Period, QuoteLine, Terms, VatRate, ZONE,
};

use super::encode_json;
use super::invoices::{Failure, Invoice};
use crate::error::expect_one;
use crate::platform::cache_invalidations;
use crate::text_column::decode_text;
use crate::{Conn, StoreResult};

/// Maximum length of a stored error code.
const MAX_ERROR_CODE_LEN: usize = 16;

/// An invoice to be inserted.
#[derive(Debug, Clone)]
pub struct NewInvoice<'a> {
    /// `inv_…`, chosen by the caller.
    pub id: InvoiceId,
    /// Row of `subscriptions`; an install has at most one.
    pub subscription_id: SubscriptionId,
    /// Row of `installs`, which has the widget and the account.
    pub install_id: InstallId,
    /// Row of `widgets`.
    pub widget_id: WidgetId,
    /// Row of `vendors`: the seller.
    pub vendor_id: VendorId,
    /// Subject that the invoice pays.
    pub kind: InvoiceKind,
    /// The quote that was frozen into it.
    pub quote_id: Option<QuoteId>,
    /// Terms that the payment puts into effect.
    pub terms: Terms,
    /// Number of the period.
    pub period_no: u32,
    /// Days that it pays.
    pub period: Period,
    /// Title, in Russian.
    pub title: &'a str,
    /// Lines, which sum to the total.
    pub lines: &'a [QuoteLine],
    /// Amount to pay.
    pub total: Kopecks,
    /// T-Bank's code of the taxation; `None` for that of the environment.
    pub taxation: Option<&'a str>,
    /// VAT rate; `None` for that of the environment.
    pub vat: Option<VatRate>,
    /// Until when it can be paid; `None` for as long as the subscription waits.
    pub due_at: Option<DateTime<Utc>>,
    /// Next automatic charge.
    pub charge_at: Option<DateTime<Utc>>,
    /// Time of the insertion, by the caller's clock.
    pub now: DateTime<Utc>,
}

impl NewInvoice<'_> {
    /// The invoice as it is after its insertion.
    pub fn inserted(&self) -> Invoice {
        Invoice {
            id: self.id,
            subscription_id: self.subscription_id,
            install_id: self.install_id,
            widget_id: self.widget_id,
            vendor_id: self.vendor_id,
            kind: self.kind,
            state: InvoiceState::Open,
            quote_id: self.quote_id,
            terms: self.terms,
            period_no: self.period_no,
            period: self.period,
            title: self.title.to_owned(),
            lines: self.lines.to_vec(),
            total: self.total,
            taxation: self.taxation.map(str::to_owned),
            vat: self.vat,
            contact_sealed: None,
            due_at: self.due_at,
            charge_at: self.charge_at,
            charges_made: 0,
            failure: None,
            paid_at: None,
            paid_by: None,
            refunded: Kopecks::ZERO,
            void_reason: None,
            created_at: self.now,
        }
    }
}

/// Inserts an open invoice. The caller also writes the subscription, and records that what is cached of its install is outdated.
/// [`crate::StoreError::Duplicate`] on `subscription_invoices_period` or `subscription_invoices_open`:
/// the period has an invoice, or another invoice is open.
pub async fn insert_invoice(conn: &mut Conn, new: &NewInvoice<'_>) -> StoreResult<()> {
    let period_slot = (new.kind != InvoiceKind::Change).then_some(new.period_no);
    sqlx::query(
        "INSERT INTO subscription_invoices (id, subscription_id, install_id, widget_id, vendor_id, kind, state,
             quote_id, period_slot, open_slot, plan_id, seat_kopecks, seats, months, period_no, period_from,
             period_until, zone, title, lines_json, total_kopecks, taxation, vat, due_at, charge_at, created_at,
             updated_at)
         VALUES (?, ?, ?, ?, ?, ?, 'open', ?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(new.id.to_string())
    .bind(new.subscription_id.to_string())
    .bind(new.install_id.to_string())
    .bind(new.widget_id.to_string())
    .bind(new.vendor_id.to_string())
    .bind(new.kind.as_str())
    .bind(new.quote_id.map(|id| id.to_string()))
    .bind(period_slot)
    .bind(new.terms.plan.to_string())
    .bind(new.terms.seat_price.0)
    .bind(new.terms.seats)
    .bind(new.terms.length.months())
    .bind(new.period_no)
    .bind(new.period.from)
    .bind(new.period.until)
    .bind(ZONE)
    .bind(new.title)
    .bind(encode_json("invoice's lines", &new.lines)?)
    .bind(new.total.0)
    .bind(new.taxation)
    .bind(new.vat.map(TextEnum::as_str))
    .bind(new.due_at)
    .bind(new.charge_at)
    .bind(new.now)
    .bind(new.now)
    .execute(conn)
    .await?;
    Ok(())
}

/// Marks an open invoice as paid, once. The caller also writes the subscription, and records that what is cached of its install is
/// outdated.
pub async fn mark_invoice_paid(
    conn: &mut Conn,
    id: InvoiceId,
    period: Period,
    paid_by: &str,
    paid_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let updated = sqlx::query(
        "UPDATE subscription_invoices SET state = 'paid', open_slot = NULL, charge_at = NULL, failure_class = NULL,
             failure_code = NULL, period_from = ?, period_until = ?, paid_by = ?, paid_at = ?, updated_at = ?
         WHERE id = ? AND state = 'open'",
    )
    .bind(period.from)
    .bind(period.until)
    .bind(paid_by)
    .bind(paid_at)
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    expect_one(&updated, "invoice")
}

/// Marks a void invoice as paid, because its money arrived late and reopens the subscription. Its period must be free.
pub async fn reopen_invoice_as_paid(
    conn: &mut Conn,
    invoice: &Invoice,
    paid_by: &str,
    paid_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let updated = sqlx::query(
        "UPDATE subscription_invoices SET state = 'paid', period_slot = ?, paid_by = ?, paid_at = ?, updated_at = ?
         WHERE id = ? AND state = 'void'",
    )
    .bind(invoice.period_no)
    .bind(paid_by)
    .bind(paid_at)
    .bind(now)
    .bind(invoice.id.to_string())
    .execute(&mut *conn)
    .await?;
    expect_one(&updated, "invoice")?;
    cache_invalidations::record_invoice(conn, invoice.id).await
}

/// Voids an open invoice; its period becomes free for another one. `reason` is one of ours, at most 16 ASCII characters.
pub async fn mark_invoice_void(
    conn: &mut Conn,
    id: InvoiceId,
    reason: &str,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let updated = sqlx::query(
        "UPDATE subscription_invoices SET state = 'void', open_slot = NULL, period_slot = NULL, charge_at = NULL,
             void_reason = ?, updated_at = ?
         WHERE id = ? AND state = 'open'",
    )
    .bind(reason)
    .bind(now)
    .bind(id.to_string())
    .execute(&mut *conn)
    .await?;
    expect_one(&updated, "invoice")?;
    cache_invalidations::record_invoice(conn, id).await
}

/// Records a failed payment of an open invoice, and when it is charged next.
pub async fn record_failure(
    conn: &mut Conn,
    id: InvoiceId,
    failure: &Failure,
    charges_made: u32,
    charge_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let code: String = failure.code.chars().filter(char::is_ascii_graphic).take(MAX_ERROR_CODE_LEN).collect();
    let class: &'static str = failure.class.into();
    let updated = sqlx::query(
        "UPDATE subscription_invoices SET failure_class = ?, failure_code = ?, charges_made = ?, charge_at = ?,
             updated_at = ?
         WHERE id = ? AND state = 'open'",
    )
    .bind(class)
    .bind(code)
    .bind(charges_made)
    .bind(charge_at)
    .bind(now)
    .bind(id.to_string())
    .execute(&mut *conn)
    .await?;
    expect_one(&updated, "invoice")?;
    cache_invalidations::record_invoice(conn, id).await
}

/// Sets when an open invoice is charged next; `None` stops automatic charges.
pub async fn set_charge_at(
    conn: &mut Conn,
    id: InvoiceId,
    charge_at: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    sqlx::query(
        "UPDATE subscription_invoices SET charge_at = ?, updated_at = ? WHERE id = ? AND state = 'open'",
    )
    .bind(charge_at)
    .bind(now)
    .bind(id.to_string())
    .execute(&mut *conn)
    .await?;
    cache_invalidations::record_invoice(conn, id).await
}

/// Sets the address of the invoice's receipts, and its hash ([`crate::contact_hashes`]).
pub async fn set_contact(
    conn: &mut Conn,
    id: InvoiceId,
    (sealed, hash): (&str, &[u8]),
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let updated = sqlx::query(
        "UPDATE subscription_invoices SET contact_sealed = ?, contact_hash = ?, updated_at = ? WHERE id = ?",
    )
    .bind(sealed)
    .bind(hash)
    .bind(now)
    .bind(id.to_string())
    .execute(conn)
    .await?;
    expect_one(&updated, "invoice")
}

/// Changes the amount refunded or being refunded. The statement also compares the former amount.
pub async fn add_refunded(
    conn: &mut Conn,
    id: InvoiceId,
    from: Kopecks,
    to: Kopecks,
    now: DateTime<Utc>,
) -> StoreResult<()> {
    let updated = sqlx::query(
        "UPDATE subscription_invoices SET refunded_kopecks = ?, updated_at = ?
         WHERE id = ? AND refunded_kopecks = ?",
    )
    .bind(to.0)
    .bind(now)
    .bind(id.to_string())
    .bind(from.0)
    .execute(&mut *conn)
    .await?;
    expect_one(&updated, "invoice")?;
    cache_invalidations::record_invoice(conn, id).await
}

/// Gives the period of a paid invoice free for another one, because its payment is refunded; `false` if it has none.
pub async fn free_period(conn: &mut Conn, id: InvoiceId, now: DateTime<Utc>) -> StoreResult<bool> {
    let updated = sqlx::query(
        "UPDATE subscription_invoices SET period_slot = NULL, updated_at = ?
         WHERE id = ? AND state = 'paid' AND period_slot IS NOT NULL",
    )
    .bind(now)
    .bind(id.to_string())
    .execute(&mut *conn)
    .await?;
    cache_invalidations::record_invoice(conn, id).await?;
    Ok(updated.rows_affected() == 1)
}

/// Lets a paid invoice pay the period again that it gave free. [`crate::StoreError::Duplicate`] on `subscription_invoices_period`: the
/// period has another invoice.
pub async fn retake_period(conn: &mut Conn, id: InvoiceId, now: DateTime<Utc>) -> StoreResult<()> {
    let updated = sqlx::query(
        "UPDATE subscription_invoices SET period_slot = period_no, updated_at = ?
         WHERE id = ? AND state = 'paid' AND period_slot IS NULL",
    )
    .bind(now)
    .bind(id.to_string())
    .execute(&mut *conn)
    .await?;
    expect_one(&updated, "invoice")?;
    cache_invalidations::record_invoice(conn, id).await
}

/// Lists invoices with a sealed address after `after`, by id, for re-encryption under another key.
pub async fn list_sealed_contacts(
    conn: &mut Conn,
    after: Option<InvoiceId>,
    limit: u32,
) -> StoreResult<Vec<(InvoiceId, String)>> {
    let rows: Vec<(String, String)> = sqlx::query_as(
        "SELECT id, contact_sealed FROM subscription_invoices
         WHERE id > ? AND contact_sealed IS NOT NULL ORDER BY id LIMIT ?",
    )
    .bind(after.map(|id| id.to_string()).unwrap_or_default())
    .bind(limit)
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(|(id, sealed)| Ok((decode_text("invoice id", &id)?, sealed))).collect()
}

/// Replaces a sealed address and its hash, unless it changed since it was read.
pub async fn reseal_contact(
    conn: &mut Conn,
    id: InvoiceId,
    read: &str,
    (sealed, hash): (&str, &[u8]),
) -> StoreResult<bool> {
    let updated = sqlx::query(
        "UPDATE subscription_invoices SET contact_sealed = ?, contact_hash = ? WHERE id = ? AND contact_sealed = ?",
    )
    .bind(sealed)
    .bind(hash)
    .bind(id.to_string())
    .bind(read)
    .execute(conn)
    .await?;
    Ok(updated.rows_affected() == 1)
}
