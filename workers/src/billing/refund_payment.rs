//! Performs `billing.refund_payment`.
//!
//! Harmless when run twice: "the bank is being asked" is durable before `Cancel`, a run that finds it so looks
//! how the payment stands first, and `Cancel` repeated under one `ExternalRequestId` answers with the first
//! call's state. SBP knows no such id: there the look at the payment, and at what is left of it, is what protects.
//! A no may be the answer to a second call whose first one was carried out, so it counts only while the money is
//! seen to be there.

use std::time::Duration;

use chrono::TimeDelta;
use flysk_clients::tbank::TBankError;
use flysk_domain::id::TransactionId;
use flysk_domain::platform::ledger::Command;
use flysk_domain::platform::outcome::Outcome;
use flysk_domain::platform::purchases::{Asked, Fate};
use flysk_jobs::billing::RefundPayment;
use flysk_jobs::{Handle, JobError, JobResult, Run, Unit, Verdict};
use flysk_store::ledger::{self, Instruction};
use flysk_store::purchases::{self, Purchase, Refund, RefundState};

use super::contact_of;
use crate::App;
use crate::acquiring::Acquiring;
use crate::outcome::HasOutcome as _;

/// Between two looks at a refund the bank is working on.
const ON_ITS_WAY: TimeDelta = TimeDelta::minutes(2);
/// SBP allows one try per operation and hour.
const NOT_SOONER: Duration = Duration::from_mins(61);

impl Handle<App> for RefundPayment {
    async fn handle(&self, run: &Run, app: &App) -> JobResult {
        let acquiring = app.acquiring()?;
        let mut conn = run.pool().acquire().await?;
        let found = purchases::find_refund(&mut conn, &self.refund_id).await?;
        let Some(refund) = found else { return Ok(Verdict::skip("the refund is gone")) };
        if refund.state.has_ended() {
            return Ok(Verdict::skip("it came to its end already"));
        }
        let purchase = purchases::find_purchase(&mut conn, refund.purchase_id).await?;
        drop(conn);
        let purchase = purchase.ok_or_else(|| JobError::give_up("its purchase is gone"))?;
        let Some(payment_id) = purchase.payment_id.clone() else {
            return Err(JobError::give_up("its purchase has no payment"));
        };
        if purchase.terminal_key != acquiring.config.terminal_key {
            return Err(JobError::give_up(
                "the payment is of another terminal: refund it with that one configured",
            ));
        }
        if refund.state == RefundState::Pending {
            let mut unit = run.begin().await?;
            purchases::mark_refund(
                &mut unit,
                &refund.id,
                RefundState::Pending,
                RefundState::Sent,
                None,
                run.now(),
            )
            .await?;
            unit.commit().await?;
        } else if let Some(verdict) = look_first(run, acquiring, &purchase, &refund, &payment_id).await? {
            return Ok(verdict);
        }
        let contact = contact_of(app, &purchase)?;
        let request = acquiring.refund(&purchase, &payment_id, &refund, &contact);
        match acquiring.bank.cancel(&request).await {
            Ok(cancelled) => match asked(&purchase, &refund).fate(&cancelled.status, cancelled.new_amount) {
                Fate::Happened => done(run, &refund).await,
                Fate::OnItsWay => Ok(wait(run)),
                Fate::NotHappened | Fate::Unclear => {
                    let status = cancelled.status;
                    Err(JobError::retry(format!("the bank answers with {status}, and the money stays")))
                }
            },
            Err(error) => refused(run, app, acquiring, &purchase, &refund, &payment_id, error).await,
        }
    }

    async fn bury(&self, unit: &mut Unit, reason: &str, _app: &App) -> Result<(), JobError> {
        // Nobody knows whether the money went: the coins stay where they are until somebody has looked.
        metrics::counter!("flysk_refunds_in_doubt_total").increment(1);
        let refund = purchases::find_refund(unit, &self.refund_id).await?;
        if let Some(refund) = refund.filter(|refund| !refund.state.has_ended()) {
            tracing::error!(
                refund.id = %refund.id, purchase.id = %refund.purchase_id, reason,
                "a refund did not come to an end: see the runbook"
            );
        }
        Ok(())
    }
}

/// An earlier run asked the bank and did not live to hear: how does the payment stand? `None`: ask again.
async fn look_first(
    run: &Run,
    acquiring: &Acquiring,
    purchase: &Purchase,
    refund: &Refund,
    payment_id: &str,
) -> Result<Option<Verdict>, JobError> {
    match fate(acquiring, purchase, refund, payment_id).await? {
        Fate::OnItsWay => Ok(Some(wait(run))),
        Fate::Happened => done(run, refund).await.map(Some),
        Fate::NotHappened | Fate::Unclear => Ok(None),
    }
}

