//! Performs `calls.hold_payment`: places a hold before any paid service is used for a call.
//!
//! Harmless when run twice: the hold has an idempotency key of the run, so a repetition gets the first answer, and a
//! recorded hold is not requested again. If the balance is too low, the call is parked with its price, and
//! `calls.resume_unpaid` resumes it after a top-up.

use std::time::Duration;

use flysk_clients::flysk_api::{
    FlycoinRefusal, FlyskApiError, HoldRequest, HoldSize, IdempotencyKey, PlacedHold,
};
use flysk_domain::flysense::failure::FailureCode;
use flysk_domain::flysense::payment::{HOLD_DURATION, MIN_HOLD_LEFT, PaymentState, Work, next_balance_check};
use flysk_domain::flysense::state::StateEvent;
use flysk_jobs::flysense::calls::{FetchRecording, HoldPayment, ReleasePayment, UploadAudio};
use flysk_queue::{JobContext, JobError, JobHandler, JobOutcome, JobResult, UnitOfWork};
use flysk_store::flysense::payments::{self, Hold, Payment, Price, RunOf};
use flysk_store::flysense::transcriptions;

use super::audio_storage;
use super::payment::{
    estimate_price, idempotency_key, payment_job_error, payment_keys, payment_reference, price_lines,
    to_price,
};
use super::stage::{self, Stage, enter_stage};
use crate::App;
use crate::flysense::FlySense;

/// Number of failed attempts in a row that count: about 15 min, as their delays double. Later ones are waits.
const MAX_COUNTED_ATTEMPTS: u32 = 9;
/// Retry interval while the platform is unavailable.
const PLATFORM_RETRY_INTERVAL: Duration = Duration::from_mins(10);

impl JobHandler<App> for HoldPayment {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let stage = enter_stage!(run, self, "hold", Holding);
        let flysense = app.flysense()?;
        let payment = plan_payment(run, flysense, &stage).await?;
        if payment.allows_work(run.now()) {
            return continue_call(run, flysense, &stage, &payment, HoldResult::AlreadyRecorded).await;
        }
        match flysense.platform.hold(&hold_request(&payment), &hold_key(&payment)?, Some(run.trace())).await {
            Ok(held) => on_hold_placed(run, flysense, &stage, &payment, held).await,
            Err(error) => on_hold_refused(run, flysense, &stage, &payment, &error).await,
        }
    }

    /// A hold whose answer was lost expires by itself.
    async fn on_dead(&self, unit: &mut UnitOfWork, _reason: &str, app: &App) -> Result<(), JobError> {
        let now = app.clock().now();
        stage::fail_on_dead(unit, self.account_id, self.transcription_id, FailureCode::Internal, now).await
    }
}

/// Records the work to pay for. Returns the payment as recorded.
async fn plan_payment(run: &JobContext, flysense: &FlySense, stage: &Stage) -> Result<Payment, JobError> {
    let call = &stage.call;
    let of = RunOf { id: call.id, run: call.run };
    let work = Work::of(call.duration_ms.unwrap_or_default(), flysense.summarises());
    let mut unit = run.begin().await?;
    payments::plan(&mut unit, of, call.account_id, work, run.now()).await?;
    let known = payments::lock(&mut unit, of).await?;
    if known.is_some_and(|payment| payment.state == PaymentState::Held && !payment.allows_work(run.now())) {
        payments::clear_hold(&mut unit, of, run.now()).await?;
    }
    let payment = payments::lock(&mut unit, of).await?;
    unit.commit().await?;
    payment.ok_or_else(|| JobError::retry("the payment record is missing"))
}

fn hold_request(payment: &Payment) -> HoldRequest {
    HoldRequest {
        account_id: payment.account_id,
        size: HoldSize::Lines(price_lines(payment.work())),
        expires_in_s: u32::try_from(HOLD_DURATION.num_seconds()).unwrap_or(u32::MAX),
        reference: Some(payment_reference(payment.transcription_id)),
    }
}

fn hold_key(payment: &Payment) -> Result<IdempotencyKey, JobError> {
    idempotency_key(payment_keys(payment.run_of()).hold(payment.hold_number))
}

async fn on_hold_placed(
    run: &JobContext,
    flysense: &FlySense,
    stage: &Stage,
    payment: &Payment,
    answer: PlacedHold,
) -> JobResult {
    // This answers an earlier request whose answer was lost; that hold expires soon.
    if answer.expires_at < run.now() + MIN_HOLD_LEFT {
        return retry_with_new_key(run, payment, "the earlier hold has expired").await;
    }
    let hold = Hold {
        id: answer.hold_id,
        expires_at: answer.expires_at,
        price: to_price(answer.amount_micro, answer.receipt),
    };
    match continue_call(run, flysense, stage, payment, HoldResult::Placed(hold.clone())).await {
        Err(_) if was_superseded(run, stage).await? => release_unused_hold(run, payment, &hold).await,
        ended => ended,
    }
}

/// Whether the call was cancelled or restarted while its hold was being placed.
async fn was_superseded(run: &JobContext, stage: &Stage) -> Result<bool, JobError> {
    let (call, mut conn) = (&stage.call, run.pool().acquire().await?);
    let now = transcriptions::find(&mut conn, call.account_id, call.id).await?;
    Ok(now.is_none_or(|now| now.state != call.state || now.run != call.run))
}

async fn release_unused_hold(run: &JobContext, payment: &Payment, hold: &Hold) -> JobResult {
    let (transcription_id, account_id) = (payment.transcription_id, payment.account_id);
    let mut unit = run.begin().await?;
    payments::mark_hold_unused(&mut unit, payment.run_of(), hold, run.now()).await?;
    unit.enqueue(&ReleasePayment { transcription_id, account_id, run: payment.run }).await?;
    run.done(unit).await
}

