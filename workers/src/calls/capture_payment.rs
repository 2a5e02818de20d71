//! Performs `calls.capture_payment`: the coins a result cost are taken.
//!
//! Harmless when run twice: capture and charge are made under keys of the run, so a repeated one gets the
//! first answer; what is paid is not owed any more. The charge is never made while the hold may still be
//! captured, only after the platform said how the hold ended. The job goes on until the outcome is definite;
//! if coins are missing it ends, and `calls.resume_unpaid` starts another when the wallet is filled.

use std::time::Duration;

use flysk_clients::platform::{CaptureRequest, ChargeRequest, FlycoinRefusal, HoldState, PlatformError};
use flysk_domain::flysense::payment::{PaymentState, next_look};
use flysk_domain::id::HoldId;
use flysk_jobs::calls::CapturePayment;
use flysk_jobs::{Handle, JobError, JobResult, Run, Unit, Verdict};
use flysk_store::flysense::payments::{self, Paid, Payment, RunOf};

use super::payment::{again, ask_price, key, keys, lines, price, reference};
use crate::App;
use crate::flysense::FlySense;

/// How long to wait for an install that is switched off: its account cannot be charged meanwhile.
const ASLEEP: Duration = Duration::from_hours(1);

impl Handle<App> for CapturePayment {
    async fn handle(&self, run: &Run, app: &App) -> JobResult {
        let of = RunOf { id: self.transcription_id, run: self.run };
        let mut conn = run.pool().acquire().await?;
        let payment = payments::find(&mut conn, of).await?;
        drop(conn);
        let Some(payment) = payment.filter(|payment| payment.state == PaymentState::Owed) else {
            return Ok(Verdict::skip("nothing is owed"));
        };
        let flysense = app.flysense()?;
        match take(run, flysense, &payment).await {
            Ok(paid) => {
                let mut unit = run.begin().await?;
                payments::mark_paid(&mut unit, of, &paid, run.now()).await?;
                run.done(unit).await
            }
            Err(error) => refused(run, flysense, &payment, &error).await,
        }
    }

    /// It stays owed, for an operator to see; the job can be replayed.
    async fn bury(&self, _unit: &mut Unit, reason: &str, _app: &App) -> Result<(), JobError> {
        tracing::error!(transcription.id = %self.transcription_id, reason, "a result stays unpaid");
        Ok(())
    }
}

/// Takes the coins: those of the hold, or others if it has ended.
async fn take(run: &Run, flysense: &FlySense, payment: &Payment) -> Result<Paid, Failed> {
    if let Some(hold) = payment.hold()
        && let Some(paid) = capture(run, flysense, payment, hold).await?
    {
        return Ok(paid);
    }
    let wanted = ChargeRequest {
        account_id: payment.account_id,
        lines: lines(payment.work()),
        reference: Some(reference(payment.transcription_id)),
    };
    let key = key(keys(payment.run_of()).charge())?;
    let charged = flysense.platform.charge(&wanted, &key, Some(run.trace())).await?;
    let transaction = Some(charged.transaction_id);
    Ok(Paid { price: price(charged.charged_micro, charged.receipt), transaction })
}

/// Captures the hold; `None` if it ended without being captured, so that it never will be.
async fn capture(
    run: &Run,
    flysense: &FlySense,
    payment: &Payment,
    hold: HoldId,
) -> Result<Option<Paid>, Failed> {
    let wanted =
        CaptureRequest { lines: lines(payment.work()), reference: Some(reference(payment.transcription_id)) };
    let key = key(keys(payment.run_of()).capture())?;
    let error = match flysense.platform.capture(hold, &wanted, &key, Some(run.trace())).await {
        Ok(captured) => {
            let transaction = Some(captured.transaction_id);
            return Ok(Some(Paid { price: price(captured.charged_micro, captured.receipt), transaction }));
        }
        Err(error) => error,
    };
    match error.flycoins() {
        Some(FlycoinRefusal::UnknownHold) => Ok(None),
        Some(FlycoinRefusal::HoldEnded) => {
            let status = flysense.platform.hold_status(hold, Some(run.trace())).await?;
            match status.state {
                HoldState::Released | HoldState::Expired => Ok(None),
                // Ours, from so long ago that the platform has forgotten its key.
                HoldState::Captured => {
                    Ok(Some(Paid { price: price(status.captured_micro, Vec::new()), transaction: None }))
                }
                HoldState::Open | HoldState::Other(_) => {
                    Err(JobError::retry("the platform says the hold has ended, and that it has not").into())
                }
            }
        }
        _ => Err(error.into()),
    }
}

/// The coins were not taken.
enum Failed {
    Platform(PlatformError),
    Job(JobError),
}

impl From<PlatformError> for Failed {
    fn from(error: PlatformError) -> Self {
        Self::Platform(error)
    }
}

impl From<JobError> for Failed {
    fn from(error: JobError) -> Self {
        Self::Job(error)
    }
}

async fn refused(run: &Run, flysense: &FlySense, payment: &Payment, failed: &Failed) -> JobResult {
    let error = match failed {
        Failed::Platform(error) => error,
        Failed::Job(error) => return Err(error.clone()),
    };
    let (of, now) = (payment.run_of(), run.now());
    match error.flycoins() {
        Some(FlycoinRefusal::NotUsed) => {
            let mut unit = run.begin().await?;
            payments::mark_free(&mut unit, of, now).await?;
            run.done(unit).await
        }
        Some(FlycoinRefusal::InsufficientBalance) => {
            let missing = ask_price(flysense, payment.account_id, payment.work(), run.trace()).await?;
            let retry_at = next_look(payment.short_since.unwrap_or(now), now);
            let mut unit = run.begin().await?;
            payments::mark_short(&mut unit, of, &missing, retry_at, now).await?;
            run.done(unit).await
        }
        Some(FlycoinRefusal::InstallNotActive) => {
            Err(JobError::Wait { after: ASLEEP, reason: error.to_string() })
        }
        _ => Err(again(error)),
    }
}
