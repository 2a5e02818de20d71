//! Applies payment updates from the bank to purchases: the one function for notifications and status queries.

use flysk_crypto::{Keyring, KeyringError, aad};
use flysk_domain::Clock;
use flysk_domain::TextEnum as _;
use flysk_domain::id::{LotId, PurchaseId, TransactionId};
use flysk_domain::platform::events::{EventKind, FlycoinsPurchased};
use flysk_domain::platform::ledger::{Command, Origin};
use flysk_domain::platform::purchases::{
    Discrepancy, PaymentUpdate, PurchaseState, Transition, next_status_query,
};
use flysk_jobs::platform::billing::ReconcilePayment;
use flysk_queue::UnitOfWork;
use flysk_store::StoreError;
use flysk_store::platform::installs;
use flysk_store::platform::ledger::{self, CommandOutcome, LedgerCommand};
use flysk_store::platform::purchases::{self, Credited, Purchase};

use crate::events::{self, NewEvent};

/// An update cannot be applied.
#[derive(Debug, thiserror::Error)]
pub enum ApplyPaymentUpdateError {
    /// The `RebillId` cannot be encrypted.
    #[error("key ring: {0}")]
    Keyring(#[from] KeyringError),
    /// The ledger refused to credit the coins.
    #[error("the ledger refused a credit: {0}")]
    CreditRefused(String),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Encryption and time, which every step needs.
#[derive(Debug, Clone, Copy)]
pub struct PaymentContext<'a> {
    /// Encrypts the `RebillId`.
    pub keyring: &'a Keyring,
    /// Stamps rows and ids.
    pub clock: &'a dyn Clock,
}

/// Applies an update to a purchase: its state, its coins, and the time of the next query, all in the caller's transaction.
///
/// Runs under the purchase's lock, so that concurrent notifications of one payment are applied one after another.
///
/// # Errors
///
/// Nothing is written: the caller's transaction has to be rolled back.
pub async fn apply_payment_update(
    unit: &mut UnitOfWork,
    context: PaymentContext<'_>,
    id: PurchaseId,
    update: &PaymentUpdate,
) -> Result<Transition, ApplyPaymentUpdateError> {
    let purchase = purchases::lock_purchase(unit, id).await?;
    let step = purchase.snapshot().transition(update);
    let (now, state) = (context.clock.now(), purchase.state);
    match step {
        Transition::Ignore => save_card(unit, context, &purchase, update).await?,
        Transition::RecordStatus => save_payment_status(unit, context, &purchase, update, state).await?,
        Transition::AwaitPayment => {
            save_payment_status(unit, context, &purchase, update, PurchaseState::Awaiting).await?;
        }
        Transition::Fail => {
            save_payment_status(unit, context, &purchase, update, PurchaseState::Failed).await?;
        }
        Transition::ResolveReview => {
            save_payment_status(unit, context, &purchase, update, PurchaseState::Paid).await?;
            purchases::clear_discrepancy(unit, id, now).await?;
        }
        Transition::Credit => {
            save_payment_status(unit, context, &purchase, update, state).await?;
            credit(unit, context, &purchase).await?;
        }
        Transition::Requery(discrepancy) => {
            let whole_order = discrepancy == Discrepancy::OtherPayment;
            unit.enqueue(&ReconcilePayment { purchase_id: id, whole_order }).await?;
        }
        Transition::NeedsReview(discrepancy) => {
            metrics::counter!("flysk_purchases_discrepancies_total", "discrepancy" => discrepancy.as_str())
                .increment(1);
            tracing::error!(
                purchase.id = %id, discrepancy = discrepancy.as_str(), bank.status = %update.status,
                "purchase contradicts the bank's status: an operator must review it"
            );
            if state != PurchaseState::Review {
                // The status of another payment is not stored: it is not the purchase's.
                let status = (discrepancy != Discrepancy::OtherPayment).then_some(&update.status);
                purchases::set_review(unit, id, discrepancy, status, now).await?;
            }
        }
    }
    let after = purchases::find_purchase(unit, id).await?.unwrap_or(purchase);
    let next_query = next_status_query(after.state, after.status.as_ref(), now - after.created_at);
    purchases::set_poll_at(unit, id, next_query.map(|delay| now + delay)).await?;
    metrics::counter!("flysk_payment_updates_total", "action" => action_label(step)).increment(1);
    Ok(step)
}

async fn save_payment_status(
    unit: &mut UnitOfWork,
    context: PaymentContext<'_>,
    purchase: &Purchase,
    update: &PaymentUpdate,
    state: PurchaseState,
) -> Result<(), ApplyPaymentUpdateError> {
    let rebill = seal_rebill_id(context, purchase, update)?;
    let (rebill, now) = (rebill.as_deref(), context.clock.now());
    Ok(purchases::record_payment_status(unit, purchase.id, update, rebill, state, now).await?)
}

/// The `RebillId` comes with the first notification of any kind, possibly a late one.
async fn save_card(
    unit: &mut UnitOfWork,
    context: PaymentContext<'_>,
    purchase: &Purchase,
    update: &PaymentUpdate,
) -> Result<(), ApplyPaymentUpdateError> {
    let same_payment = purchase.payment_id.as_ref() == Some(&update.payment_id);
    if purchase.has_card || !same_payment {
        return Ok(());
    }
    if let Some(rebill) = seal_rebill_id(context, purchase, update)? {
        purchases::save_card(unit, purchase.id, update.pan.as_deref(), &rebill).await?;
    }
    Ok(())
}

/// Encrypts the `RebillId`, if the buyer agreed to save the card.
fn seal_rebill_id(
    context: PaymentContext<'_>,
    purchase: &Purchase,
    update: &PaymentUpdate,
) -> Result<Option<String>, ApplyPaymentUpdateError> {
    let Some(rebill) = update.rebill_id.as_ref().filter(|_| purchase.save_card) else { return Ok(None) };
    let aad = aad::purchase_rebill(purchase.id);
    Ok(Some(context.keyring.seal(rebill, &aad)?))
}

/// Credits the coins in the transaction that marks the purchase as paid, so only once.
async fn credit(
    unit: &mut UnitOfWork,
    context: PaymentContext<'_>,
    purchase: &Purchase,
) -> Result<(), ApplyPaymentUpdateError> {
    let now = context.clock.now();
    // Rows are locked in the order purchase, install, wallet.
    let wallet = ledger::find_wallet(unit, purchase.wallet_id).await?;
    let wallet = wallet.ok_or(StoreError::WrongState { what: "wallet" })?;
    installs::lock(unit, wallet.install_id).await?;
    let coins = LotId::generate(context.clock);
    let bonus = purchase.bonus.is_positive().then(|| LotId::generate(context.clock));
    let expires_at = purchase.bonus_days.map(|days| now + chrono::TimeDelta::days(i64::from(days)));
    let credit = |lot, origin, amount, expires_at, what: &str| LedgerCommand {
        reference: Some(format!("{what} «{}»", purchase.title)),
        details: Some(serde_json::json!({
            "purchase_id": purchase.id, "package_id": purchase.package_id, "price_kopecks": purchase.price,
        })),
        ..LedgerCommand::new(
            TransactionId::generate(context.clock),
            Command::Credit { lot, origin, amount, expires_at },
        )
    };
    let mut credits = vec![credit(coins, Origin::Package, purchase.coins, None, "Пакет")];
    credits.extend(bonus.map(|lot| credit(lot, Origin::Bonus, purchase.bonus, expires_at, "Бонус к пакету")));
    let mut available = wallet.available;
    for outcome in ledger::apply(unit, purchase.wallet_id, &credits, context.clock).await? {
        let CommandOutcome::Done(posted) = outcome else {
            return Err(ApplyPaymentUpdateError::CreditRefused(format!("{outcome:?}")));
        };
        available = posted.available;
    }
    purchases::mark_credited(unit, purchase.id, Credited { coins, bonus }, now).await?;
    let data = FlycoinsPurchased {
        purchase_id: purchase.id,
        price_kopecks: purchase.price,
        coins_micro: purchase.coins,
        bonus_micro: purchase.bonus,
        available_micro: available,
    };
    let purchased = NewEvent::new(EventKind::FlycoinsPurchased, &data)?;
    events::emit(unit, context.clock, wallet.install_id, &[purchased], now).await?;
    tracing::info!(purchase.id = %purchase.id, wallet.id = %purchase.wallet_id, "purchase paid and credited");
    Ok(())
}

/// Credits the coins of a purchase whose price arrived by bank transfer. `false` if it does not wait for money any more.
///
/// # Errors
///
/// Nothing is written: the caller's transaction has to be rolled back.
pub async fn credit_transferred(
    unit: &mut UnitOfWork,
    context: PaymentContext<'_>,
    id: PurchaseId,
) -> Result<bool, ApplyPaymentUpdateError> {
    let purchase = purchases::lock_purchase(unit, id).await?;
    if purchase.state != PurchaseState::Awaiting || purchase.coins_lot.is_some() {
        return Ok(false);
    }
    credit(unit, context, &purchase).await?;
    Ok(true)
}

/// Label for the notification's row, logs and metrics.
pub const fn action_label(step: Transition) -> &'static str {
    match step {
        Transition::Ignore => "ignored",
        Transition::RecordStatus => "recorded",
        Transition::AwaitPayment => "awaiting",
        Transition::Credit => "credited",
        Transition::Fail => "failed",
        Transition::ResolveReview => "review_resolved",
        Transition::Requery(_) => "requeried",
        Transition::NeedsReview(_) => "needs_review",
    }
}
