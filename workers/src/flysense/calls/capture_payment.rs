//! Performs `calls.capture_payment`: captures the price of a finished call.
//!
//! Harmless when run twice: capture and charge have idempotency keys of the run, so a repetition gets the first answer,
//! and a paid run is not owed any more. The charge is made only after the platform has reported that the hold ended uncaptured.
//!
//! The job is retried until the outcome is definite. If the balance is too low it ends, and `calls.resume_unpaid`
//! enqueues another after a top-up.

use std::time::Duration;

use flysk_clients::flysk_api::{CaptureRequest, ChargeRequest, FlycoinRefusal, FlyskApiError, HoldState};
use flysk_domain::flysense::payment::{PaymentState, next_balance_check};
use flysk_domain::id::HoldId;
use flysk_jobs::flysense::calls::CapturePayment;
use flysk_queue::{JobContext, JobError, JobHandler, JobOutcome, JobResult, UnitOfWork};
use flysk_store::flysense::payments::{self, Paid, Payment, RunOf};

use super::payment::{
    estimate_price, idempotency_key, payment_job_error, payment_keys, payment_reference, price_lines,
    to_price,
};
use crate::App;
use crate::flysense::FlySense;

/// Retry delay while the install is inactive and its account cannot be charged.
const INACTIVE_INSTALL_DELAY: Duration = Duration::from_hours(1);

impl JobHandler<App> for CapturePayment {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let of = RunOf { id: self.transcription_id, run: self.run };
        let mut conn = run.pool().acquire().await?;
        let payment = payments::find(&mut conn, of).await?;
        drop(conn);
        let Some(payment) = payment.filter(|payment| payment.state == PaymentState::Owed) else {
            return Ok(JobOutcome::skip("nothing is owed"));
        };
        let flysense = app.flysense()?;
        match collect(run, flysense, &payment).await {
            Ok(paid) => {
                let mut unit = run.begin().await?;
                payments::mark_paid(&mut unit, of, &paid, run.now()).await?;
                run.done(unit).await
            }
            Err(error) => on_not_collected(run, flysense, &payment, &error).await,
        }
    }

    /// The run stays `owed`, visible to operators; the job can be replayed.
    async fn on_dead(&self, _unit: &mut UnitOfWork, reason: &str, _app: &App) -> Result<(), JobError> {
        tracing::error!(transcription.id = %self.transcription_id, reason, "payment of a finished call failed");
        Ok(())
    }
}

/// Captures the hold, or charges the wallet if the hold has ended.
async fn collect(run: &JobContext, flysense: &FlySense, payment: &Payment) -> Result<Paid, CollectError> {
    if let Some(hold) = payment.hold()
        && let Some(paid) = capture_hold(run, flysense, payment, hold).await?
    {
        return Ok(paid);
    }
    let wanted = ChargeRequest {
        account_id: payment.account_id,
        lines: price_lines(payment.work()),
        reference: Some(payment_reference(payment.transcription_id)),
    };
    let key = idempotency_key(payment_keys(payment.run_of()).charge())?;
    let charged = flysense.platform.charge(&wanted, &key, Some(run.trace())).await?;
    let transaction = Some(charged.transaction_id);
    Ok(Paid { price: to_price(charged.charged_micro, charged.receipt), transaction })
}

/// Captures the hold. `None` if it has ended and cannot be captured any more.
async fn capture_hold(
    run: &JobContext,
    flysense: &FlySense,
    payment: &Payment,
    hold: HoldId,
) -> Result<Option<Paid>, CollectError> {
    let wanted = CaptureRequest {
        lines: price_lines(payment.work()),
        reference: Some(payment_reference(payment.transcription_id)),
    };
    let key = idempotency_key(payment_keys(payment.run_of()).capture())?;
    let error = match flysense.platform.capture(hold, &wanted, &key, Some(run.trace())).await {
        Ok(captured) => {
            let transaction = Some(captured.transaction_id);
            return Ok(Some(Paid { price: to_price(captured.charged_micro, captured.receipt), transaction }));
        }
        Err(error) => error,
    };
    match error.flycoins() {
        Some(FlycoinRefusal::UnknownHold) => Ok(None),
        Some(FlycoinRefusal::HoldEnded) => {
            let status = flysense.platform.hold_status(hold, Some(run.trace())).await?;
            match status.state {
                HoldState::Released | HoldState::Expired => Ok(None),
                // Captured by an earlier request of this run, so long ago that the platform has deleted its key.
                HoldState::Captured => {
                    Ok(Some(Paid { price: to_price(status.captured_micro, Vec::new()), transaction: None }))
                }
                HoldState::Open | HoldState::Other(_) => {
                    Err(JobError::retry("the platform reported the hold both as ended and as open").into())
                }
            }
        }
        _ => Err(error.into()),
    }
}

/// Reason for a failed payment.
enum CollectError {
    Platform(FlyskApiError),
    Job(JobError),
}

impl From<FlyskApiError> for CollectError {
    fn from(error: FlyskApiError) -> Self {
        Self::Platform(error)
    }
}

impl From<JobError> for CollectError {
    fn from(error: JobError) -> Self {
        Self::Job(error)
    }
}

async fn on_not_collected(
    run: &JobContext,
    flysense: &FlySense,
    payment: &Payment,
    failed: &CollectError,
) -> JobResult {
    let error = match failed {
        CollectError::Platform(error) => error,
        CollectError::Job(error) => return Err(error.clone()),
    };
    let (of, now) = (payment.run_of(), run.now());
    match error.flycoins() {
        Some(FlycoinRefusal::NotUsed) => {
            let mut unit = run.begin().await?;
            payments::mark_not_charged(&mut unit, of, now).await?;
            run.done(unit).await
        }
        Some(FlycoinRefusal::InsufficientBalance) => {
            let missing = estimate_price(flysense, payment.account_id, payment.work(), run.trace()).await?;
            let retry_at = next_balance_check(payment.short_since.unwrap_or(now), now);
            let mut unit = run.begin().await?;
            payments::mark_insufficient_funds(&mut unit, of, &missing, retry_at, now).await?;
            run.done(unit).await
        }
        Some(FlycoinRefusal::InstallNotActive) => {
            Err(JobError::Wait { after: INACTIVE_INSTALL_DELAY, reason: error.to_string() })
        }
        _ => Err(payment_job_error(error)),
    }
}
