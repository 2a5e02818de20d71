//! Reads of `subscription_invoices`.

use chrono::{DateTime, NaiveDate, Utc};
use flysk_domain::id::{InstallId, InvoiceId, QuoteId, SubscriptionId, VendorId, WidgetId};
use flysk_domain::money::Kopecks;
use flysk_domain::platform::invoice_payments::link_ends_at;
use flysk_domain::platform::subscriptions::{
    InvoiceKind, InvoiceState, Period, QuoteLine, Terms, VatRate, can_be_paid, payable_until,
};
use flysk_domain::platform::tbank::ErrorClass;

use super::decode_json;
use super::row::decode_terms;
use crate::sql_text::sql;
use crate::text_column::decode_text;
use crate::{Conn, StoreError, StoreResult};

/// The last failure of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Class of the bank's error.
    pub class: ErrorClass,
    /// The bank's error code, or one of ours.
    pub code: String,
}

/// Row of `subscription_invoices`: what a subscription has to pay, frozen line by line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invoice {
    /// `inv_…`, ordered by the time of creation.
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
    /// `Open` until it is paid or withdrawn.
    pub state: InvoiceState,
    /// The quote that was frozen into it.
    pub quote_id: Option<QuoteId>,
    /// Terms that the payment puts into effect.
    pub terms: Terms,
    /// Number of the period.
    pub period_no: u32,
    /// Days that it pays.
    pub period: Period,
    /// Title, in Russian.
    pub title: String,
    /// Lines, which sum to the total.
    pub lines: Vec<QuoteLine>,
    /// Amount to pay.
    pub total: Kopecks,
    /// T-Bank's code of the taxation; `None` for that of the environment.
    pub taxation: Option<String>,
    /// VAT rate; `None` for that of the environment.
    pub vat: Option<VatRate>,
    /// Address of receipts, sealed for `subscription_invoices.contact:<id>`.
    pub contact_sealed: Option<String>,
    /// Until when it can be paid.
    pub due_at: Option<DateTime<Utc>>,
    /// Next automatic charge.
    pub charge_at: Option<DateTime<Utc>>,
    /// Number of automatic charges so far.
    pub charges_made: u32,
    /// The last failure, until it is paid.
    pub failure: Option<Failure>,
    /// When it was paid.
    pub paid_at: Option<DateTime<Utc>>,
    /// Way in which the invoice was paid.
    pub paid_by: Option<String>,
    /// Money refunded or being refunded.
    pub refunded: Kopecks,
    /// Why it is void.
    pub void_reason: Option<String>,
    /// When it was written.
    pub created_at: DateTime<Utc>,
}

impl Invoice {
    /// Whether it is open and can still be paid at `now`.
    pub fn is_payable(&self, now: DateTime<Utc>) -> bool {
        self.state == InvoiceState::Open && can_be_paid(self.kind, self.period, self.due_at, now)
    }

    /// When the link of a form for it ends that was asked for at `asked_at`: the bank takes no money that would have to go back.
    pub fn link_ends_at(&self, asked_at: DateTime<Utc>) -> DateTime<Utc> {
        link_ends_at(asked_at, payable_until(self.kind, self.period, self.due_at))
    }
}

#[derive(sqlx::FromRow)]
pub(super) struct Row {
    id: String,
    subscription_id: String,
    install_id: String,
    widget_id: String,
    vendor_id: String,
    kind: String,
    state: String,
    quote_id: Option<String>,
    plan_id: String,
    seat_kopecks: i64,
    seats: u32,
    months: u32,
    period_no: u32,
    period_from: NaiveDate,
    period_until: NaiveDate,
    title: String,
    lines_json: String,
    total_kopecks: i64,
    taxation: Option<String>,
    vat: Option<String>,
    contact_sealed: Option<String>,
    due_at: Option<DateTime<Utc>>,
    charge_at: Option<DateTime<Utc>>,
    charges_made: u32,
    failure_class: Option<String>,
    failure_code: Option<String>,
    paid_at: Option<DateTime<Utc>>,
    paid_by: Option<String>,
    refunded_kopecks: i64,
    void_reason: Option<String>,
    created_at: DateTime<Utc>,
}

impl TryFrom<Row> for Invoice {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<Self, StoreError> {
        let class = |class: &str| {
            <ErrorClass as strum::VariantArray>::VARIANTS
                .iter()
                .copied()
                .find(|known| known.to_string() == class)
        };
        let failure = row
            .failure_class
            .as_deref()
            .and_then(class)
            .map(|class| Failure { class, code: row.failure_code.clone().unwrap_or_default() });
        Ok(Self {
            id: decode_text("invoice id", &row.id)?,
            subscription_id: decode_text("subscription id", &row.subscription_id)?,
            install_id: decode_text("install id", &row.install_id)?,
            widget_id: decode_text("widget id", &row.widget_id)?,
            vendor_id: decode_text("vendor id", &row.vendor_id)?,
            kind: decode_text("invoice kind", &row.kind)?,
            state: decode_text("invoice state", &row.state)?,
            quote_id: row.quote_id.as_deref().map(|id| decode_text("quote id", id)).transpose()?,
            terms: decode_terms(&row.plan_id, row.seat_kopecks, row.seats, row.months)?,
            period_no: row.period_no,
            period: Period::new(row.period_from, row.period_until).map_err(|error| {
                StoreError::InvalidRow { what: "invoice's period", reason: error.to_string() }
            })?,
            title: row.title,
            lines: decode_json("invoice's lines", &row.lines_json)?,
            total: Kopecks(row.total_kopecks),
            taxation: row.taxation,
            vat: row.vat.as_deref().map(|vat| decode_text("VAT rate", vat)).transpose()?,
            contact_sealed: row.contact_sealed,
            due_at: row.due_at,
            charge_at: row.charge_at,
            charges_made: row.charges_made,
            failure,
            paid_at: row.paid_at,
            paid_by: row.paid_by,
            refunded: Kopecks(row.refunded_kopecks),
            void_reason: row.void_reason,
            created_at: row.created_at,
        })
    }
}

