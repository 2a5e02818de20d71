//! Performs `calls.release_payment`: what was set aside for a call without a result goes back.
//!
//! Harmless when run twice: a release is made under a key of its hold, and a hold that has ended is what was
//! wanted. Should the platform stay away, the hold frees itself when its time is over.

use flysk_clients::platform::FlycoinRefusal;
use flysk_domain::flysense::payment::PaymentState;
use flysk_jobs::calls::ReleasePayment;
use flysk_jobs::{Handle, JobError, JobResult, Run, Unit, Verdict};
use flysk_store::flysense::payments::{self, RunOf};

use super::payment::{again, key, keys};
use crate::App;

impl Handle<App> for ReleasePayment {
    async fn handle(&self, run: &Run, app: &App) -> JobResult {
        let of = RunOf { id: self.transcription_id, run: self.run };
        let mut conn = run.pool().acquire().await?;
        let payment = payments::find(&mut conn, of).await?;
        drop(conn);
        let Some(payment) = payment.filter(|payment| payment.state == PaymentState::Releasing) else {
            return Ok(Verdict::skip("nothing is to be given back"));
        };
        let flysense = app.flysense()?;
        if let Some(hold) = payment.hold() {
            let key = key(keys(of).release(payment.hold_number))?;
            match flysense.platform.release(hold, &key, Some(run.trace())).await {
                Ok(_) => {}
                Err(error) if has_ended(error.flycoins()) => {}
                Err(error) => return Err(again(&error)),
            }
        }
        let mut unit = run.begin().await?;
        payments::mark_free(&mut unit, of, run.now()).await?;
        run.done(unit).await
    }

    /// The hold has freed itself, or will.
    async fn bury(&self, unit: &mut Unit, reason: &str, app: &App) -> Result<(), JobError> {
        tracing::warn!(transcription.id = %self.transcription_id, reason, "a hold is left to run out");
        let of = RunOf { id: self.transcription_id, run: self.run };
        payments::mark_free(unit, of, app.clock().now()).await?;
        Ok(())
    }
}

/// Whether there is nothing left to give back.
fn has_ended(refusal: Option<FlycoinRefusal>) -> bool {
    matches!(refusal, Some(FlycoinRefusal::HoldEnded | FlycoinRefusal::UnknownHold | FlycoinRefusal::NotUsed))
}
