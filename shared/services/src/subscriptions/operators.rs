//! Acts of operators. Each has an actor and a reason, which are logged in the transaction of its effect.

use flysk_domain::Clock;
use flysk_domain::id::InvoiceId;
use flysk_domain::platform::subscriptions::{
    BonusRefusal, ChangeRefusal, EndReason, InvoiceKind, InvoiceState, ReinstateRefusal, Subscription,
    SubscriptionSettings, SubscriptionState, moscow_day,
};
use flysk_queue::UnitOfWork;
use flysk_store::StoreError;
use flysk_store::platform::invoice_payments::ReceiptState;
use flysk_store::platform::subscriptions::{self, BonusGrant, Invoice, SubscriptionRow};
use serde_json::json;

use super::action_log::{Actor, Entry, SubscriptionAction, note};
use super::context::Context;
use super::invoices::{void, void_open_invoice};
use super::save::save;
use super::settle::{SettleOutcome, Settlement, settle_invoice};

/// Operator and reason of an act.
#[derive(Debug, Clone, Copy)]
pub struct OperatorAct<'a> {
    /// Name of the operator, at most 64 ASCII characters.
    pub operator: &'a str,
    /// Reason, at most 500 characters.
    pub reason: &'a str,
}

impl<'a> OperatorAct<'a> {
    pub(super) const fn actor(&self) -> Actor<'a> {
        Actor::Operator(self.operator)
    }
}

