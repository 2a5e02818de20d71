//! Beginning an attempt. Its row is the intent: it is written before the bank is called.

use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::Clock;
use flysk_domain::id::{InvoiceId, InvoicePaymentId, SubscriptionId};
use flysk_domain::platform::invoice_payments::{AttemptKind, AttemptState, link_ends_at, next_query};
use flysk_domain::platform::subscriptions::{
    InvoiceKind, InvoiceState, ReceiptBasis, SubscriptionSettings, VatRate, moscow_day,
};
use flysk_domain::platform::transfers::PaymentSubject;
use flysk_jobs::platform::subscriptions::OpenInvoiceForm;
use flysk_queue::UnitOfWork;
use flysk_store::platform::invoice_payments::{self as store, Attempt, Card, NewAttempt};
use flysk_store::platform::subscriptions::{self, ChargeBasis, Invoice, Seller, SubscriptionRow};
use flysk_store::platform::{transfers, vendors};
use flysk_store::{StoreError, StoreResult};

use super::receipt_facts::ReceiptFacts;
use crate::live_payments::{is_chargeable_by, is_payable_form, withdraw_attempt};
use crate::subscriptions::{self as use_cases, Locked, NOT_SOLD_DELAY, leave_to_payer};

/// While another attempt is open, a due charge looks again after this time.
const BUSY_DELAY: TimeDelta = TimeDelta::minutes(10);
/// While a firm has an invoice to pay by transfer, a due charge looks again after this time.
const TRANSFER_DELAY: TimeDelta = TimeDelta::days(1);
/// A form is offered again while it can still be paid for this time.
const MIN_FORM_LIFETIME: TimeDelta = TimeDelta::minutes(15);
/// No form is opened whose link would end sooner. The bank opens none that ends within a minute, and the job takes its time.
const MIN_LINK_LIFETIME: TimeDelta = TimeDelta::minutes(2);

/// A payer's request to pay on the bank's form.
#[derive(Debug, Clone, Copy)]
pub struct FormRequest<'a> {
    /// The payer agreed to save the card for renewals.
    pub save_card: bool,
    /// Terminal to pay at.
    pub terminal_key: &'a str,
}

/// Outcome of a request for a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormOutcome {
    /// A new attempt, whose form a job opens.
    Opening(InvoicePaymentId),
    /// The form of an earlier request that can still be paid.
    Open(InvoicePaymentId),
    /// Another attempt may still take money: a charge, or a form that is being cancelled. Ask again in a moment.
    Busy(InvoicePaymentId),
    /// The invoice is not open, its time to be paid is over, or the widget sells no subscriptions at present.
    NotOpen,
}

/// Begins an attempt to pay an invoice on the bank's form, and enqueues the job that opens it.
///
/// An open form is a live charge, so there is one per invoice. A former form with another consent, or one about to
/// expire, is cancelled first; only after the bank's `CANCELED` another one opens.
///
/// The invoice can be paid as long as the link: one that was due earlier is due when the link ends. A change or renewal cannot be paid
/// after its period, so there the link ends with the invoice.
pub async fn open_form(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    invoice_id: InvoiceId,
    request: FormRequest<'_>,
) -> StoreResult<FormOutcome> {
    let Locked { invoice, settings, seller, .. } = use_cases::lock(unit, invoice_id).await?;
    let now = clock.now();
    let is_payable = invoice.is_payable(now) && invoice.total.is_positive();
    if !is_payable || settings.not_sold {
        return Ok(FormOutcome::NotOpen);
    }
    let last = (invoice.kind != InvoiceKind::Start).then(|| invoice.period.ends_at());
    let held_until = link_ends_at(now, last);
    if let Some(open) = store::find_open_attempt(unit, invoice_id).await? {
        let ends_at = invoice.link_ends_at(open.created_at);
        // Another form would not live longer than one that ends with its invoice.
        let lives = ends_at - now >= MIN_FORM_LIFETIME || ends_at >= held_until;
        if is_payable_form(&open) {
            if open.save_card == request.save_card && lives {
                return Ok(FormOutcome::Open(open.id));
            }
            withdraw_attempt(unit, &open).await?;
        }
        return Ok(FormOutcome::Busy(open.id));
    }
    if held_until - now < MIN_LINK_LIFETIME {
        return Ok(FormOutcome::NotOpen);
    }
    let taxes = vendors::find_taxes(unit, seller.id, moscow_day(now)).await?;
    let receipt = receipt_basis(&seller, taxes.map(|taxes| (taxes.taxation, taxes.vat)));
    let new = NewAttempt {
        id: InvoicePaymentId::generate(clock),
        kind: AttemptKind::Form,
        is_automatic: false,
        save_card: request.save_card,
        card_id: None,
        terminal_key: request.terminal_key,
        ..attempt_of(&invoice, &receipt, clock)
    };
    if !store::insert_attempt(unit, &new).await? {
        return Ok(FormOutcome::NotOpen);
    }
    transfers::hold_subject(unit, PaymentSubject::Invoice(invoice_id), held_until, now).await?;
    unit.enqueue(&OpenInvoiceForm { attempt_id: new.id }).await?;
    Ok(FormOutcome::Opening(new.id))
}

