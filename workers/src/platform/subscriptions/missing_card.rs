//! The card of a payment whose `RebillId` is not known: its notification was lost, and the bank's answer about its state has none.
//!
//! `GetCardList` names the active cards of a payer, not the payment of each. So a card counts as that of the payment only if it is
//! the one that we do not know. After a payment by SBP or `SberPay` there is none. Source: fact sheet of T-Bank, 4.1.

use flysk_clients::tbank::{SavedCard, SavedCardStatus, TBankError};
use flysk_domain::failure_action::FailureAction;
use flysk_domain::platform::invoice_payments::AttemptState;
use flysk_domain::platform::purchases::PaymentUpdate;
use flysk_domain::platform::tbank::{PaymentOutcome, PaymentStatus};
use flysk_jobs::platform::subscriptions::QueryInvoicePayment;
use flysk_queue::{JobContext, JobError, JobOutcome, JobResult, UnitOfWork};
use flysk_store::platform::invoice_payments::{self as store, Attempt};
use secrecy::{ExposeSecret as _, SecretString};

use super::bank_answer::apply;
use super::rebill::open_rebill;
use crate::App;
use crate::job_error::IntoJobError as _;

/// Whether a payment should have saved a card, and has saved none, after the bank's answer was applied.
pub(super) async fn misses_card(
    unit: &mut UnitOfWork,
    attempt: &Attempt,
    answer: &PaymentUpdate,
) -> Result<bool, JobError> {
    let is_kept = answer.status.outcome() == PaymentOutcome::Paid && answer.status != PaymentStatus::Refunded;
    if !attempt.save_card || !is_kept || answer.rebill_id.is_some() {
        return Ok(false);
    }
    let applied = store::find_attempt(unit, attempt.id).await?;
    if applied.is_none_or(|applied| applied.state != AttemptState::Paid) {
        return Ok(false);
    }
    let has_card = store::find_card_of_payment(unit, attempt.id).await?.is_some();
    Ok(!has_card && !store::is_returned(unit, attempt.id).await?)
}

/// Has the bank asked again about a payment that was found in the list of its order: that has no `RebillId`.
pub(super) async fn ask_for_card(unit: &mut UnitOfWork, attempt: &Attempt) -> Result<(), JobError> {
    if attempt.save_card {
        unit.enqueue(&QueryInvoicePayment { attempt_id: attempt.id }).await?;
    }
    Ok(())
}

/// Asks for the payer's cards once, and saves the one of the payment. `answer` is what the bank said of the payment.
///
/// Harmless when run twice: the question changes nothing, and an attempt saves one card.
pub(super) async fn save_missing_card(
    run: &JobContext,
    app: &App,
    attempt: &Attempt,
    answer: &PaymentUpdate,
) -> JobResult {
    let acquiring = app.acquiring_of(&attempt.terminal_key).await?;
    app.wait_for_bank_permit(&attempt.terminal_key, &attempt.id.to_string()).await?;
    let listed = match acquiring.bank.cards(&attempt.install_id.to_string()).await {
        Ok(listed) => listed,
        Err(error) if error.outcome() == FailureAction::GiveUp => return Ok(refused(attempt, &error)),
        Err(error) => return Err(error.into_job_error()),
    };
    let Some(known) = known_rebills(run, app, attempt).await? else {
        return Ok(JobOutcome::skip(
            "a former card is erased or was not stored: the payment's card cannot be told from it",
        ));
    };
    let Some((rebill, pan)) = only_unknown(listed, &known) else {
        return Ok(JobOutcome::skip("the bank names no card that must be the payment's"));
    };
    tracing::info!(attempt.id = %attempt.id, "the card of a payment was found in the list of its payer's");
    let update = PaymentUpdate { rebill_id: Some(rebill), pan, ..answer.clone() };
    let mut unit = run.begin().await?;
    apply(&mut unit, app, attempt, &update).await?;
    run.done(unit).await
}

/// `RebillId` and masked number of the active card that is not among the known ones; `None` if there are several, or none.
fn only_unknown(listed: Vec<SavedCard>, known: &[SecretString]) -> Option<(SecretString, Option<String>)> {
    let is_new =
        |rebill: &SecretString| known.iter().all(|known| known.expose_secret() != rebill.expose_secret());
    let active = listed.into_iter().filter(|card| card.status == SavedCardStatus::Active);
    let mut unknown = active.filter_map(|card| {
        let SavedCard { rebill_id, pan, .. } = card;
        rebill_id.filter(is_new).map(|rebill| (rebill, pan))
    });
    let found = unknown.next()?;
    unknown.next().is_none().then_some(found)
}

fn refused(attempt: &Attempt, error: &TBankError) -> JobOutcome {
    tracing::error!(attempt.id = %attempt.id, %error, "the bank refused the list of a payer's cards");
    JobOutcome::skip("the bank refused the list of cards")
}

/// `RebillId`s of the install's cards at the attempt's terminal, unlinked ones too; `None` if one of them is erased, or was not
/// stored because its payment was returned.
async fn known_rebills(
    run: &JobContext,
    app: &App,
    attempt: &Attempt,
) -> Result<Option<Vec<SecretString>>, JobError> {
    let mut conn = run.pool().acquire().await?;
    let mut saved = store::list_all_cards(&mut conn, attempt.install_id).await?;
    let may_hide_one = store::has_unsaved_card(&mut conn, attempt.install_id, attempt.id).await?;
    drop(conn);
    if may_hide_one {
        return Ok(None);
    }
    saved.retain(|card| card.terminal_key == attempt.terminal_key);
    if saved.iter().any(|card| card.rebill_sealed.is_empty()) {
        return Ok(None);
    }
    saved.iter().map(|card| open_rebill(app, card)).collect::<Result<_, _>>().map(Some)
}
