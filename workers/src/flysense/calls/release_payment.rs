//! Performs `calls.release_payment`: releases the hold of a call without a transcript.
//!
//! Harmless when run twice: the release has an idempotency key of its hold, and a hold that has already ended counts as
//! released. If the platform stays unavailable, the hold expires by itself.

use flysk_clients::flysk_api::FlycoinRefusal;
use flysk_domain::flysense::payment::PaymentState;
use flysk_jobs::flysense::calls::ReleasePayment;
use flysk_queue::{JobContext, JobError, JobHandler, JobOutcome, JobResult, UnitOfWork};
use flysk_store::flysense::payments::{self, RunOf};

use super::payment::{idempotency_key, payment_job_error, payment_keys};
use crate::App;

impl JobHandler<App> for ReleasePayment {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let of = RunOf { id: self.transcription_id, run: self.run };
        let mut conn = run.pool().acquire().await?;
        let payment = payments::find(&mut conn, of).await?;
        drop(conn);
        let Some(payment) = payment.filter(|payment| payment.state == PaymentState::Releasing) else {
            return Ok(JobOutcome::skip("there is no hold to release"));
        };
        let flysense = app.flysense()?;
        if let Some(hold) = payment.hold() {
            let key = idempotency_key(payment_keys(of).release(payment.hold_number))?;
            match flysense.platform.release(hold, &key, Some(run.trace())).await {
                Ok(_) => {}
                Err(error) if has_ended(error.flycoins()) => {}
                Err(error) => return Err(payment_job_error(&error)),
            }
        }
        let mut unit = run.begin().await?;
        payments::mark_not_charged(&mut unit, of, run.now()).await?;
        run.done(unit).await
    }

    /// The hold has expired, or will.
    async fn on_dead(&self, unit: &mut UnitOfWork, reason: &str, app: &App) -> Result<(), JobError> {
        tracing::warn!(transcription.id = %self.transcription_id, reason, "failed to release a hold; it will expire");
        let of = RunOf { id: self.transcription_id, run: self.run };
        payments::mark_not_charged(unit, of, app.clock().now()).await?;
        Ok(())
    }
}

/// Whether the hold has already ended.
fn has_ended(refusal: Option<FlycoinRefusal>) -> bool {
    matches!(refusal, Some(FlycoinRefusal::HoldEnded | FlycoinRefusal::UnknownHold | FlycoinRefusal::NotUsed))
}
