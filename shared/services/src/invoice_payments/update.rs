//! Applies what the bank says of an attempt: the one function for notifications, answers and status queries.

use flysk_crypto::{KeyringError, aad};
use flysk_domain::TextEnum as _;
use flysk_domain::id::{CardId, InvoicePaymentId, ReceiptId};
use flysk_domain::platform::invoice_payments::{
    AttemptKind, AttemptState, PaymentSnapshot, PaymentStep, next_query,
};
use flysk_domain::platform::purchases::{Discrepancy, PaymentUpdate};
use flysk_domain::platform::subscriptions::InvoiceKind;
use flysk_domain::platform::tbank::{ErrorClass, PaymentStatus, class_of};
use flysk_jobs::platform::subscriptions::{ChargeInvoice, QueryInvoicePayment};
use flysk_queue::UnitOfWork;
use flysk_store::StoreError;
use flysk_store::platform::invoice_payments::{
    self as store, Attempt, ClosingReceipt, NewCard, ReceiptState,
};
use flysk_store::platform::subscriptions as subscription_store;

use super::refund::return_payment;
use crate::purchases::PaymentContext;
use crate::subscriptions::{self, Actor, FailedCharge, Locked, SettleOutcome, Settlement};

/// Code of a charge that never started and was cancelled.
const NOT_STARTED: &str = "not_started";
/// Code of a charge whose money a person has returned at the bank before Flysk learned of it.
const REFUNDED: &str = "refunded";

