//! Jobs of a crowd, which run as in a worker under load: several at the same time, claimed and ended in groups.
//!
//! What they enqueue begins as soon as there is room for it: a chain of jobs does not wait for those of others.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::pin::pin;
use std::sync::Arc;

use flysk_domain::id::JobId;
use flysk_queue::executor::ClaimedJob;
use flysk_store::jobs::Claim;
use futures::future::{Fuse, FusedFuture as _};
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::advance::{DueJob, MAX_JOBS_PER_STOP};
use crate::crash::Crash;
use crate::sandbox::Sandbox;

/// Jobs in progress for each that may run: claimed before they can start, or run while their ends are being written.
const IN_PROGRESS_PER_RUN: usize = 4;

/// A job that runs when it has a permit.
struct NextJob {
    job: DueJob,
    id: JobId,
    permit: Option<OwnedSemaphorePermit>,
    crash: Option<Crash>,
    /// `None` if it has to be claimed alone, when it starts.
    claimed: Option<ClaimedJob>,
}

impl Sandbox {
    /// Runs the jobs `due` and those that become due meanwhile, `at_once` of them at the same time. Returns their number. Ends
    /// early after a great many, which enqueue each other without end.
    pub(crate) async fn run_crowd(&self, due: Vec<DueJob>, at_once: usize) -> anyhow::Result<usize> {
        let permits = Arc::new(Semaphore::new(at_once));
        let (mut waiting, mut ran) = (VecDeque::from(due), 0);
        let (mut running, mut started, mut ended) = (FuturesUnordered::new(), BTreeSet::new(), Vec::new());
        // Polled beside the jobs: one of them may hold the connection that they need.
        let mut reading = pin!(Fuse::terminated());
        let mut claiming = pin!(Fuse::terminated());
        loop {
            let room = (at_once * IN_PROGRESS_PER_RUN).saturating_sub(running.len());
            if claiming.is_terminated() && room > 0 && !waiting.is_empty() {
                let group: Vec<DueJob> = waiting.drain(..room.min(waiting.len())).collect();
                started.extend(group.iter().map(|job| job.id.clone()));
                claiming.set(self.claim_group(group, &permits).fuse());
            }
            let is_read = waiting.is_empty() && claiming.is_terminated() && !ended.is_empty();
            if is_read && reading.is_terminated() && ran < MAX_JOBS_PER_STOP {
                // One that ends while they are read is not read again.
                for id in ended.drain(..) {
                    started.remove(&id);
                }
                reading.set(self.due_jobs().fuse());
            }
            if running.is_empty() && reading.is_terminated() && claiming.is_terminated() {
                return Ok(ran);
            }
            tokio::select! {
                Some((id, result)) = running.next() => {
                    result?;
                    ran += 1;
                    ended.push(id);
                }
                group = claiming.as_mut() => {
                    for next in group? {
                        let permits = Arc::clone(&permits);
                        running.push(async move { (next.job.id.clone(), self.run_next(next, permits).await) });
                    }
                }
                due = reading.as_mut() => {
                    waiting.extend(due?.into_iter().filter(|job| !started.contains(&job.id)));
                }
            }
        }
    }

    /// Claims those of a group that can be claimed together: with a permit as jobs that start at once, without as jobs that wait.
    async fn claim_group(
        &self,
        group: Vec<DueJob>,
        permits: &Arc<Semaphore>,
    ) -> anyhow::Result<Vec<NextJob>> {
        let mut next = Vec::with_capacity(group.len());
        for job in group {
            let permit = Arc::clone(permits).try_acquire_owned().ok();
            let (id, crash) = (job.id.parse()?, self.take_crash(&job.kind));
            next.push(NextJob { job, id, permit, crash, claimed: None });
        }
        // The claim is a part of a run that crashes.
        let wanted = next.iter().filter(|next| next.crash.is_none());
        let wanted: Vec<Claim> =
            wanted.map(|next| Claim { job: next.id, starts_now: next.permit.is_some() }).collect();
        let claimed = self.executor.claim_many(&wanted).await?;
        let mut claimed: BTreeMap<JobId, ClaimedJob> =
            claimed.into_iter().map(|job| (job.id(), job)).collect();
        for next in &mut next {
            next.claimed = claimed.remove(&next.id);
        }
        Ok(next)
    }

    async fn run_next(&self, next: NextJob, permits: Arc<Semaphore>) -> anyhow::Result<()> {
        let NextJob { job, id, permit, crash, claimed } = next;
        let permit = match permit {
            Some(permit) => permit,
            None => permits.acquire_owned().await?,
        };
        let result = match claimed {
            Some(claimed) => Some(self.executor.run_with_permit(claimed, permit).await),
            None => self.execute(id, crash).await?,
        };
        self.note_job(job, result).await
    }
}
