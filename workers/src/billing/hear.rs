//! The one place where news from the bank moves a purchase, whoever brought it.

use flysk_clients::tbank::Payment;
use flysk_domain::id::{LotId, PurchaseId, TransactionId};
use flysk_domain::money::Kopecks;
use flysk_domain::platform::ledger::{Command, Origin};
use flysk_domain::platform::purchases::{Doubt, News, PurchaseState, Source, Step, next_look};
use flysk_domain::platform::tbank::PaymentStatus;
use flysk_jobs::billing::ReconcilePayment;
use flysk_jobs::{JobError, Unit};
use flysk_store::ledger::{self, Instruction, Outcome};
use flysk_store::purchases::{self, Credited, Heard, Purchase};
use flysk_vault::places;
use secrecy::SecretString;

use super::locked;
use crate::App;

/// What the bank said of a payment.
#[derive(Debug)]
pub(super) struct Told<'a> {
    /// Who says it.
    pub(super) source: Source,
    /// The bank's number of the payment.
    pub(super) payment_id: &'a str,
    /// Where it stands.
    pub(super) status: &'a PaymentStatus,
    /// Its amount.
    pub(super) amount: Option<Kopecks>,
    /// The bank's code.
    pub(super) error_code: Option<&'a str>,
    /// The card, masked.
    pub(super) pan: Option<&'a str>,
    /// What charges the card later.
    pub(super) rebill_id: Option<&'a SecretString>,
    /// Why it is not paid, when we brought that about.
    pub(super) reason: Option<&'static str>,
    /// The bank says that nothing is wrong.
    pub(super) success: bool,
}

impl<'a> Told<'a> {
    /// The least there is to tell.
    pub(super) fn new(source: Source, payment_id: &'a str, status: &'a PaymentStatus) -> Self {
        Self {
            source,
            payment_id,
            status,
            amount: None,
            error_code: None,
            pan: None,
            rebill_id: None,
            reason: None,
            success: true,
        }
    }

    /// The bank's answer to "how does this payment stand".
    pub(super) fn answer(payment: &'a Payment) -> Self {
        Self {
            amount: payment.amount,
            error_code: payment.error_code.as_deref(),
            rebill_id: payment.rebill_id.as_ref(),
            ..Self::new(Source::Answer, &payment.payment_id, &payment.status)
        }
    }
}

/// Applies news to a purchase: its state, its coins, and when to ask next, all in the caller's transaction.
///
/// Under the purchase's lock, so that two notices of one payment that race each other are two steps.
pub(super) async fn hear(
    unit: &mut Unit,
    app: &App,
    id: PurchaseId,
    told: &Told<'_>,
) -> Result<Step, JobError> {
    let purchase = purchases::lock_purchase(unit, id).await?;
    let news = News {
        source: told.source,
        payment_id: told.payment_id,
        status: told.status,
        amount: told.amount,
        success: told.success,
    };
    let step = purchase.known().step(&news);
    let (now, state) = (app.clock().now(), purchase.state);
    match step {
        Step::Keep => keep_card(unit, app, &purchase, told).await?,
        Step::Note => remember(unit, app, &purchase, told, state).await?,
        Step::Wait => remember(unit, app, &purchase, told, PurchaseState::Awaiting).await?,
        Step::Fail => remember(unit, app, &purchase, told, PurchaseState::Failed).await?,
        Step::Settle => {
            remember(unit, app, &purchase, told, PurchaseState::Paid).await?;
            purchases::drop_doubt(unit, id, now).await?;
        }
        Step::Credit => {
            remember(unit, app, &purchase, told, state).await?;
            credit(unit, app, &purchase).await?;
        }
        Step::Ask(doubt) => {
            let whole_order = doubt == Doubt::OtherPayment;
            unit.enqueue(&ReconcilePayment { purchase_id: id, whole_order }).await?;
        }
        Step::Review(doubt) => {
            metrics::counter!("flysk_purchases_in_doubt_total", "doubt" => doubt.code()).increment(1);
            tracing::error!(
                purchase.id = %id, doubt = doubt.code(), bank.status = %told.status,
                "the bank's word about a purchase does not fit: somebody has to look"
            );
            if state != PurchaseState::Review {
                // Of another payment nothing is known from now on either.
                let status = (doubt != Doubt::OtherPayment).then_some(told.status);
                purchases::set_review(unit, id, doubt, status, now).await?;
            }
        }
    }
    let after = purchases::find_purchase(unit, id).await?.unwrap_or(purchase);
    let look = next_look(after.state, after.status.as_ref(), now - after.created_at);
    purchases::put_off(unit, id, look.map(|delay| now + delay)).await?;
    metrics::counter!("flysk_purchase_news_total", "step" => step_name(step)).increment(1);
    Ok(step)
}