/// What became of a refund, by how its payment stands.
async fn fate(
    acquiring: &Acquiring,
    purchase: &Purchase,
    refund: &Refund,
    payment_id: &str,
) -> Result<Fate, JobError> {
    let payment = acquiring.bank.state(payment_id).await.map_err(TBankError::into_job_error)?;
    Ok(asked(purchase, refund).fate(&payment.status, payment.amount))
}

const fn asked(purchase: &Purchase, refund: &Refund) -> Asked {
    Asked { price: purchase.price, refunded: purchase.refunded, kopecks: refund.share.kopecks }
}

fn wait(run: &Run) -> Verdict {
    Verdict::snooze(run.now() + ON_ITS_WAY, "the bank is giving the money back")
}

async fn done(run: &Run, refund: &Refund) -> JobResult {
    let mut unit = run.begin().await?;
    purchases::mark_refund(&mut unit, &refund.id, RefundState::Sent, RefundState::Done, None, run.now())
        .await?;
    tracing::info!(refund.id = %refund.id, purchase.id = %refund.purchase_id, "money was given back");
    run.done(unit).await
}

async fn refused(
    run: &Run,
    app: &App,
    acquiring: &Acquiring,
    purchase: &Purchase,
    refund: &Refund,
    payment_id: &str,
    error: TBankError,
) -> JobResult {
    let code = error.refusal().map(|refusal| refusal.code.as_str());
    // One try per hour: not a no, only not now.
    if matches!(code, Some("3029" | "3030" | "3041" | "3042")) {
        return Err(JobError::Wait { after: NOT_SOONER, reason: error.to_string() });
    }
    if error.outcome() != Outcome::GiveUp {
        return Err(error.into_job_error());
    }
    match fate(acquiring, purchase, refund, payment_id).await? {
        Fate::Happened => done(run, refund).await,
        Fate::OnItsWay => Ok(wait(run)),
        Fate::NotHappened => undo(run, app, purchase, refund, &error).await,
        Fate::Unclear => Err(JobError::retry(format!("{error}; and how the payment stands tells nothing"))),
    }
}

/// The money stays where it is for good: so do the coins.
async fn undo(run: &Run, app: &App, purchase: &Purchase, refund: &Refund, error: &TBankError) -> JobResult {
    metrics::counter!("flysk_refunds_refused_total").increment(1);
    tracing::error!(
        refund.id = %refund.id, purchase.id = %purchase.id, %error,
        "the bank refuses a refund: its coins come back"
    );
    let code = error.refusal().map(|refusal| refusal.code.as_str());
    let mut unit = run.begin().await?;
    let purchase = purchases::lock_purchase(&mut unit, purchase.id).await?;
    let (from, to) = (RefundState::Sent, RefundState::Refused);
    purchases::mark_refund(&mut unit, &refund.id, from, to, code, run.now()).await?;
    let left = purchase.refunded.minus(refund.share.kopecks);
    let left = left.map_err(|error| JobError::give_up(error.to_string()))?;
    purchases::set_refunded(&mut unit, purchase.id, purchase.refunded, left, run.now()).await?;
    give_coins_back(&mut unit, app, &purchase, refund).await?;
    run.done(unit).await
}

/// Undoes the withdrawals of a refund, in the transaction that says that it was refused: once.
async fn give_coins_back(
    unit: &mut Unit,
    app: &App,
    purchase: &Purchase,
    refund: &Refund,
) -> Result<(), JobError> {
    let mut restores = Vec::new();
    for withdrawal in [Some(refund.transaction), refund.bonus_transaction].into_iter().flatten() {
        let parts = ledger::list_taken(unit, purchase.wallet_id, withdrawal).await?;
        restores.push(Instruction {
            reference: Some(format!("Деньги за «{}» не вернулись, Flycoins снова у вас", purchase.title)),
            details: Some(serde_json::json!({ "purchase_id": purchase.id })),
            ..Instruction::new(TransactionId::generate(app.clock()), Command::Restore { withdrawal, parts })
        });
    }
    for outcome in ledger::apply(unit, purchase.wallet_id, &restores, app.clock()).await? {
        if !matches!(outcome, ledger::Outcome::Done(_)) {
            return Err(JobError::give_up(format!("the ledger does not take coins back: {outcome:?}")));
        }
    }
    Ok(())
}
