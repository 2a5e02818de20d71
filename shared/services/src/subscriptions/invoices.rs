//! Invoices: writing and voiding them.

use chrono::{DateTime, TimeDelta, Utc};
use flysk_crypto::SealedContact;
use flysk_domain::Clock;
use flysk_domain::id::{InvoiceId, QuoteId};
use flysk_domain::money::Kopecks;
use flysk_domain::platform::subscriptions::{
    InvoiceKind, InvoiceState, Period, QuoteLine, Terms, moscow_day, period_line,
};
use flysk_domain::platform::transfers::PaymentSubject;
use flysk_domain::trace::Trace;
use flysk_jobs::platform::subscriptions::ChargeInvoice;
use flysk_queue::{Job as _, Outbox, UnitOfWork};
use flysk_store::platform::subscriptions::{self, Invoice, NewInvoice, SubscriptionRow};
use flysk_store::platform::vendors;
use flysk_store::{Conn, StoreError, StoreResult, repeat_contended};

use super::action_log::{Actor, Entry, SubscriptionAction, note};
use crate::live_payments::{withdraw, withdraw_waiting};

/// Why the invoice of a subscription is void that ended because it was not paid.
pub(super) const ENDED_UNPAID: &str = "expired";
/// Time in which the invoice of a quote can be paid.
const INVOICE_TTL: TimeDelta = TimeDelta::hours(24);

/// Contents of an invoice to be written.
#[derive(Debug)]
pub(super) struct Promise<'a> {
    pub(super) kind: InvoiceKind,
    pub(super) quote: Option<QuoteId>,
    pub(super) terms: Terms,
    pub(super) period_no: u32,
    pub(super) period: Period,
    pub(super) lines: &'a [QuoteLine],
    pub(super) total: Kopecks,
    pub(super) charge_at: Option<DateTime<Utc>>,
}

/// Writes an invoice with the tax data of its day. The subscription is locked and has no open invoice. The caller saves the
/// subscription as well, which records that what is cached of it is outdated.
pub(super) async fn write_invoice(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    row: &SubscriptionRow,
    promise: &Promise<'_>,
) -> StoreResult<Invoice> {
    let now = clock.now();
    let seller = vendors::find_seller_on(unit, row.widget_id, moscow_day(now)).await?;
    let (vendor_id, taxes) = seller.ok_or(StoreError::WrongState { what: "vendor" })?;
    let due_at = match promise.kind {
        InvoiceKind::Start => Some(now + INVOICE_TTL),
        InvoiceKind::Change => Some((now + INVOICE_TTL).min(promise.period.ends_at())),
        InvoiceKind::Renewal => None,
    };
    let new = NewInvoice {
        id: InvoiceId::generate(clock),
        subscription_id: row.id,
        install_id: row.install_id,
        widget_id: row.widget_id,
        vendor_id,
        kind: promise.kind,
        quote_id: promise.quote,
        terms: promise.terms,
        period_no: promise.period_no,
        period: promise.period,
        title: promise.lines.first().map_or("", |line| line.title.as_str()),
        lines: promise.lines,
        total: promise.total,
        taxation: taxes.as_ref().map(|taxes| taxes.taxation.as_str()),
        vat: taxes.as_ref().map(|taxes| taxes.vat),
        due_at,
        charge_at: promise.charge_at,
        now,
    };
    subscriptions::insert_invoice(unit, &new).await?;
    Ok(new.inserted())
}

/// The line of a renewal.
pub(super) fn renewal_line(title: &str, terms: Terms, period: Period) -> StoreResult<QuoteLine> {
    period_line(title, terms, period)
        .map_err(|error| StoreError::InvalidRow { what: "subscription's terms", reason: error.to_string() })
}

/// Voids the open invoice of a subscription that the caller has locked, if there is one.
pub(super) async fn void_open_invoice(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    row: &SubscriptionRow,
    actor: Actor<'_>,
    reason: &str,
) -> StoreResult<Option<Invoice>> {
    let Some(open) = subscriptions::find_open_invoice(unit, row.id).await? else { return Ok(None) };
    void(unit, clock, open.id, reason).await?;
    let entry = Entry::new(actor, SubscriptionAction::InvoiceVoided).about(open.id).because(reason);
    note(unit, clock, row, entry).await?;
    Ok(Some(open))
}

/// Voids an open invoice, for a caller that logs it with the reason of a person. An attempt that may still take money for it is
/// withdrawn, and so is a transfer invoice that waits for it; but the invoice of a subscription that ended unpaid may still be
/// paid by the transfer, which reopens the subscription.
pub(super) async fn void(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    id: InvoiceId,
    reason: &str,
) -> StoreResult<()> {
    subscriptions::mark_invoice_void(unit, id, reason, clock.now()).await?;
    withdraw(unit, id).await?;
    if reason != ENDED_UNPAID {
        let subject = PaymentSubject::Invoice(id);
        Box::pin(withdraw_waiting(unit, clock, subject, "superseded")).await?;
    }
    Ok(())
}

/// Finds open invoices whose automatic charge is due and waits in no job.
pub async fn find_chargeable(conn: &mut Conn, now: DateTime<Utc>, limit: u32) -> StoreResult<Vec<InvoiceId>> {
    subscriptions::list_chargeable(conn, ChargeInvoice::KIND, now, limit).await
}

/// Stores the sealed address of an open invoice's receipts, and the hash that finds it.
pub async fn set_contact(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    id: InvoiceId,
    contact: &SealedContact,
) -> StoreResult<()> {
    let contact = (contact.sealed.as_str(), contact.index.as_bytes().as_slice());
    subscriptions::set_contact(unit, id, contact, clock.now()).await
}

/// Voids invoices of quotes that were not paid in time, each in a transaction of its own. One that fails is logged, and the
/// others are voided nevertheless. Harmless when repeated: only an open invoice is voided, under the subscription's lock.
pub async fn expire_overdue_invoices(outbox: &Outbox, trace: &Trace, limit: u32) -> StoreResult<u64> {
    let clock = outbox.clock().as_ref();
    let mut conn = outbox.pool().acquire().await?;
    let overdue = subscriptions::list_overdue_invoices(&mut conn, clock.now(), limit).await?;
    drop(conn);
    let mut voided = 0;
    for id in overdue {
        let expire = || async {
            let mut unit = outbox.begin(trace.clone()).await?;
            let Some(invoice) = subscriptions::find_invoice(&mut unit, id).await? else { return Ok(false) };
            let row = subscriptions::lock_subscription(&mut unit, invoice.subscription_id).await?;
            let is_overdue = subscriptions::lock_invoice(&mut unit, id).await.map(|invoice| {
                invoice.state == InvoiceState::Open && invoice.due_at.is_some_and(|due| due <= clock.now())
            })?;
            if is_overdue {
                void_open_invoice(&mut unit, clock, &row, Actor::System, "not_paid").await?;
            }
            unit.commit().await?;
            StoreResult::Ok(is_overdue)
        };
        match repeat_contended(expire).await {
            Ok(is_overdue) => voided += u64::from(is_overdue),
            Err(error) => tracing::error!(invoice.id = %id, %error, "an overdue invoice was not voided"),
        }
    }
    Ok(voided)
}