/// Columns of a [`Row`]; alias `i` is the table.
pub(super) const COLUMNS: &str = "i.id, i.subscription_id, i.install_id, i.widget_id, i.vendor_id, i.kind, i.state,
    i.quote_id, i.plan_id, i.seat_kopecks, i.seats, i.months, i.period_no, i.period_from, i.period_until, i.title,
    i.lines_json, i.total_kopecks, i.taxation, i.vat, i.contact_sealed, i.due_at, i.charge_at, i.charges_made,
    i.failure_class, i.failure_code, i.paid_at, i.paid_by, i.refunded_kopecks, i.void_reason, i.created_at";

const SELECT: &str = sql!("SELECT ", COLUMNS, " FROM subscription_invoices i WHERE ");

fn into_invoice(row: Option<Row>) -> StoreResult<Option<Invoice>> {
    row.map(TryInto::try_into).transpose()
}

/// Reads one row without a lock; `None` if there is none.
pub async fn find_invoice(conn: &mut Conn, id: InvoiceId) -> StoreResult<Option<Invoice>> {
    into_invoice(sqlx::query_as(sql!(SELECT, "id = ?")).bind(id.to_string()).fetch_optional(conn).await?)
}

/// Reads an invoice and locks its row. The caller has locked the subscription.
pub async fn lock_invoice(conn: &mut Conn, id: InvoiceId) -> StoreResult<Invoice> {
    let row = sqlx::query_as(sql!(SELECT, "id = ? FOR UPDATE")).bind(id.to_string());
    into_invoice(row.fetch_optional(conn).await?)?.ok_or(StoreError::WrongState { what: "invoice" })
}

/// Finds the open invoice of a subscription.
pub async fn find_open_invoice(
    conn: &mut Conn,
    subscription: SubscriptionId,
) -> StoreResult<Option<Invoice>> {
    let row =
        sqlx::query_as(sql!(SELECT, "subscription_id = ? AND open_slot = 1")).bind(subscription.to_string());
    into_invoice(row.fetch_optional(conn).await?)
}

/// Finds the invoice of a period: a start or a renewal that is not void. One row by a unique key.
pub async fn find_invoice_of_period(
    conn: &mut Conn,
    subscription: SubscriptionId,
    period_no: u32,
) -> StoreResult<Option<Invoice>> {
    let row = sqlx::query_as(sql!(SELECT, "subscription_id = ? AND period_slot = ?"))
        .bind(subscription.to_string())
        .bind(period_no);
    into_invoice(row.fetch_optional(conn).await?)
}

/// Finds the address of receipts that the last payer of a subscription gave: the invoice to which it belongs, and the
/// address, sealed for `subscription_invoices.contact:<id>`.
pub async fn find_last_contact(
    conn: &mut Conn,
    subscription: SubscriptionId,
) -> StoreResult<Option<(InvoiceId, String)>> {
    let row: Option<(String, String)> = sqlx::query_as(
        "SELECT id, contact_sealed FROM subscription_invoices
         WHERE subscription_id = ? AND contact_sealed IS NOT NULL ORDER BY created_at DESC, id DESC LIMIT 1",
    )
    .bind(subscription.to_string())
    .fetch_optional(conn)
    .await?;
    row.map(|(id, sealed)| Ok((decode_text("invoice id", &id)?, sealed))).transpose()
}

/// Lists a subscription's invoices older than `before`, newest first.
pub async fn list_invoices(
    conn: &mut Conn,
    subscription: SubscriptionId,
    before: Option<InvoiceId>,
    limit: u32,
) -> StoreResult<Vec<Invoice>> {
    // Ids are ordered by time; `~` is above every id and stands for "no bound".
    let before = before.map_or_else(|| "~".to_owned(), |id| id.to_string());
    let rows: Vec<Row> =
        sqlx::query_as(sql!(SELECT, "subscription_id = ? AND id < ? ORDER BY id DESC LIMIT ?"))
            .bind(subscription.to_string())
            .bind(before)
            .bind(limit)
            .fetch_all(conn)
            .await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Lists open invoices whose automatic charge is due and waits in no job of the kind `job`, longest due first.
pub async fn list_chargeable(
    conn: &mut Conn,
    job: &str,
    now: DateTime<Utc>,
    limit: u32,
) -> StoreResult<Vec<InvoiceId>> {
    let ids: Vec<String> = sqlx::query_scalar(
        "SELECT i.id FROM subscription_invoices i WHERE i.charge_at <= ? AND NOT EXISTS (
             SELECT 1 FROM jobs j WHERE j.kind = ? AND j.waiting_key = i.id)
         ORDER BY i.charge_at LIMIT ?",
    )
    .bind(now)
    .bind(job)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    ids.iter().map(|id| decode_text("invoice id", id)).collect()
}

/// Lists open invoices that can no longer be paid, longest overdue first.
pub async fn list_overdue_invoices(
    conn: &mut Conn,
    now: DateTime<Utc>,
    limit: u32,
) -> StoreResult<Vec<InvoiceId>> {
    let ids: Vec<String> = sqlx::query_scalar(
        "SELECT id FROM subscription_invoices WHERE state = 'open' AND due_at <= ? ORDER BY due_at LIMIT ?",
    )
    .bind(now)
    .bind(limit)
    .fetch_all(conn)
    .await?;
    ids.iter().map(|id| decode_text("invoice id", id)).collect()
}
