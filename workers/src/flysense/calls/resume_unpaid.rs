//! Performs `calls.resume_unpaid`: reads an account's balance once and resumes the payments it covers, oldest first:
//! finished calls before parked ones. The rest keeps waiting.
//!
//! The coins of resumed payments are held later, by other jobs. So one job goes on, batch by batch, while the balance that it
//! has read covers anything, instead of reading it again.
//!
//! Harmless when run twice: reading changes nothing, and a resumed payment is not waiting any more. A payment that was resumed
//! for coins that others took waits again.

use chrono::{DateTime, Duration, Utc};
use flysk_clients::flysk_api::FlycoinRefusal;
use flysk_domain::flysense::payment::{PaymentState, affordable, next_balance_check};
use flysk_domain::flysense::state::StateEvent;
use flysk_domain::money::MicroCoins;
use flysk_jobs::flysense::calls::{CapturePayment, HoldPayment, ResumeUnpaid};
use flysk_queue::{Job as _, JobContext, JobError, JobHandler, JobOutcome, JobResult, UnitOfWork};
use flysk_store::flysense::payments::{self, Payment};
use flysk_store::flysense::transcriptions;
use flysk_store::repeat_contended;

use super::payment::payment_job_error;
use crate::App;

/// Payments per transaction.
const BATCH_SIZE: u32 = 200;
/// Transactions per job.
const MAX_BATCHES: u32 = 10;
/// Delay of the next job after one that made all its transactions: by then most coins are held, and not counted twice.
const CONTINUATION_DELAY: Duration = Duration::seconds(30);
/// Retry delay of an account that has uninstalled FlySense.
const UNINSTALLED_RETRY_DELAY: Duration = Duration::hours(6);

impl JobHandler<App> for ResumeUnpaid {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let mut conn = run.pool().acquire().await?;
        let shortage = payments::find_shortage(&mut conn, self.account_id).await?;
        drop(conn);
        let Some(shortage) = shortage else {
            return Ok(JobOutcome::skip("nothing waits for coins"));
        };
        if shortage.payments > u64::from(BATCH_SIZE) {
            // This may take several ticks, which would begin further jobs: each would count coins again that are not held yet.
            let mut unit = run.begin().await?;
            payments::set_retry_at(&mut unit, self.account_id, run.now() + Self::POLICY.timeout).await?;
            unit.commit().await?;
        }
        let flysense = app.flysense()?;
        let (available, next) = match flysense.platform.balance(self.account_id, Some(run.trace())).await {
            Ok(balance) => {
                (MicroCoins(balance.available_micro), next_balance_check(shortage.latest, run.now()))
            }
            Err(error) => match error.flycoins() {
                // Flycoins are not used any more, so nothing has to be paid.
                Some(FlycoinRefusal::NotUsed) => (MicroCoins(i64::MAX), run.now()),
                Some(FlycoinRefusal::InstallNotFound) => {
                    (MicroCoins::ZERO, run.now() + UNINSTALLED_RETRY_DELAY)
                }
                _ => return Err(payment_job_error(&error)),
            },
        };
        let is_complete = resume_covered(self, run, available).await?;
        let next = if is_complete { next } else { run.now() + CONTINUATION_DELAY };
        let mut unit = run.begin().await?;
        payments::set_retry_at(&mut unit, self.account_id, next).await?;
        run.done(unit).await
    }
}

/// Resumes what the balance covers; whether that is all. What costs more than is left is not read, so it keeps back nothing.
async fn resume_covered(
    job: &ResumeUnpaid,
    run: &JobContext,
    available: MicroCoins,
) -> Result<bool, JobError> {
    let mut left = available;
    for _ in 0..MAX_BATCHES {
        let mut conn = run.pool().acquire().await?;
        let waiting = payments::list_waiting(&mut conn, job.account_id, left, BATCH_SIZE).await?;
        drop(conn);
        let is_last = waiting.len() < BATCH_SIZE as usize;
        let priced = waiting.into_iter().map(|payment| {
            // An unknown price counts as the smallest amount.
            let price = payment.estimated().unwrap_or(MicroCoins(1));
            (payment, price)
        });
        let (covered, rest) = affordable(left, priced);
        if covered.is_empty() {
            return Ok(true);
        }
        let resume = || async {
            let mut unit = run.begin().await?;
            for payment in &covered {
                resume_payment(&mut unit, payment, run.now()).await?;
            }
            Ok::<_, JobError>(unit.commit().await?)
        };
        repeat_contended(resume).await?;
        if is_last {
            return Ok(true);
        }
        left = rest;
    }
    Ok(false)
}

async fn resume_payment(
    unit: &mut UnitOfWork,
    payment: &Payment,
    now: DateTime<Utc>,
) -> Result<(), JobError> {
    let (transcription_id, account_id) = (payment.transcription_id, payment.account_id);
    if payment.state == PaymentState::Owed {
        payments::mark_covered(unit, payment.run_of(), now).await?;
        unit.enqueue(&CapturePayment { transcription_id, account_id, run: payment.run }).await?;
        return Ok(());
    }
    let Some(call) = transcriptions::lock(unit, account_id, transcription_id).await? else {
        // Erased: there will be nothing to pay for.
        return Ok(payments::mark_not_charged(unit, payment.run_of(), now).await?);
    };
    payments::mark_covered(unit, payment.run_of(), now).await?;
    if call.run == payment.run
        && let Ok(to) = call.state.advance(StateEvent::BalanceFilled)
    {
        transcriptions::transition(unit, call.id, call.state, to, now).await?;
        unit.enqueue(&HoldPayment { transcription_id, account_id }).await?;
    }
    Ok(())
}