async fn remember(
    unit: &mut Unit,
    app: &App,
    purchase: &Purchase,
    told: &Told<'_>,
    state: PurchaseState,
) -> Result<(), JobError> {
    let rebill = sealed_rebill(app, purchase, told)?;
    let heard = Heard {
        payment_id: told.payment_id,
        status: told.status,
        error_code: if state == PurchaseState::Failed { failure_of(told) } else { None },
        pan: told.pan,
        rebill_sealed: rebill.as_deref(),
    };
    Ok(purchases::mark_heard(unit, purchase.id, &heard, state, app.clock().now()).await?)
}

/// What charges the card comes with whichever notice is first, and perhaps only with one that is late.
async fn keep_card(unit: &mut Unit, app: &App, purchase: &Purchase, told: &Told<'_>) -> Result<(), JobError> {
    let same_payment = purchase.payment_id.as_deref() == Some(told.payment_id);
    if purchase.has_card || !same_payment {
        return Ok(());
    }
    if let Some(rebill) = sealed_rebill(app, purchase, told)? {
        purchases::keep_card(unit, purchase.id, told.pan, &rebill).await?;
    }
    Ok(())
}

/// Only if the buyer agreed.
fn sealed_rebill(app: &App, purchase: &Purchase, told: &Told<'_>) -> Result<Option<String>, JobError> {
    let Some(rebill) = told.rebill_id.filter(|_| purchase.save_card) else { return Ok(None) };
    let place = places::purchase_rebill(purchase.id);
    app.keyring.seal(rebill, &place).map(Some).map_err(locked)
}

/// The bank's code, or ours for statuses that have none.
fn failure_of<'a>(told: &Told<'a>) -> Option<&'a str> {
    if told.reason.is_some() {
        return told.reason;
    }
    match told.status {
        PaymentStatus::DeadlineExpired | PaymentStatus::AttemptsExpired => Some("link_expired"),
        PaymentStatus::Canceled | PaymentStatus::Reversed | PaymentStatus::Refunded => Some("cancelled"),
        _ => told.error_code.filter(|code| !code.is_empty() && *code != "0"),
    }
}

/// Puts the coins into the wallet, in the transaction that makes the purchase paid: once.
async fn credit(unit: &mut Unit, app: &App, purchase: &Purchase) -> Result<(), JobError> {
    let now = app.clock().now();
    let coins = LotId::generate(app.clock());
    let bonus = purchase.bonus.is_positive().then(|| LotId::generate(app.clock()));
    let expires_at = purchase.bonus_days.map(|days| now + chrono::TimeDelta::days(i64::from(days)));
    let credit = |lot, origin, amount, expires_at, what: &str| Instruction {
        reference: Some(format!("{what} «{}»", purchase.title)),
        details: Some(serde_json::json!({
            "purchase_id": purchase.id, "package_id": purchase.package_id, "price_kopecks": purchase.price,
        })),
        ..Instruction::new(
            TransactionId::generate(app.clock()),
            Command::Credit { lot, origin, amount, expires_at },
        )
    };
    let mut credits = vec![credit(coins, Origin::Package, purchase.coins, None, "Пакет")];
    credits.extend(bonus.map(|lot| credit(lot, Origin::Bonus, purchase.bonus, expires_at, "Бонус к пакету")));
    for outcome in ledger::apply(unit, purchase.wallet_id, &credits, app.clock()).await? {
        if !matches!(outcome, Outcome::Done(_)) {
            return Err(JobError::give_up(format!("the ledger refused a credit: {outcome:?}")));
        }
    }
    purchases::mark_credited(unit, purchase.id, Credited { coins, bonus }, now).await?;
    tracing::info!(purchase.id = %purchase.id, wallet.id = %purchase.wallet_id, "a purchase was paid and credited");
    Ok(())
}

/// For the notice's row, logs and metrics.
pub(super) const fn step_name(step: Step) -> &'static str {
    match step {
        Step::Keep => "known",
        Step::Note => "noted",
        Step::Wait => "waits",
        Step::Credit => "credited",
        Step::Fail => "failed",
        Step::Settle => "settled",
        Step::Ask(_) => "asked",
        Step::Review(_) => "in_doubt",
    }
}
