//! Effects of a payment's outcome on an invoice and its subscription.

use chrono::{DateTime, NaiveDate, Utc};
use flysk_domain::Clock;
use flysk_domain::id::{InvoiceId, SubscriptionId};
use flysk_domain::platform::subscriptions::{
    ChangeRefusal, ChargePlan, InvoiceKind, InvoiceState, LatePayment, PaidInvoice, PendingKind, Period,
    RefundReason, Subscription, SubscriptionSettings, SubscriptionState, Terms, late_payment, moscow_day,
    next_charge, tells_payer,
};
use flysk_domain::platform::tbank::ErrorClass;
use flysk_domain::platform::transfers::PaymentSubject;
use flysk_queue::UnitOfWork;
use flysk_store::platform::subscriptions::{
    self, ChargeBasis, Failure, Invoice, OpenAttempt, PayableInvoice, Seller, SubscriptionRow, WidgetSale,
};
use flysk_store::{StoreError, StoreResult};
use serde_json::json;

use super::action_log::{Actor, Entry, SubscriptionAction, note};
use super::details::settings_of_sale;
use super::invoices::void_open_invoice;
use super::save::save;
use crate::live_payments::{TRANSFER_MEANS, withdraw, withdraw_waiting};

/// A payment that took the invoice's total.
#[derive(Debug, Clone, Copy)]
pub struct Settlement<'a> {
    /// When the money was taken.
    pub paid_at: DateTime<Utc>,
    /// Means of payment, at most 12 ASCII characters, such as `form`, `card`, `sbp`, `manual`, `transfer`.
    pub means: &'a str,
    /// Source of the outcome.
    pub actor: Actor<'a>,
}

/// Outcome of a settlement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SettleOutcome {
    /// The invoice is paid, and what it promised took effect.
    Settled,
    /// The subscription had expired and is open again.
    Reopened,
    /// The subscription does not take the money; nothing changed. A payment at the bank is to be returned, a transfer goes to
    /// the firm's balance.
    Refund(RefundReason),
}

/// An invoice under the lock of its subscription, which every writer of the invoice holds.
#[derive(Debug)]
pub(crate) struct Locked {
    pub(crate) row: SubscriptionRow,
    pub(crate) invoice: Invoice,
    pub(crate) settings: SubscriptionSettings,
    pub(crate) sale: WidgetSale,
    pub(crate) seller: Seller,
    /// The attempt that may still take money for the invoice.
    pub(crate) open_attempt: Option<OpenAttempt>,
    /// Whether a transfer invoice may wait for the money of the invoice.
    pub(crate) awaits_transfer: bool,
    /// Whether changes of the subscription wait for the next period.
    pub(crate) has_pending_changes: bool,
}

impl From<PayableInvoice> for Locked {
    fn from(found: PayableInvoice) -> Self {
        let PayableInvoice { invoice, row, sale, seller, open_attempt, awaits_transfer, has_pending_changes } =
            found;
        let settings = settings_of_sale(&sale);
        Self { row, invoice, settings, sale, seller, open_attempt, awaits_transfer, has_pending_changes }
    }
}

/// Locks the subscription of an invoice.
pub(crate) async fn lock(unit: &mut UnitOfWork, id: InvoiceId) -> StoreResult<Locked> {
    let found = subscriptions::find_subscription_of_invoice(unit, id).await?;
    let (subscription, _) = found.ok_or(StoreError::WrongState { what: "invoice" })?;
    lock_both(unit, subscription, id).await
}

/// [`lock`] for a caller that knows the subscription.
pub(crate) async fn lock_both(
    unit: &mut UnitOfWork,
    subscription: SubscriptionId,
    id: InvoiceId,
) -> StoreResult<Locked> {
    let found = subscriptions::lock_payable_invoice(unit, subscription, id).await?;
    Ok(found.ok_or(StoreError::WrongState { what: "invoice" })?.into())
}

