//! Quotes and invoices in responses.

use chrono::NaiveDate;
use flysk_domain::platform::purchases::failure_ru;
use flysk_domain::platform::subscriptions::{
    ChangeKind, InvoiceKind, InvoiceState, LineKind, QuoteLine, Rounding,
};
use flysk_store::platform::subscriptions::{Invoice, StoredQuote};
use poem_openapi::Object;
use poem_openapi::types::Example;

use super::examples::example_day;
use crate::choice::Choice;
use crate::time::Time;

/// A line of a quote or an invoice. The lines sum to the total.
#[derive(Debug, Object)]
#[oai(rename = "InvoiceLine")]
pub(crate) struct LineView {
    /// Subject of the line.
    kind: Choice<LineKind>,
    /// Text in Russian.
    title: String,
    /// First day that the line covers, Moscow time.
    from: NaiveDate,
    /// Day after the last one that the line covers, Moscow time.
    until: NaiveDate,
    /// Number of seats after the change.
    seats: u32,
    /// Amount, in kopecks; negative for a waiver.
    amount_kopecks: i64,
    /// Rounding of the amount.
    rounding: Choice<Rounding>,
}

impl From<&QuoteLine> for LineView {
    fn from(line: &QuoteLine) -> Self {
        Self {
            kind: line.kind.into(),
            title: line.title.clone(),
            from: line.period.from,
            until: line.period.until,
            seats: line.seats,
            amount_kopecks: line.amount.0,
            rounding: line.rounding.into(),
        }
    }
}

fn example_line() -> LineView {
    LineView {
        kind: LineKind::Period.into(),
        title: "Тариф «Про», 3 места, 01.12.2026–31.12.2026".to_owned(),
        from: example_day(1),
        until: example_day(31),
        seats: 3,
        amount_kopecks: 149_700,
        rounding: Rounding::Exact.into(),
    }
}

/// Price of a change. Applying it charges exactly this, or nothing.
#[derive(Debug, Object)]
#[oai(rename = "SubscriptionQuote", example)]
pub(crate) struct QuoteView {
    /// Id of the quote, to apply it.
    id: String,
    /// The change.
    change: Choice<ChangeKind>,
    /// Lines; empty for a change that costs nothing now.
    lines: Vec<LineView>,
    /// Amount to pay now, in kopecks; 0 if applying needs no payment.
    total_kopecks: i64,
    /// Until when the quote can be applied: the end of the day in Moscow.
    expires_at: Time,
    /// Invoice that the quote was frozen into; null until it is applied, and for changes that cost nothing now.
    invoice_id: Option<String>,
}

impl Example for QuoteView {
    fn example() -> Self {
        Self {
            id: "quo_01KCQJ7B2N4Q6S8V0X2Z4B6D8F".to_owned(),
            change: ChangeKind::Start.into(),
            lines: vec![example_line()],
            total_kopecks: 149_700,
            expires_at: Time::example(),
            invoice_id: None,
        }
    }
}

impl From<&StoredQuote> for QuoteView {
    fn from(quote: &StoredQuote) -> Self {
        Self {
            id: quote.id.to_string(),
            change: quote.change.kind().into(),
            lines: quote.lines.iter().map(LineView::from).collect(),
            total_kopecks: quote.total.0,
            expires_at: quote.expires_at.into(),
            invoice_id: quote.invoice_id.map(|id| id.to_string()),
        }
    }
}

/// An invoice.
#[derive(Debug, Object)]
#[oai(rename = "SubscriptionInvoice", example)]
pub(crate) struct InvoiceView {
    /// Invoice id, `inv_…`.
    id: String,
    /// Subject that the invoice pays.
    kind: Choice<InvoiceKind>,
    /// State.
    state: Choice<InvoiceState>,
    /// Title in Russian.
    title: String,
    /// Lines, which sum to the total.
    lines: Vec<LineView>,
    /// Amount, in kopecks.
    total_kopecks: i64,
    /// Refunded amount, including refunds in progress, in kopecks.
    refunded_kopecks: i64,
    /// First day that it pays, Moscow time.
    period_from: NaiveDate,
    /// Day after the last one that it pays, Moscow time.
    period_until: NaiveDate,
    /// Until when it can be paid; null if the subscription waits for it.
    due_at: Option<Time>,
    /// When the card is charged next; null if it is not.
    charge_at: Option<Time>,
    /// Why the last payment failed, in Russian.
    failure: Option<String>,
    /// Time of the payment.
    paid_at: Option<Time>,
    /// Time when it was written.
    created_at: Time,
}

impl Example for InvoiceView {
    fn example() -> Self {
        Self {
            id: "inv_01KCQJ7B2N4Q6S8V0X2Z4B6D8F".to_owned(),
            kind: InvoiceKind::Start.into(),
            state: InvoiceState::Paid.into(),
            title: "Тариф «Про», 3 места, 01.12.2026–31.12.2026".to_owned(),
            lines: vec![example_line()],
            total_kopecks: 149_700,
            refunded_kopecks: 0,
            period_from: example_day(1),
            period_until: example_day(31),
            due_at: None,
            charge_at: None,
            failure: None,
            paid_at: Some(Time::example()),
            created_at: Time::example(),
        }
    }
}

impl From<&Invoice> for InvoiceView {
    fn from(invoice: &Invoice) -> Self {
        Self {
            id: invoice.id.to_string(),
            kind: invoice.kind.into(),
            state: invoice.state.into(),
            title: invoice.title.clone(),
            lines: invoice.lines.iter().map(LineView::from).collect(),
            total_kopecks: invoice.total.0,
            refunded_kopecks: invoice.refunded.0,
            period_from: invoice.period.from,
            period_until: invoice.period.until,
            due_at: invoice.due_at.map(Time),
            charge_at: invoice.charge_at.map(Time),
            failure: invoice.failure.as_ref().map(|failure| failure_ru(Some(&failure.code)).to_owned()),
            paid_at: invoice.paid_at.map(Time),
            created_at: invoice.created_at.into(),
        }
    }
}

/// A page of invoices, newest first.
#[derive(Debug, Object)]
#[oai(rename = "SubscriptionInvoicePage")]
pub(crate) struct InvoicePage {
    /// The invoices.
    pub(super) items: Vec<InvoiceView>,
    /// Value of `cursor` for the next page; null on the last page.
    pub(super) next: Option<String>,
}
