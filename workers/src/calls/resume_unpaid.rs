//! Performs `calls.resume_unpaid`: an account's balance is asked for once, and the oldest that it covers go on:
//! results that are owed for first, then calls. What is not covered waits on, and nobody tries in vain.
//!
//! Harmless when run twice: asking changes nothing, and what goes on does not wait any more.

use chrono::{DateTime, Duration, Utc};
use flysk_clients::platform::FlycoinRefusal;
use flysk_domain::flysense::payment::{PaymentState, affordable, next_look};
use flysk_domain::flysense::state::StateEvent;
use flysk_domain::money::MicroCoins;
use flysk_jobs::calls::{CapturePayment, HoldPayment, ResumeUnpaid};
use flysk_jobs::{Handle, JobError, JobResult, Run, Unit, Verdict};
use flysk_store::flysense::payments::{self, Payment};
use flysk_store::flysense::transcriptions;

use super::payment::again;
use crate::App;

/// How many go on at once at most; more wait for the next look.
const AT_ONCE: u32 = 200;
/// How long an account is left alone in which FlySense is not installed any more.
const GONE: Duration = Duration::hours(6);

impl Handle<App> for ResumeUnpaid {
    async fn handle(&self, run: &Run, app: &App) -> JobResult {
        let mut conn = run.pool().acquire().await?;
        let waiting = payments::list_waiting(&mut conn, self.account_id, AT_ONCE).await?;
        drop(conn);
        let Some(youngest) = waiting.iter().filter_map(|payment| payment.short_since).max() else {
            return Ok(Verdict::skip("nothing waits for coins"));
        };
        let flysense = app.flysense()?;
        let (available, next) = match flysense.platform.balance(self.account_id, Some(run.trace())).await {
            Ok(balance) => (MicroCoins(balance.available_micro), next_look(youngest, run.now())),
            Err(error) => match error.flycoins() {
                // Nothing has to be paid any more.
                Some(FlycoinRefusal::NotUsed) => (MicroCoins(i64::MAX), run.now()),
                Some(FlycoinRefusal::InstallNotFound) => (MicroCoins::ZERO, run.now() + GONE),
                _ => return Err(again(&error)),
            },
        };
        let priced = waiting.into_iter().map(|payment| {
            // A price that was never told is less than anything.
            let price = payment.estimated().unwrap_or(MicroCoins(1));
            (payment, price)
        });
        let mut unit = run.begin().await?;
        for payment in affordable(available, priced) {
            resume(&mut unit, &payment, run.now()).await?;
        }
        payments::postpone(&mut unit, self.account_id, next).await?;
        run.done(unit).await
    }
}

async fn resume(unit: &mut Unit, payment: &Payment, now: DateTime<Utc>) -> Result<(), JobError> {
    let (transcription_id, account_id) = (payment.transcription_id, payment.account_id);
    if payment.state == PaymentState::Owed {
        payments::cover(unit, payment.run_of(), now).await?;
        unit.enqueue(&CapturePayment { transcription_id, account_id, run: payment.run }).await?;
        return Ok(());
    }
    let Some(call) = transcriptions::lock(unit, account_id, transcription_id).await? else { return Ok(()) };
    payments::cover(unit, payment.run_of(), now).await?;
    if call.run == payment.run
        && let Ok(to) = call.state.advance(StateEvent::BalanceFilled)
    {
        transcriptions::move_on(unit, call.id, call.state, to, now).await?;
        unit.enqueue(&HoldPayment { transcription_id, account_id }).await?;
    }
    Ok(())
}
