//! Due jobs of a crowd, which run several at a time, as in a worker: claims share a transaction, and so do ends.

use std::collections::HashMap;
use std::sync::PoisonError;

use flysk_domain::id::JobId;
use flysk_queue::executor::{ClaimedJob, ExecutionResult};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio::sync::Semaphore;

use crate::advance::DueJob;
use crate::sandbox::Sandbox;

impl Sandbox {
    /// Runs due jobs, `jobs_at_once` at the same time. All of them have ended when this returns.
    pub(crate) async fn run_crowd(&self, due: Vec<DueJob>, jobs_at_once: usize) -> anyhow::Result<()> {
        let permits = Semaphore::new(jobs_at_once);
        let mut running = FuturesUnordered::new();
        let mut waiting = due.into_iter();
        loop {
            let group: Vec<DueJob> = waiting.by_ref().take(jobs_at_once).collect();
            if group.is_empty() {
                break;
            }
            // The group before may still run, so that nobody waits for the slowest of a group.
            while running.len() > jobs_at_once {
                if let Some(ended) = running.next().await {
                    self.note_ended(ended).await?;
                }
            }
            let mut claimed = self.claim_group(&group).await?;
            for job in group {
                let held = claimed.remove(&job.id);
                let permits = &permits;
                running.push(async move { (self.run_claimed(&job, held, permits).await, job) });
            }
        }
        while let Some(ended) = running.next().await {
            self.note_ended(ended).await?;
        }
        Ok(())
    }

    async fn claim_group(&self, group: &[DueJob]) -> anyhow::Result<HashMap<String, ClaimedJob>> {
        let ids: Vec<JobId> = group.iter().map(|job| job.id.parse()).collect::<Result<_, _>>()?;
        let claimed = self.executor.claim_together(&ids).await?;
        Ok(claimed.into_iter().map(|job| (job.id().to_string(), job)).collect())
    }

    /// Runs a job. One that could not be claimed with the others is claimed by itself.
    async fn run_claimed(
        &self,
        job: &DueJob,
        held: Option<ClaimedJob>,
        permits: &Semaphore,
    ) -> anyhow::Result<ExecutionResult> {
        let permit = permits.acquire().await?;
        match held {
            Some(held) => Ok(self.executor.run_with_permit(held, permit).await),
            None => Ok(self.executor.execute(job.id.parse()?).await?),
        }
    }

    /// Whether runs of jobs are to crash: those are counted one by one.
    pub(crate) fn has_planned_crashes(&self) -> bool {
        !self.crashes.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    async fn note_ended(
        &self,
        (result, job): (anyhow::Result<ExecutionResult>, DueJob),
    ) -> anyhow::Result<()> {
        self.note_run(job, Some(result?)).await
    }
}