async fn on_hold_refused(
    run: &JobContext,
    flysense: &FlySense,
    stage: &Stage,
    payment: &Payment,
    error: &FlyskApiError,
) -> JobResult {
    match error.flycoins() {
        Some(FlycoinRefusal::NotUsed) => {
            continue_call(run, flysense, stage, payment, HoldResult::NotNeeded).await
        }
        Some(FlycoinRefusal::InsufficientBalance) => {
            let missing = missing_price(run, flysense, payment).await?;
            park_call(run, stage, payment, &missing).await
        }
        Some(FlycoinRefusal::InstallNotFound | FlycoinRefusal::InstallNotActive) => {
            stage.fail(run, FailureCode::AccountDisconnected).await
        }
        // The key was used for other work: the configuration of summaries has changed since.
        Some(FlycoinRefusal::KeyReused) => {
            retry_with_new_key(run, payment, "the key of the hold was already used").await
        }
        Some(FlycoinRefusal::UnknownService) => Err(cap_attempts(run.attempt(), payment_job_error(error))),
        // A hold of zero is invalid.
        _ if error.code() == Some("invalid_request") => {
            let price = missing_price(run, flysense, payment).await?;
            if price.amount.is_zero() {
                return continue_call(run, flysense, stage, payment, HoldResult::NotNeeded).await;
            }
            Err(cap_attempts(run.attempt(), payment_job_error(error)))
        }
        _ => Err(cap_attempts(run.attempt(), payment_job_error(error))),
    }
}

async fn missing_price(run: &JobContext, flysense: &FlySense, payment: &Payment) -> Result<Price, JobError> {
    let asked = estimate_price(flysense, payment.account_id, payment.work(), run.trace()).await;
    asked.map_err(|error| cap_attempts(run.attempt(), error))
}

/// A long outage of the platform must not fail calls: after some attempts the job waits, which does not count.
fn cap_attempts(attempt: u32, error: JobError) -> JobError {
    match error {
        JobError::Retry { reason, after } if attempt > MAX_COUNTED_ATTEMPTS => {
            JobError::Wait { after: after.unwrap_or_default().max(PLATFORM_RETRY_INTERVAL), reason }
        }
        error => error,
    }
}

/// Requests another hold under the next key.
async fn retry_with_new_key(run: &JobContext, payment: &Payment, why: &'static str) -> JobResult {
    let mut unit = run.begin().await?;
    payments::clear_hold(&mut unit, payment.run_of(), run.now()).await?;
    unit.commit().await?;
    Ok(JobOutcome::snooze(run.now(), why))
}

async fn park_call(run: &JobContext, stage: &Stage, payment: &Payment, missing: &Price) -> JobResult {
    let now = run.now();
    tracing::info!(transcription.id = %stage.call.id, price.micro = missing.amount.0, "call parked: balance too low");
    let mut unit = stage.leave(run, StateEvent::BalanceMissing).await?;
    let retry_at = next_balance_check(payment.short_since.unwrap_or(now), now);
    payments::mark_insufficient_funds(&mut unit, payment.run_of(), missing, retry_at, now).await?;
    run.done(unit).await
}

/// Result to record before the call continues.
enum HoldResult {
    /// A hold that was just placed.
    Placed(Hold),
    /// No payment is needed.
    NotNeeded,
    /// An earlier attempt recorded the hold.
    AlreadyRecorded,
}

/// Continues with the upload. A call whose recording was deleted while it was parked is fetched again.
async fn continue_call(
    run: &JobContext,
    flysense: &FlySense,
    stage: &Stage,
    payment: &Payment,
    result: HoldResult,
) -> JobResult {
    let (transcription_id, account_id) = (stage.call.id, stage.call.account_id);
    let has_audio = !payment.was_parked || audio_storage::has_source(flysense, &stage.call).await?;
    let event = if has_audio { StateEvent::Held } else { StateEvent::AudioGone };
    let mut unit = stage.leave(run, event).await?;
    match result {
        HoldResult::Placed(hold) => {
            payments::mark_held(&mut unit, payment.run_of(), &hold, run.now()).await?;
        }
        HoldResult::NotNeeded => payments::mark_not_charged(&mut unit, payment.run_of(), run.now()).await?,
        HoldResult::AlreadyRecorded => {}
    }
    if has_audio {
        unit.enqueue(&UploadAudio { transcription_id, account_id }).await?;
    } else {
        transcriptions::clear_object_key(&mut unit, transcription_id).await?;
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
        assert!(matches!(cap_attempts(1, away()), JobError::Retry { after: None, .. }), "soon, as usual");
        assert!(matches!(cap_attempts(MAX_COUNTED_ATTEMPTS, away()), JobError::Retry { .. }));
        // Waiting does not count, so the attempt stays the one after the last that did.
        let waits = cap_attempts(MAX_COUNTED_ATTEMPTS + 1, away());
        assert!(
            matches!(&waits, JobError::Wait { after, .. } if *after == PLATFORM_RETRY_INTERVAL),
            "{waits:?}"
        );
        assert!(matches!(cap_attempts(50, JobError::give_up("no")), JobError::GiveUp { .. }));
        let named = JobError::Retry { reason: "429".to_owned(), after: Some(PLATFORM_RETRY_INTERVAL * 2) };
        assert!(
            matches!(cap_attempts(50, named), JobError::Wait { after, .. } if after == PLATFORM_RETRY_INTERVAL * 2)
        );
    }
}