/// [`lock_both`] for the beginning of a charge today: reads what else it begins with.
pub(crate) async fn lock_for_charge(
    unit: &mut UnitOfWork,
    subscription: SubscriptionId,
    id: InvoiceId,
    today: NaiveDate,
) -> StoreResult<ChargeBasis> {
    let found = subscriptions::lock_charge_basis(unit, subscription, id, today).await?;
    found.ok_or(StoreError::WrongState { what: "invoice" })
}

/// Takes the money of an invoice: the one function for forms, charges, notifications, reconciliation and operators.
///
/// Money for an invoice that is not open never revives a cancelled subscription. A second payment of a paid invoice is to
/// be refunded; the caller decides by its own records whether it is a second one. An attempt that may still take money for
/// the same invoice is withdrawn, and so is a transfer invoice that waits for it.
pub async fn settle_invoice(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    id: InvoiceId,
    settlement: Settlement<'_>,
) -> StoreResult<SettleOutcome> {
    let locked = lock(unit, id).await?;
    settle_locked(unit, clock, &locked, settlement).await
}

/// [`settle_invoice`] for a caller that holds the locks.
pub(crate) async fn settle_locked(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    locked: &Locked,
    settlement: Settlement<'_>,
) -> StoreResult<SettleOutcome> {
    let Locked { row, invoice, settings, .. } = locked;
    let paid_on = moscow_day(settlement.paid_at);
    let decision = late_payment(PaidInvoice {
        invoice: invoice.state,
        subscription: row.subscription.state,
        renews: (invoice.kind == InvoiceKind::Renewal).then_some(invoice.period),
        follows: row.subscription.period.is_some_and(|period| period.until == invoice.period.from),
        paid_on,
    });
    match decision {
        LatePayment::Refund(reason) => return_money(unit, clock, locked, settlement, reason).await,
        LatePayment::Reopen => reopen(unit, clock, locked, settlement).await,
        LatePayment::Settle => {
            let Ok((new, period, action)) = effect(row, invoice, settlement.paid_at, clock.now()) else {
                return return_money(unit, clock, locked, settlement, RefundReason::Superseded).await;
            };
            let (paid_at, now) = (settlement.paid_at, clock.now());
            subscriptions::mark_invoice_paid(unit, invoice.id, period, settlement.means, paid_at, now)
                .await?;
            withdraw_others(unit, clock, locked, settlement).await?;
            clear_effected(unit, clock, locked, settlement.actor).await?;
            let entry = Entry::new(settlement.actor, action)
                .about(invoice.id)
                .with(json!({ "total_kopecks": invoice.total, "means": settlement.means }))
                .knowing(locked.sale.event_rules(row.widget_id));
            save(unit, clock, settings, row, &new, entry).await?;
            Ok(SettleOutcome::Settled)
        }
    }
}

/// The subscription after the payment of an open invoice, and the days that it pays.
fn effect(
    row: &SubscriptionRow,
    invoice: &Invoice,
    paid_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<(Subscription, Period, SubscriptionAction), ChangeRefusal> {
    let subscription = &row.subscription;
    match invoice.kind {
        InvoiceKind::Start => {
            // The customer gets whole days: a period that was to begin earlier begins on the day of the payment.
            let from = invoice.period.from.max(moscow_day(paid_at));
            let started = subscription.started(invoice.terms, from)?;
            let period = started.period.unwrap_or(invoice.period);
            Ok((started, period, SubscriptionAction::Activated))
        }
        InvoiceKind::Change => {
            let changed = subscription.changed(invoice.terms)?;
            Ok((changed, invoice.period, SubscriptionAction::Changed))
        }
        InvoiceKind::Renewal => {
            let renewed = subscription.renewed(invoice.terms, invoice.period, moscow_day(now))?;
            Ok((renewed, invoice.period, SubscriptionAction::Renewed))
        }
    }
}

/// Removes the pending changes that the payment has put into effect or replaced, and no others.
async fn clear_effected(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    locked: &Locked,
    actor: Actor<'_>,
) -> StoreResult<()> {
    let Locked { row, invoice, .. } = locked;
    if !locked.has_pending_changes {
        return Ok(());
    }
    if invoice.kind != InvoiceKind::Change {
        return subscriptions::clear_pending(unit, row.id).await;
    }
    let asked_at = invoice.created_at;
    clear_changed(unit, clock, row, Replacement { terms: invoice.terms, asked_at, actor }).await
}

/// Terms that take effect now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Replacement<'a> {
    pub(super) terms: Terms,
    /// When they were asked for. What was asked for later still waits for the next period.
    pub(super) asked_at: DateTime<Utc>,
    pub(super) actor: Actor<'a>,
}