/// A charge that has begun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BegunCharge {
    /// Its attempt.
    pub attempt: Attempt,
    /// What its receipt is made of.
    pub facts: ReceiptFacts,
}

/// Begins the due charge of the subscription's card for an invoice; `None` if it is not due, not permitted, too late, or another
/// attempt may still take money.
pub async fn begin_charge(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    invoice_id: InvoiceId,
) -> StoreResult<Option<BegunCharge>> {
    let found = subscriptions::find_subscription_of_invoice(unit, invoice_id).await?;
    let (subscription, _) = found.ok_or(StoreError::WrongState { what: "invoice" })?;
    begin_charge_of(unit, clock, subscription, invoice_id).await
}

/// [`begin_charge`] for a caller that knows the subscription.
///
/// Locks the subscription. Card and consent are locked when the charge is about to be sent ([`permit_charge`]).
///
/// # Errors
///
/// The database fails, or a stored value cannot be read.
pub async fn begin_charge_of(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    subscription: SubscriptionId,
    invoice_id: InvoiceId,
) -> StoreResult<Option<BegunCharge>> {
    let now = clock.now();
    let basis = use_cases::lock_for_charge(unit, subscription, invoice_id, moscow_day(now)).await?;
    let ChargeBasis { payable, card, taxes, last_contact } = basis;
    let locked = Locked::from(payable);
    let Locked { row, invoice, settings, seller, .. } = &locked;
    if invoice.state != InvoiceState::Open || invoice.charge_at.is_none_or(|due| due > now) {
        return Ok(None);
    }
    let delay = delay_of_charge(row, invoice, settings, now);
    if let Some(delay) = delay.or_else(|| locked.awaits_transfer.then_some(TRANSFER_DELAY)) {
        subscriptions::set_charge_at(unit, invoice_id, Some(now + delay), now).await?;
        return Ok(None);
    }
    let card = card.filter(|card| {
        let (terminal, is_vendors) = (&card.terminal_key, card.is_at_vendors_terminal);
        let own = seller.terminal_key.as_deref();
        !row.subscription.needs_person && is_chargeable_by(own, terminal, is_vendors, card.install_status)
    });
    let Some(card) = card else {
        leave_to_payer(unit, clock, &locked).await?;
        return Ok(None);
    };
    let receipt = receipt_basis(seller, taxes);
    let new = NewAttempt {
        id: InvoicePaymentId::generate(clock),
        kind: AttemptKind::Charge,
        is_automatic: true,
        save_card: false,
        card_id: Some(card.id),
        terminal_key: &card.terminal_key,
        ..attempt_of(invoice, &receipt, clock)
    };
    if !store::insert_attempt(unit, &new).await? {
        subscriptions::set_charge_at(unit, invoice_id, Some(now + BUSY_DELAY), now).await?;
        return Ok(None);
    }
    subscriptions::set_charge_at(unit, invoice_id, None, now).await?;
    let attempt = new.inserted();
    let Locked { invoice, seller, .. } = locked;
    Ok(Some(BegunCharge { attempt, facts: ReceiptFacts::new(invoice, seller, last_contact) }))
}