/// An update cannot be applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyUpdateError {
    /// The `RebillId` cannot be encrypted.
    #[error("key ring: {0}")]
    Keyring(#[from] KeyringError),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Applies an update to an attempt, its invoice and its subscription, all in the caller's transaction, under the locks of
/// all three: concurrent notifications of one payment are applied one after another.
///
/// # Errors
///
/// Nothing is written: the caller's transaction has to be rolled back.
pub async fn apply_update(
    unit: &mut UnitOfWork,
    context: PaymentContext<'_>,
    id: InvoicePaymentId,
    update: &PaymentUpdate,
) -> Result<PaymentStep, ApplyUpdateError> {
    let found = store::find_attempt(unit, id).await?;
    let found = found.ok_or(StoreError::WrongState { what: "invoice payment" })?;
    apply_to_attempt(unit, context, &found, update).await
}

/// [`apply_update`] for a caller that has read the attempt, however long ago.
///
/// # Errors
///
/// As [`apply_update`].
pub async fn apply_to_attempt(
    unit: &mut UnitOfWork,
    context: PaymentContext<'_>,
    found: &Attempt,
    update: &PaymentUpdate,
) -> Result<PaymentStep, ApplyUpdateError> {
    let (id, now) = (found.id, context.clock.now());
    // The card of a form may be named by any update.
    if !found.save_card
        && let Some(step) = ignore_update(found.snapshot(now), update)
    {
        return Ok(step);
    }
    let mut locked = subscriptions::lock_both(unit, found.subscription_id, found.invoice_id).await?;
    let attempt = store::lock_attempt(unit, id).await?;
    let step = attempt.snapshot(now).step(update);
    let mut outcome = None;
    match step {
        PaymentStep::Ignore => keep_asking(unit, &attempt, context).await?,
        PaymentStep::Record => record(unit, &attempt, update, context).await?,
        PaymentStep::Settle => outcome = Some(settle(unit, context, &mut locked, &attempt, update).await?),
        PaymentStep::Fail => fail(unit, context, &locked, &attempt, update).await?,
        PaymentStep::Cancel => {
            record(unit, &attempt, update, context).await?;
            store::begin_cancelling(unit, id, now, now).await?;
            unit.enqueue(&QueryInvoicePayment { attempt_id: id }).await?;
        }
        PaymentStep::Ask(_) => {
            unit.enqueue(&QueryInvoicePayment { attempt_id: id }).await?;
        }
        PaymentStep::Review(discrepancy) => review(unit, &attempt, update, discrepancy, context).await?,
    }
    if !matches!(step, PaymentStep::Ask(_) | PaymentStep::Review(_)) {
        save_card(unit, context, &locked, &attempt, update, outcome).await?;
    }
    count(step);
    Ok(step)
}

/// Ignores an update that tells a paid attempt, which saves no card, nothing new; `None` if it has to be applied under the locks.
///
/// A paid attempt stays paid, so it does not matter how long ago it was read. Every renewal is told of thrice: by the answer to
/// `Charge` and by two notifications.
pub fn ignore_update(attempt: PaymentSnapshot<'_>, update: &PaymentUpdate) -> Option<PaymentStep> {
    let step = (attempt.state == AttemptState::Paid).then(|| attempt.step(update));
    step.filter(|step| *step == PaymentStep::Ignore).inspect(|step| count(*step))
}

fn count(step: PaymentStep) {
    metrics::counter!("flysk_invoice_payment_updates_total", "step" => step_label(step)).increment(1);
}

async fn record(
    unit: &mut UnitOfWork,
    attempt: &Attempt,
    update: &PaymentUpdate,
    context: PaymentContext<'_>,
) -> Result<(), StoreError> {
    let now = context.clock.now();
    let query_at = next_query(attempt.state, attempt.age(now)).map(|delay| now + delay);
    store::record_status(unit, attempt.id, &update.payment_id, &update.status, query_at, now).await
}

async fn keep_asking(
    unit: &mut UnitOfWork,
    attempt: &Attempt,
    context: PaymentContext<'_>,
) -> Result<(), StoreError> {
    if !attempt.state.is_open() {
        // Its end was the end of the questions.
        return Ok(());
    }
    let now = context.clock.now();
    let query_at = next_query(attempt.state, attempt.age(now)).map(|delay| now + delay);
    store::set_query_at(unit, attempt.id, query_at).await
}

/// The money was taken: settles the invoice, or returns the money if the invoice is no longer open.
async fn settle(
    unit: &mut UnitOfWork,
    context: PaymentContext<'_>,
    locked: &mut Locked,
    attempt: &Attempt,
    update: &PaymentUpdate,
) -> Result<SettleOutcome, StoreError> {
    let now = context.clock.now();
    let payment = (update.payment_id.as_str(), &update.status);
    store::decide_attempt(unit, attempt.id, payment, AttemptState::Paid, None, now).await?;
    if locked.open_attempt.is_some_and(|open| open.id == attempt.id) {
        locked.open_attempt = None;
    }
    let means = match attempt.kind {
        AttemptKind::Form => "form",
        AttemptKind::Charge => "card",
    };
    let settlement = Settlement { paid_at: now, means, actor: Actor::Bank };
    let outcome = subscriptions::settle_locked(unit, context.clock, locked, settlement).await?;
    match outcome {
        SettleOutcome::Settled | SettleOutcome::Reopened => {
            plan_closing_receipt(unit, context, locked, attempt).await?;
        }
        SettleOutcome::Refund(reason) => {
            metrics::counter!("flysk_invoice_payments_returned_total", "reason" => reason.to_string())
                .increment(1);
            tracing::error!(
                invoice.id = %attempt.invoice_id, attempt.id = %attempt.id, %reason,
                "money arrived for an invoice that is not open: it is returned"
            );
            return_payment(unit, context.clock, attempt, &reason.to_string()).await?;
        }
    }
    Ok(outcome)
}

/// The closing receipt of a prepayment is due at the end of the period.
async fn plan_closing_receipt(
    unit: &mut UnitOfWork,
    context: PaymentContext<'_>,
    Locked { invoice, seller, .. }: &Locked,
    attempt: &Attempt,
) -> Result<(), StoreError> {
    let given = attempt.receipt.as_ref().map_or(seller.receipts.at_payment(), |receipt| receipt.kind);
    if !seller.receipts.closes_after(given) {
        return Ok(());
    }
    let period = match invoice.kind {
        // Its days are those from the payment on.
        InvoiceKind::Start => {
            let paid = subscription_store::find_invoice(unit, invoice.id).await?;
            paid.map_or(invoice.period, |paid| paid.period)
        }
        InvoiceKind::Change | InvoiceKind::Renewal => invoice.period,
    };
    let receipt = ClosingReceipt {
        id: ReceiptId::generate(context.clock),
        invoice_id: invoice.id,
        payment_row_id: attempt.id,
        due_at: period.ends_at(),
        state: ReceiptState::Waiting,
    };
    store::insert_receipt(unit, &receipt, context.clock.now()).await
}

async fn fail(
    unit: &mut UnitOfWork,
    context: PaymentContext<'_>,
    locked: &Locked,
    attempt: &Attempt,
    update: &PaymentUpdate,
) -> Result<(), StoreError> {
    let now = context.clock.now();
    let code = failure_code(attempt, update);
    let payment = (update.payment_id.as_str(), &update.status);
    store::decide_attempt(unit, attempt.id, payment, AttemptState::Failed, Some(&code), now).await?;
    if attempt.kind == AttemptKind::Form || attempt.is_withdrawn {
        return Ok(());
    }
    if code == REFUNDED {
        tracing::error!(
            attempt.id = %attempt.id, invoice.id = %attempt.invoice_id,
            "a charge was refunded at the bank before it counted: the payer is asked, and no card is charged"
        );
    }
    let class = failure_class(&code);
    metrics::counter!("flysk_subscription_charges_failed_total", "class" => class.to_string()).increment(1);
    let failed = FailedCharge { class, code: &code, automatic: attempt.is_automatic };
    subscriptions::record_failed_locked(unit, context.clock, locked, failed).await?;
    Ok(())
}

/// Why it failed: our reason, the bank's code, the refusal that was stored before, or a code of ours for a status.
fn failure_code(attempt: &Attempt, update: &PaymentUpdate) -> String {
    if update.status == PaymentStatus::Refunded {
        return REFUNDED.to_owned();
    }
    let bank = update.error_code.as_deref().filter(|code| !code.is_empty() && *code != "0");
    let own = match update.status {
        PaymentStatus::Canceled if attempt.kind == AttemptKind::Charge => NOT_STARTED,
        PaymentStatus::DeadlineExpired | PaymentStatus::AttemptsExpired => "link_expired",
        PaymentStatus::Rejected | PaymentStatus::AuthFail => "declined",
        _ => "cancelled",
    };
    update.reason.or(bank).or(attempt.error_code.as_deref()).unwrap_or(own).to_owned()
}

/// Class of a charge that has definitely failed: nothing about it is unknown any more.
fn failure_class(code: &str) -> ErrorClass {
    if code.parse::<u32>().is_err() {
        return match code {
            "declined" => ErrorClass::Soft,
            // Somebody wanted the money returned: it is not charged again.
            REFUNDED => ErrorClass::Stop,
            _ => ErrorClass::Config,
        };
    }
    match class_of(code) {
        Some(class @ (ErrorClass::Funds | ErrorClass::Hard | ErrorClass::Stop | ErrorClass::Config)) => class,
        Some(ErrorClass::Soft | ErrorClass::Unknown | ErrorClass::State) | None => ErrorClass::Soft,
    }
}

async fn review(
    unit: &mut UnitOfWork,
    attempt: &Attempt,
    update: &PaymentUpdate,
    discrepancy: Discrepancy,
    context: PaymentContext<'_>,
) -> Result<(), StoreError> {
    metrics::counter!("flysk_invoice_payments_discrepancies_total", "discrepancy" => discrepancy.as_str())
        .increment(1);
    tracing::error!(
        attempt.id = %attempt.id, invoice.id = %attempt.invoice_id, discrepancy = discrepancy.as_str(),
        bank.status = %update.status, "the bank contradicts an invoice's payment: an operator must review it"
    );
    let now = context.clock.now();
    let state = if attempt.state.is_open() { AttemptState::Review } else { attempt.state };
    let query_at = next_query(state, attempt.age(now)).map(|delay| now + delay);
    store::set_review(unit, attempt.id, discrepancy, query_at, now).await
}

/// Saves the card of a payment whose payer agreed to it. The `RebillId` comes with a notification of any status, or with
/// the answer to a query; the card is used once the payment is paid. A payment that is returned gives no card: what the
/// payer agreed to was the renewal of something that this payment did not buy.
async fn save_card(
    unit: &mut UnitOfWork,
    context: PaymentContext<'_>,
    locked: &Locked,
    attempt: &Attempt,
    update: &PaymentUpdate,
    outcome: Option<SettleOutcome>,
) -> Result<(), ApplyUpdateError> {
    if !attempt.save_card || matches!(outcome, Some(SettleOutcome::Refund(_))) {
        return Ok(());
    }
    let known = store::find_card_of_payment(unit, attempt.id).await?;
    // The `RebillId` of a payment that was paid before arrives now.
    let is_late = known.is_none() && attempt.state == AttemptState::Paid;
    if is_late && store::is_returned(unit, attempt.id).await? {
        return Ok(());
    }
    let card = match (known, &update.rebill_id) {
        (Some(card), _) => card.id,
        (None, Some(rebill)) => {
            let id = CardId::generate(context.clock);
            let sealed = context.keyring.seal(rebill, &aad::card_rebill(id))?;
            let card = NewCard {
                id,
                install_id: attempt.install_id,
                terminal_key: &attempt.terminal_key,
                payment_row_id: attempt.id,
                rebill_sealed: &sealed,
                pan: update.pan.as_deref(),
                now: context.clock.now(),
            };
            store::insert_card(unit, &card).await?;
            id
        }
        (None, None) => return Ok(()),
    };
    if outcome.is_some() || is_late {
        let open =
            subscriptions::bind_card(unit, context.clock, &locked.row, attempt.invoice_id, card).await?;
        if let Some(invoice_id) = open {
            unit.enqueue(&ChargeInvoice { invoice_id }).await?;
        }
    }
    Ok(())
}

/// Label for the notification's row, logs and metrics.
pub const fn step_label(step: PaymentStep) -> &'static str {
    match step {
        PaymentStep::Ignore => "ignored",
        PaymentStep::Record => "recorded",
        PaymentStep::Settle => "settled",
        PaymentStep::Fail => "failed",
        PaymentStep::Cancel => "cancelling",
        PaymentStep::Ask(_) => "asked",
        PaymentStep::Review(_) => "needs_review",
    }
}
