//! Performs `billing.subscriptions_due`. Harmless when run twice: what is already waiting is not enqueued again, and each
//! job decides under the subscription's lock whether anything is due.
//!
//! The parts are independent and run at the same time: a failure of one is logged, and the others go on.

use chrono::{DateTime, TimeDelta, Utc};
use flysk_jobs::platform::subscriptions::{
    AdvanceSubscription, ChargeInvoice, QueryInvoicePayment, SendClosingReceipt, SubscriptionsDue,
};
use flysk_queue::{Job, JobContext, JobError, JobHandler, JobOutcome, JobResult};
use flysk_services::subscriptions;
use flysk_store::platform::invoice_payments;

use crate::App;

/// Jobs of each kind per tick; the next tick continues.
const MAX_JOBS_PER_RUN: u32 = 2_000;
const JOBS_PER_TRANSACTION: u32 = 200;
/// A question or receipt whose job is lost is enqueued again after this time.
const LOST_JOB_DELAY: TimeDelta = TimeDelta::minutes(5);

impl JobHandler<App> for SubscriptionsDue {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let tick = Tick { run, app, now: run.now() };
        let (steps, charges, questions, receipts, overdue) = tokio::join!(
            tick.enqueue_steps(),
            tick.enqueue_charges(),
            tick.enqueue_questions(),
            tick.enqueue_receipts(),
            tick.expire_overdue(),
        );
        let parts = [
            ("steps", steps),
            ("charges", charges),
            ("questions", questions),
            ("receipts", receipts),
            ("overdue invoices", overdue),
        ];
        let mut failed = None;
        for (part, ended) in parts {
            if let Err(error) = ended {
                tracing::error!(part, %error, "a part of what is due in subscriptions failed");
                failed = failed.or(Some(error));
            }
        }
        failed.map_or(Ok(JobOutcome::Done), Err)
    }
}

/// One run.
struct Tick<'a> {
    run: &'a JobContext,
    app: &'a App,
    now: DateTime<Utc>,
}

impl Tick<'_> {
    async fn enqueue_steps(&self) -> Result<(), JobError> {
        let mut conn = self.run.pool().acquire().await?;
        let due = subscriptions::find_due(&mut conn, self.now, MAX_JOBS_PER_RUN).await?;
        drop(conn);
        let jobs: Vec<_> =
            due.into_iter().map(|subscription_id| AdvanceSubscription { subscription_id }).collect();
        self.enqueue_all(&jobs).await
    }

    async fn enqueue_charges(&self) -> Result<(), JobError> {
        let mut conn = self.run.pool().acquire().await?;
        let due = subscriptions::find_chargeable(&mut conn, self.now, MAX_JOBS_PER_RUN).await?;
        drop(conn);
        let jobs: Vec<_> = due.into_iter().map(|invoice_id| ChargeInvoice { invoice_id }).collect();
        self.enqueue_all(&jobs).await
    }

    async fn enqueue_questions(&self) -> Result<(), JobError> {
        let again_at = self.now + LOST_JOB_DELAY;
        for _ in 0..MAX_JOBS_PER_RUN / JOBS_PER_TRANSACTION {
            let mut unit = self.run.begin().await?;
            let limit = JOBS_PER_TRANSACTION;
            let claimed = invoice_payments::claim_queries(&mut unit, self.now, again_at, limit).await?;
            let is_last = claimed.len() < limit as usize;
            let jobs: Vec<_> =
                claimed.into_iter().map(|attempt_id| QueryInvoicePayment { attempt_id }).collect();
            unit.enqueue_all(&jobs).await?;
            unit.commit().await?;
            if is_last {
                break;
            }
        }
        Ok(())
    }

    async fn enqueue_receipts(&self) -> Result<(), JobError> {
        let again_at = self.now + LOST_JOB_DELAY;
        for _ in 0..MAX_JOBS_PER_RUN / JOBS_PER_TRANSACTION {
            let mut unit = self.run.begin().await?;
            let limit = JOBS_PER_TRANSACTION;
            let claimed = invoice_payments::claim_receipts(&mut unit, self.now, again_at, limit).await?;
            let is_last = claimed.len() < limit as usize;
            let jobs: Vec<_> =
                claimed.into_iter().map(|receipt_id| SendClosingReceipt { receipt_id }).collect();
            unit.enqueue_all(&jobs).await?;
            unit.commit().await?;
            if is_last {
                break;
            }
        }
        Ok(())
    }

    async fn expire_overdue(&self) -> Result<(), JobError> {
        let (outbox, trace) = (&self.app.outbox, self.run.trace());
        subscriptions::expire_overdue_invoices(outbox, trace, MAX_JOBS_PER_RUN).await?;
        Ok(())
    }

    async fn enqueue_all<J: Job>(&self, jobs: &[J]) -> Result<(), JobError> {
        for some in jobs.chunks(JOBS_PER_TRANSACTION as usize) {
            let mut unit = self.run.begin().await?;
            unit.enqueue_all(some).await?;
            unit.commit().await?;
        }
        Ok(())
    }
}