/// An act is not possible.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// The state does not allow it.
    #[error(transparent)]
    Refused(#[from] ChangeRefusal),
    /// The days cannot be granted.
    #[error(transparent)]
    Bonus(#[from] BonusRefusal),
    /// The subscription ends with its period.
    #[error("the subscription ends with its period: revoke the cancellation first")]
    Cancels,
    /// The next period is paid.
    #[error("the next period is already paid")]
    NextPeriodPaid,
    /// The invoice is not open.
    #[error("the invoice is {0}")]
    InvoiceNotOpen(InvoiceState),
    /// A person has to decide about the subscription first.
    #[error("the subscription is under review: end the review first")]
    UnderReview,
    /// No person has to decide about the subscription.
    #[error("the subscription is not under review")]
    NotUnderReview,
    /// The subscription is not reinstated.
    #[error(transparent)]
    Reinstate(#[from] ReinstateRefusal),
    /// No attempt keeps the invoice from being paid.
    #[error("no payment of the invoice is open")]
    NotLocked,
    /// The bank may still decide about the attempt.
    #[error("the bank may still decide about the open payment: wait, and look at it in the merchant portal")]
    StillDeciding,
    /// The invoice has no closing receipt.
    #[error("the invoice has no closing receipt")]
    NoReceipt,
    /// Nothing is to be decided about the closing receipt.
    #[error("the closing receipt is {0}: nothing is to be decided about it, or its period runs")]
    ReceiptDecided(ReceiptState),
    /// The payment of the current period was not refunded whole, or the bank has not returned it yet.
    #[error(
        "the current period is not refunded whole, or the bank has not returned it yet: refund all of it and wait, or cancel the subscription"
    )]
    NotRefunded,
    /// The money would have to be returned.
    #[error("the payment cannot be taken: {0}")]
    CannotSettle(flysk_domain::platform::subscriptions::RefundReason),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Charges the next period now: an open renewal at once; otherwise its invoice is written ahead of time. Without a card
/// the invoice waits for the customer. The period always follows the paid one, so no day is paid twice.
pub async fn force_renewal(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    settings: &SubscriptionSettings,
    row: &SubscriptionRow,
    act: OperatorAct<'_>,
) -> Result<Invoice, OperatorError> {
    if row.subscription.needs_person {
        return Err(OperatorError::UnderReview);
    }
    let now = clock.now();
    let charge_at = row.card_id.map(|_| now);
    let open = subscriptions::find_open_invoice(unit, row.id).await?;
    let open = open.filter(|open| open.kind == InvoiceKind::Renewal);
    let invoice = match (open, row.subscription.state) {
        (Some(open), _) => {
            subscriptions::set_charge_at(unit, open.id, charge_at, now).await?;
            open
        }
        (None, SubscriptionState::Active) if row.subscription.cancels => return Err(OperatorError::Cancels),
        (None, SubscriptionState::Active) if row.subscription.prepaid.is_some() => {
            return Err(OperatorError::NextPeriodPaid);
        }
        (None, SubscriptionState::Active) => {
            void_open_invoice(unit, clock, row, act.actor(), "superseded").await?;
            Context { clock, settings, row, events: None }.write_renewal(unit, charge_at).await?
        }
        (None, state) => return Err(ChangeRefusal::WrongState(state).into()),
    };
    let entry = Entry::new(act.actor(), SubscriptionAction::RenewalForced)
        .about(invoice.id)
        .because(act.reason)
        .with(json!({ "charge_at": charge_at }));
    save(unit, clock, settings, row, &row.subscription, entry).await?;
    Ok(invoice)
}

/// Grants bonus days; after an end they reinstate the subscription for as long. The boundary moves once, and the anchor
/// with it.
pub async fn grant_bonus_days(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    settings: &SubscriptionSettings,
    row: &SubscriptionRow,
    days: u32,
    act: OperatorAct<'_>,
) -> Result<SubscriptionRow, OperatorError> {
    let new = row.subscription.with_bonus(days, moscow_day(clock.now()))?;
    // Its dates are those before the grant.
    void_open_invoice(unit, clock, row, act.actor(), "bonus").await?;
    let boundary = |subscription: &Subscription| match subscription.state {
        SubscriptionState::Trialing | SubscriptionState::TrialEnded => {
            subscription.trial.map(|trial| trial.until)
        }
        _ => subscription.period.map(|period| period.until),
    };
    let grant = BonusGrant {
        subscription_id: row.id,
        days,
        moved_from: boundary(&row.subscription),
        moved_to: boundary(&new).unwrap_or_else(|| moscow_day(clock.now())),
        reason: act.reason,
        granted_by: &act.actor().to_string(),
        granted_at: clock.now(),
    };
    subscriptions::insert_bonus(unit, &grant).await?;
    let entry = Entry::new(act.actor(), SubscriptionAction::BonusGranted)
        .because(act.reason)
        .with(json!({ "days": days, "moved_to": grant.moved_to }));
    Ok(save(unit, clock, settings, row, &new, entry).await?)
}

/// Voids an open invoice. That of a renewal ends the subscription as unpaid, with everything that waited for the next
/// period.
pub async fn void_invoice(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    settings: &SubscriptionSettings,
    row: &SubscriptionRow,
    invoice: &Invoice,
    act: OperatorAct<'_>,
) -> Result<SubscriptionRow, OperatorError> {
    if invoice.state != InvoiceState::Open || invoice.subscription_id != row.id {
        return Err(OperatorError::InvoiceNotOpen(invoice.state));
    }
    void(unit, clock, invoice.id, "operator").await?;
    let voided =
        Entry::new(act.actor(), SubscriptionAction::InvoiceVoided).about(invoice.id).because(act.reason);
    let ends = invoice.kind == InvoiceKind::Renewal && row.subscription.state.awaits_renewal();
    if !ends {
        return Ok(save(unit, clock, settings, row, &row.subscription, voided).await?);
    }
    note(unit, clock, row, voided).await?;
    subscriptions::clear_pending(unit, row.id).await?;
    let ended = Entry::new(act.actor(), SubscriptionAction::Expired).about(invoice.id).because(act.reason);
    Ok(save(unit, clock, settings, row, &row.subscription.ended(EndReason::Unpaid), ended).await?)
}

/// Takes an open invoice as paid outside of Flysk, such as by a bank transfer.
pub async fn mark_paid(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    invoice: InvoiceId,
    act: OperatorAct<'_>,
) -> Result<(), OperatorError> {
    let found = subscriptions::find_invoice(unit, invoice).await?;
    let state = found.map(|invoice| invoice.state).ok_or(StoreError::WrongState { what: "invoice" })?;
    if state != InvoiceState::Open {
        return Err(OperatorError::InvoiceNotOpen(state));
    }
    let settlement = Settlement { paid_at: clock.now(), means: "manual", actor: act.actor() };
    match settle_invoice(unit, clock, invoice, settlement).await? {
        SettleOutcome::Settled | SettleOutcome::Reopened => Ok(()),
        SettleOutcome::Refund(reason) => Err(OperatorError::CannotSettle(reason)),
    }
}

/// Ends the review of a lapsed subscription: it ends as unpaid, and the customer may start anew from today.
pub async fn clear_review(
    unit: &mut UnitOfWork,
    clock: &dyn Clock,
    settings: &SubscriptionSettings,
    row: &SubscriptionRow,
    act: OperatorAct<'_>,
) -> Result<SubscriptionRow, OperatorError> {
    if !row.subscription.needs_person {
        return Err(OperatorError::NotUnderReview);
    }
    void_open_invoice(unit, clock, row, act.actor(), "operator").await?;
    subscriptions::clear_pending(unit, row.id).await?;
    let new = row.subscription.ended(EndReason::Unpaid);
    let entry = Entry::new(act.actor(), SubscriptionAction::ReviewEnded).because(act.reason);
    Ok(save(unit, clock, settings, row, &new, entry).await?)
}
