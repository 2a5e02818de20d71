//! Performs `calls.hold_payment`: coins are set aside before anything of a call costs.
//!
//! Harmless when run twice: a hold is asked for under a key of the run, so a second request gets the first
//! answer; once it is noted, none is made. Without coins the call is parked, with the price that is missing,
//! and `calls.resume_unpaid` brings it back here when the wallet is filled.

use std::time::Duration;

use flysk_clients::platform::{FlycoinRefusal, Held, HoldRequest, HoldSize, IdempotencyKey, PlatformError};
use flysk_domain::flysense::failure::FailureCode;
use flysk_domain::flysense::payment::{HOLD_AT_LEAST, HOLD_FOR, PaymentState, Work, next_look};
use flysk_domain::flysense::state::StateEvent;
use flysk_jobs::calls::{FetchRecording, HoldPayment, ReleasePayment, UploadAudio};
use flysk_jobs::{Handle, JobError, JobResult, Run, Unit, Verdict};
use flysk_store::flysense::payments::{self, Hold, Payment, Price, RunOf};
use flysk_store::flysense::transcriptions;

use super::files;
use super::payment::{again, ask_price, key, keys, lines, price, reference};
use super::stage::{self, Stage, enter_stage};
use crate::App;
use crate::flysense::FlySense;

/// Tries that may fail in a row before the call only waits: about a quarter of an hour, as their delays double.
const TRIES: u32 = 9;
/// Between two looks whether the platform is back.
const AWAY: Duration = Duration::from_mins(10);

impl Handle<App> for HoldPayment {
    async fn handle(&self, run: &Run, app: &App) -> JobResult {
        let stage = enter_stage!(run, self, "hold", Holding);
        let flysense = app.flysense()?;
        let payment = plan(run, flysense, &stage).await?;
        if payment.allows_work(run.now()) {
            return go_on(run, flysense, &stage, &payment, Coins::AsNoted).await;
        }
        match flysense.platform.hold(&request(&payment), &hold_key(&payment)?, Some(run.trace())).await {
            Ok(held) => took(run, flysense, &stage, &payment, held).await,
            Err(error) => refused(run, flysense, &stage, &payment, &error).await,
        }
    }

    /// A hold whose answer never came frees itself.
    async fn bury(&self, unit: &mut Unit, _reason: &str, app: &App) -> Result<(), JobError> {
        let now = app.clock().now();
        stage::fail_buried(unit, self.account_id, self.transcription_id, FailureCode::Internal, now).await
    }
}

/// Notes what is going to be done and paid; gives what is known of the payment.
async fn plan(run: &Run, flysense: &FlySense, stage: &Stage) -> Result<Payment, JobError> {
    let call = &stage.call;
    let of = RunOf { id: call.id, run: call.run };
    let work = Work::of(call.duration_ms.unwrap_or_default(), flysense.summarises());
    let mut unit = run.begin().await?;
    payments::plan(&mut unit, of, call.account_id, work, run.now()).await?;
    let known = payments::lock(&mut unit, of).await?;
    if known.is_some_and(|payment| payment.state == PaymentState::Held && !payment.allows_work(run.now())) {
        payments::drop_hold(&mut unit, of, run.now()).await?;
    }
    let payment = payments::lock(&mut unit, of).await?;
    unit.commit().await?;
    payment.ok_or_else(|| JobError::retry("the payment just written is not there"))
}

fn request(payment: &Payment) -> HoldRequest {
    HoldRequest {
        account_id: payment.account_id,
        size: HoldSize::Lines(lines(payment.work())),
        expires_in_s: u32::try_from(HOLD_FOR.num_seconds()).unwrap_or(u32::MAX),
        reference: Some(reference(payment.transcription_id)),
    }
}

fn hold_key(payment: &Payment) -> Result<IdempotencyKey, JobError> {
    key(keys(payment.run_of()).hold(payment.hold_number))
}

async fn took(run: &Run, flysense: &FlySense, stage: &Stage, payment: &Payment, answer: Held) -> JobResult {
    // The answer to a request of long ago, which was lost then: what it set aside is about to be free again.
    if answer.expires_at < run.now() + HOLD_AT_LEAST {
        return ask_anew(run, payment, "the hold that was asked for before has run out").await;
    }
    let hold = Hold {
        id: answer.hold_id,
        expires_at: answer.expires_at,
        price: price(answer.amount_micro, answer.receipt),
    };
    match go_on(run, flysense, stage, payment, Coins::Held(hold.clone())).await {
        Err(_) if has_moved(run, stage).await? => give_back(run, payment, &hold).await,
        ended => ended,
    }
}

/// Whether somebody cancelled the call while its coins were being set aside.
async fn has_moved(run: &Run, stage: &Stage) -> Result<bool, JobError> {
    let (call, mut conn) = (&stage.call, run.pool().acquire().await?);
    let now = transcriptions::find(&mut conn, call.account_id, call.id).await?;
    Ok(now.is_none_or(|now| now.state != call.state || now.run != call.run))
}