/// Removes and logs the pending changes, asked for before, of what differs between the terms of a subscription and those that
/// take effect now.
pub(super) async fn clear_changed(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    row: &SubscriptionRow,
    by: Replacement<'_>,
) -> StoreResult<()> {
    let Some(before) = row.subscription.terms else { return Ok(()) };
    let changed = [
        (before.seats != by.terms.seats).then_some(PendingKind::Seats),
        (before.plan != by.terms.plan).then_some(PendingKind::Plan),
    ];
    for kind in changed.into_iter().flatten() {
        if subscriptions::delete_pending_until(unit, row.id, kind, by.asked_at).await? {
            let kind: &'static str = kind.into();
            let entry = Entry::new(by.actor, SubscriptionAction::ChangeWithdrawn);
            note(unit, clock, row, entry.with(json!({ "kind": kind, "is_replaced": true }))).await?;
        }
    }
    Ok(())
}

async fn reopen(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    locked: &Locked,
    settlement: Settlement<'_>,
) -> StoreResult<SettleOutcome> {
    let Locked { row, invoice, settings, .. } = locked;
    let Ok(reopened) = row.subscription.reopened(invoice.terms, invoice.period) else {
        return return_money(unit, clock, locked, settlement, RefundReason::TooLate).await;
    };
    // A new start that is being paid would be a second subscription.
    void_open_invoice(unit, clock, row, Actor::System, "reopened").await?;
    subscriptions::reopen_invoice_as_paid(unit, invoice, settlement.means, settlement.paid_at, clock.now())
        .await?;
    withdraw_others(unit, clock, locked, settlement).await?;
    subscriptions::clear_pending(unit, row.id).await?;
    let entry = Entry::new(settlement.actor, SubscriptionAction::Reopened).about(invoice.id);
    save(unit, clock, settings, row, &reopened, entry).await?;
    metrics::counter!("flysk_subscription_late_payments_total", "decision" => "reopened").increment(1);
    tracing::error!(
        subscription.id = %row.id, invoice.id = %invoice.id,
        "money for an expired subscription arrived: it is open again"
    );
    Ok(SettleOutcome::Reopened)
}

/// Ends what may still take money for an invoice that is paid now. A transfer is about to be recorded with its own invoice.
async fn withdraw_others(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    locked: &Locked,
    settlement: Settlement<'_>,
) -> StoreResult<()> {
    let invoice = locked.invoice.id;
    if locked.open_attempt.is_some() {
        withdraw(unit, invoice).await?;
    }
    if locked.awaits_transfer && settlement.means != TRANSFER_MEANS {
        let subject = PaymentSubject::Invoice(invoice);
        Box::pin(withdraw_waiting(unit, clock, subject, "paid_otherwise")).await?;
    }
    Ok(())
}

/// Records that the subscription does not take the money. What becomes of it is the caller's: the bank returns a payment, the
/// balance of the firm takes a transfer.
async fn return_money(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    locked: &Locked,
    settlement: Settlement<'_>,
    reason: RefundReason,
) -> StoreResult<SettleOutcome> {
    let Locked { row, invoice, .. } = locked;
    let text = reason.to_string();
    let goes_to_balance = settlement.means == TRANSFER_MEANS;
    let (action, decision) = if goes_to_balance {
        (SubscriptionAction::PaymentToBalance, "to_balance")
    } else {
        (SubscriptionAction::PaymentReturned, "refunded")
    };
    let entry = Entry::new(settlement.actor, action).about(invoice.id).because(&text);
    note(unit, clock, row, entry).await?;
    metrics::counter!("flysk_subscription_late_payments_total", "decision" => decision).increment(1);
    if goes_to_balance {
        tracing::warn!(
            subscription.id = %row.id, invoice.id = %invoice.id, reason = text,
            "a transfer arrived that the subscription cannot take: it is in the firm's balance"
        );
    } else {
        tracing::error!(
            subscription.id = %row.id, invoice.id = %invoice.id, reason = text,
            "money arrived that the subscription cannot take: it is refunded"
        );
    }
    Ok(SettleOutcome::Refund(reason))
}