/// Locks what permits to send a charge that has begun, and returns its card. `None`: it must not be sent. What permitted its
/// beginning may be over since, because its job was lost and found again later. The charge of an open invoice is then due again:
/// [`begin_charge`] decides anew when the caller has cancelled this one.
///
/// Locks the subscription, the consent and the card. The write that stores that the charge is sent also compares the attempt's state.
///
/// # Errors
///
/// The database fails, or a stored value cannot be read.
pub async fn permit_charge(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    attempt: &Attempt,
) -> StoreResult<Option<Card>> {
    let now = clock.now();
    let locked = use_cases::lock_both(unit, attempt.subscription_id, attempt.invoice_id).await?;
    let Locked { row, invoice, settings, seller, open_attempt, .. } = locked;
    let is_withdrawn = open_attempt.is_some_and(|open| open.id == attempt.id && open.is_withdrawn);
    if invoice.state != InvoiceState::Open || is_withdrawn {
        return Ok(None);
    }
    let delay = delay_of_charge(&row, &invoice, &settings, now);
    if delay.is_none() {
        let card = card_to_charge(unit, &row, &seller).await?;
        if let Some(card) = card.filter(|card| attempt.card_id == Some(card.id)) {
            return Ok(Some(card));
        }
    }
    let again_at = now + delay.unwrap_or(BUSY_DELAY);
    subscriptions::set_charge_at(unit, invoice.id, Some(again_at), now).await?;
    Ok(None)
}

/// Time after which a due charge is looked at again that cannot be made now; `None` if nothing but its card decides.
fn delay_of_charge(
    row: &SubscriptionRow,
    invoice: &Invoice,
    settings: &SubscriptionSettings,
    now: DateTime<Utc>,
) -> Option<TimeDelta> {
    if settings.not_sold {
        // Access is free meanwhile, and its users see no page on which to unlink the card.
        return Some(NOT_SOLD_DELAY);
    }
    let is_gone = moscow_day(now) >= invoice.period.until;
    // The step that is due ends the subscription or asks a person, and voids the invoice.
    (is_gone || row.subscription.is_too_late_to_charge(now, settings)).then_some(BUSY_DELAY)
}

/// Locks the card that may be charged for a subscription that the caller has locked, and the consent to it. `None`: there is none, a
/// person has to decide about the subscription first, the card was saved at another terminal than the seller's, or the account has
/// uninstalled the widget.
async fn card_to_charge(
    unit: &mut UnitOfWork,
    row: &SubscriptionRow,
    seller: &Seller,
) -> StoreResult<Option<Card>> {
    let Some(card) = row.card_id.filter(|_| !row.subscription.needs_person) else { return Ok(None) };
    let consented = store::lock_consented_card(unit, card, row.id).await?;
    let chargeable = consented.filter(|found| {
        let (terminal, is_vendors) = (&found.card.terminal_key, found.is_at_vendors_terminal);
        let own = seller.terminal_key.as_deref();
        is_chargeable_by(own, terminal, is_vendors, found.install_status)
    });
    Ok(chargeable.map(|found| found.card))
}

/// What the receipt of a payment says that begins now: the seller's receipts and taxes of this day, not those of the day on which
/// the invoice was written.
fn receipt_basis(seller: &Seller, taxes: Option<(String, VatRate)>) -> ReceiptBasis {
    let (taxation, vat) = taxes.unzip();
    ReceiptBasis { kind: seller.receipts.at_payment(), taxation, vat }
}

/// Postpones the due charge of an open invoice, because another attempt may still take money, or has taken it: the scheduler
/// does not find it again at every tick.
pub async fn postpone_charge(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    invoice_id: InvoiceId,
) -> StoreResult<()> {
    let now = clock.now();
    let invoice = use_cases::lock(unit, invoice_id).await?.invoice;
    let is_due = invoice.state == InvoiceState::Open && invoice.charge_at.is_some_and(|due| due <= now);
    if is_due {
        subscriptions::set_charge_at(unit, invoice_id, Some(now + BUSY_DELAY), now).await?;
    }
    Ok(())
}

fn attempt_of<'a>(invoice: &Invoice, receipt: &'a ReceiptBasis, clock: &dyn Clock) -> NewAttempt<'a> {
    let now = clock.now();
    let wait = next_query(AttemptState::Opening, TimeDelta::zero()).unwrap_or(TimeDelta::minutes(1));
    NewAttempt {
        id: InvoicePaymentId::generate(clock),
        invoice_id: invoice.id,
        subscription_id: invoice.subscription_id,
        install_id: invoice.install_id,
        kind: AttemptKind::Form,
        is_automatic: false,
        save_card: false,
        card_id: None,
        terminal_key: "",
        amount: invoice.total,
        receipt,
        query_at: now + wait,
        now,
    }
}