async fn give_back(run: &Run, payment: &Payment, hold: &Hold) -> JobResult {
    let (transcription_id, account_id) = (payment.transcription_id, payment.account_id);
    let mut unit = run.begin().await?;
    payments::mark_held_in_vain(&mut unit, payment.run_of(), hold, run.now()).await?;
    unit.enqueue(&ReleasePayment { transcription_id, account_id, run: payment.run }).await?;
    run.done(unit).await
}

async fn refused(
    run: &Run,
    flysense: &FlySense,
    stage: &Stage,
    payment: &Payment,
    error: &PlatformError,
) -> JobResult {
    match error.flycoins() {
        Some(FlycoinRefusal::NotUsed) => go_on(run, flysense, stage, payment, Coins::NotNeeded).await,
        Some(FlycoinRefusal::InsufficientBalance) => {
            let missing = asked_price(run, flysense, payment).await?;
            park(run, stage, payment, &missing).await
        }
        Some(FlycoinRefusal::InstallNotFound | FlycoinRefusal::InstallNotActive) => {
            stage.fail(run, FailureCode::AccountDisconnected).await
        }
        // The same key stood for other work: a summary more or less since the deployment changed.
        Some(FlycoinRefusal::KeyReused) => ask_anew(run, payment, "the key of the hold was used").await,
        Some(FlycoinRefusal::UnknownService) => Err(later(run.attempt(), again(error))),
        // What costs nothing cannot be held.
        _ if error.code() == Some("invalid_request") => {
            let price = asked_price(run, flysense, payment).await?;
            if price.amount.is_zero() {
                return go_on(run, flysense, stage, payment, Coins::NotNeeded).await;
            }
            Err(later(run.attempt(), again(error)))
        }
        _ => Err(later(run.attempt(), again(error))),
    }
}

async fn asked_price(run: &Run, flysense: &FlySense, payment: &Payment) -> Result<Price, JobError> {
    let asked = ask_price(flysense, payment.account_id, payment.work(), run.trace()).await;
    asked.map_err(|error| later(run.attempt(), error))
}

/// A platform that is away for long is no fault of the call: after some tries it waits, which counts as none.
fn later(attempt: u32, error: JobError) -> JobError {
    match error {
        JobError::Retry { reason, after } if attempt > TRIES => {
            JobError::Wait { after: after.unwrap_or_default().max(AWAY), reason }
        }
        error => error,
    }
}

/// Asks for another hold, under the next key.
async fn ask_anew(run: &Run, payment: &Payment, why: &'static str) -> JobResult {
    let mut unit = run.begin().await?;
    payments::drop_hold(&mut unit, payment.run_of(), run.now()).await?;
    unit.commit().await?;
    Ok(Verdict::snooze(run.now(), why))
}

async fn park(run: &Run, stage: &Stage, payment: &Payment, missing: &Price) -> JobResult {
    let now = run.now();
    tracing::info!(transcription.id = %stage.call.id, price.micro = missing.amount.0, "no balance for the call");
    let mut unit = stage.leave(run, StateEvent::BalanceMissing).await?;
    let retry_at = next_look(payment.short_since.unwrap_or(now), now);
    payments::mark_short(&mut unit, payment.run_of(), missing, retry_at, now).await?;
    run.done(unit).await
}

/// What there is to note before the call goes on.
enum Coins {
    /// A hold that was just placed.
    Held(Hold),
    /// None are asked for.
    NotNeeded,
    /// What was noted before.
    AsNoted,
}

/// The call goes on where it stood; one whose recording was deleted while it waited, from the beginning.
async fn go_on(run: &Run, flysense: &FlySense, stage: &Stage, payment: &Payment, coins: Coins) -> JobResult {
    let (transcription_id, account_id) = (stage.call.id, stage.call.account_id);
    let has_audio = !payment.was_parked || files::source_is_kept(flysense, &stage.call).await?;
    let event = if has_audio { StateEvent::Held } else { StateEvent::AudioGone };
    let mut unit = stage.leave(run, event).await?;
    match coins {
        Coins::Held(hold) => payments::mark_held(&mut unit, payment.run_of(), &hold, run.now()).await?,
        Coins::NotNeeded => payments::mark_free(&mut unit, payment.run_of(), run.now()).await?,
        Coins::AsNoted => {}
    }
    if has_audio {
        unit.enqueue(&UploadAudio { transcription_id, account_id }).await?;
    } else {
        transcriptions::forget_object(&mut unit, transcription_id).await?;
        unit.enqueue(&FetchRecording { transcription_id, account_id }).await?;
    }
    run.done(unit).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_platform_that_is_away_for_days_buries_no_call() {
        let away = || JobError::retry("503");
        assert!(matches!(later(1, away()), JobError::Retry { after: None, .. }), "soon, as usual");
        assert!(matches!(later(TRIES, away()), JobError::Retry { .. }));
        // Waiting does not count, so the attempt stays the one after the last that did.
        let waits = later(TRIES + 1, away());
        assert!(matches!(&waits, JobError::Wait { after, .. } if *after == AWAY), "{waits:?}");
        assert!(matches!(later(50, JobError::give_up("no")), JobError::GiveUp { .. }));
        let named = JobError::Retry { reason: "429".to_owned(), after: Some(AWAY * 2) };
        assert!(matches!(later(50, named), JobError::Wait { after, .. } if after == AWAY * 2));
    }
}