/// A charge that failed for certain.
#[derive(Debug, Clone, Copy)]
pub struct FailedCharge<'a> {
    /// Class of the bank's error.
    pub class: ErrorClass,
    /// The bank's error code, or one of ours.
    pub code: &'a str,
    /// Whether Flysk charged the card; a payer's own attempt spends no step of the schedule.
    pub automatic: bool,
}

/// Records a failed payment of an invoice. Returns when the card is charged next, which is stored with the invoice. The payer is
/// told, unless it was a fault of ours and there is time to repair it.
pub async fn record_failed_charge(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    id: InvoiceId,
    failed: FailedCharge<'_>,
) -> StoreResult<Option<DateTime<Utc>>> {
    let locked = lock(unit, id).await?;
    record_failed_locked(unit, clock, &locked, failed).await
}

/// [`record_failed_charge`] for a caller that holds the locks.
pub(crate) async fn record_failed_locked(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    locked: &Locked,
    failed: FailedCharge<'_>,
) -> StoreResult<Option<DateTime<Utc>>> {
    let Locked { row, invoice, settings, .. } = locked;
    if invoice.state != InvoiceState::Open {
        return Ok(None);
    }
    let now = clock.now();
    let counts = failed.automatic && failed.class != ErrorClass::Config;
    let made = invoice.charges_made.saturating_add(u32::from(counts));
    let charge_at = if failed.automatic && invoice.kind == InvoiceKind::Renewal && row.card_id.is_some() {
        match next_charge(settings, invoice.period.from, made, Some(failed.class), spread_of(row), now) {
            ChargePlan::At(at) => Some(at),
            ChargePlan::Stop | ChargePlan::AskBank => None,
        }
    } else {
        invoice.charge_at.filter(|_| !failed.automatic)
    };
    let failure = Failure { class: failed.class, code: failed.code.to_owned() };
    subscriptions::record_failure(unit, invoice.id, &failure, made, charge_at, now).await?;
    if invoice.kind == InvoiceKind::Renewal {
        let grace_until = row.subscription.grace_until(settings);
        let (unpaid, action) = if tells_payer(failure.class, charge_at, grace_until, moscow_day(now)) {
            (row.subscription.charge_failed(), SubscriptionAction::PaymentFailed)
        } else {
            (row.subscription.clone(), SubscriptionAction::ChargePostponed)
        };
        let last_charge_on = charge_at.map(moscow_day).max(row.subscription.last_charge_on);
        let new = Subscription { last_charge_on, ..unpaid };
        let entry = Entry::new(Actor::Bank, action).about(invoice.id).with(json!({
            "error_class": failure.class.to_string(), "error_code": failure.code, "next_charge_at": charge_at,
        }));
        save(unit, clock, settings, row, &new, entry).await?;
    }
    Ok(charge_at)
}

/// Stops the charges of a renewal for which no card can be charged: the customer has to pay it by another means, and is notified.
pub(crate) async fn leave_to_payer(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    locked: &Locked,
) -> StoreResult<()> {
    let Locked { row, invoice, settings, .. } = locked;
    subscriptions::set_charge_at(unit, invoice.id, None, clock.now()).await?;
    if row.subscription.state != SubscriptionState::Renewing || row.subscription.needs_person {
        return Ok(());
    }
    let new = Subscription { last_charge_on: None, ..row.subscription.charge_failed() };
    let entry = Entry::new(Actor::System, SubscriptionAction::CardNotChargeable).about(invoice.id);
    save(unit, clock, settings, row, &new, entry).await.map(drop)
}

/// A number that is stable for the subscription, to spread charges over time.
pub(super) fn spread_of(row: &SubscriptionRow) -> u32 {
    row.id
        .to_string()
        .bytes()
        .fold(2_166_136_261_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(16_777_619))
}
