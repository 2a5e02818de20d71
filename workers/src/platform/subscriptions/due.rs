//! Performs `billing.subscriptions_due`. Harmless when run twice: what is already waiting is not enqueued again, and each
//! job decides under the subscription's lock whether anything is due.
//!
//! One statement tells the parts of which something is due. They are independent and run at the same time: a failure of one is
//! logged, and the others go on.

use chrono::{DateTime, TimeDelta, Utc};
use flysk_jobs::platform::subscriptions::{
    AdvanceSubscription, ChargeInvoice, QueryInvoicePayment, SendClosingReceipt, SubscriptionsDue,
};
use flysk_queue::{Job, JobContext, JobError, JobHandler, JobOutcome, JobResult, UnitOfWork};
use flysk_services::subscriptions;
use flysk_store::platform::invoice_payments;
use flysk_store::platform::subscriptions::{DueParts, find_due_parts};

use crate::App;

/// Jobs of each kind per tick; the next tick continues.
const MAX_JOBS_PER_RUN: u32 = 2_000;
const JOBS_PER_TRANSACTION: u32 = 200;
/// A question or receipt whose job is lost is enqueued again after this time.
const LOST_JOB_DELAY: TimeDelta = TimeDelta::minutes(5);

impl JobHandler<App> for SubscriptionsDue {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let now = run.now();
        let due = find_due_parts(&mut *run.pool().acquire().await?, now).await?;
        let tick = Tick { run, app, now, due };
        if due.is_only_charges()
            && let Some(ended) = tick.end_with_charges().await?
        {
            return Ok(ended);
        }
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
    due: DueParts,
}

impl Tick<'_> {
    async fn enqueue_steps(&self) -> Result<(), JobError> {
        if !self.due.steps {
            return Ok(());
        }
        let mut unit = self.run.begin().await?;
        let due = subscriptions::find_due(&mut unit, self.now, MAX_JOBS_PER_RUN).await?;
        let jobs: Vec<_> =
            due.into_iter().map(|subscription_id| AdvanceSubscription { subscription_id }).collect();
        self.enqueue_all(unit, &jobs).await
    }

    async fn enqueue_charges(&self) -> Result<(), JobError> {
        if !self.due.charges {
            return Ok(());
        }
        let mut unit = self.run.begin().await?;
        let due = subscriptions::find_chargeable(&mut unit, self.now, MAX_JOBS_PER_RUN).await?;
        let jobs: Vec<_> = due.into_iter().map(|invoice_id| ChargeInvoice { invoice_id }).collect();
        self.enqueue_all(unit, &jobs).await
    }

    /// Enqueues the charges in the transaction that ends the tick, which has nothing else to do: so it is at most times of a day when
    /// charges are spread. `None`, and nothing is done: they are too many for one transaction.
    async fn end_with_charges(&self) -> Result<Option<JobOutcome>, JobError> {
        let mut unit = self.run.begin_last().await?;
        let due = subscriptions::find_chargeable(&mut unit, self.now, JOBS_PER_TRANSACTION + 1).await?;
        if due.len() > JOBS_PER_TRANSACTION as usize {
            return Ok(None);
        }
        let jobs: Vec<_> = due.into_iter().map(|invoice_id| ChargeInvoice { invoice_id }).collect();
        unit.enqueue_all(&jobs).await?;
        self.run.end(unit).await.map(Some)
    }

    async fn enqueue_questions(&self) -> Result<(), JobError> {
        if !self.due.questions {
            return Ok(());
        }
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
        if !self.due.receipts {
            return Ok(());
        }
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
        if !self.due.overdue {
            return Ok(());
        }
        let (outbox, trace) = (&self.app.outbox, self.run.trace());
        subscriptions::expire_overdue_invoices(outbox, trace, MAX_JOBS_PER_RUN).await?;
        Ok(())
    }

    /// Enqueues jobs, some in each transaction: the first ones in that in which they were found.
    async fn enqueue_all<J: Job>(&self, mut unit: UnitOfWork, jobs: &[J]) -> Result<(), JobError> {
        let mut parts = jobs.chunks(JOBS_PER_TRANSACTION as usize);
        unit.enqueue_all(parts.next().unwrap_or_default()).await?;
        unit.commit().await?;
        for some in parts {
            let mut unit = self.run.begin().await?;
            unit.enqueue_all(some).await?;
            unit.commit().await?;
        }
        Ok(())
    }
}
