//! Jobs of a crowd, which run as in a worker under load: several at the same time, claimed and ended in groups.
//!
//! What they enqueue is told by the outbox, and begins as soon as there is room for it: a chain of jobs does not wait for those of
//! others. At a pace of batches it waits until most of what runs has ended, so that several chains go on together: they are claimed
//! by the same statements, and their deliveries share statements.

use std::collections::{BTreeMap, VecDeque};
use std::pin::pin;
use std::sync::Arc;

use flysk_domain::id::JobId;
use flysk_queue::EnqueuedJob;
use flysk_queue::executor::ClaimedJob;
use flysk_store::jobs::Claim;
use futures::future::{Fuse, FusedFuture as _};
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::advance::{DueJob, MAX_JOBS_PER_STOP, Pace};
use crate::crash::Crash;
use crate::sandbox::Sandbox;

/// Jobs in progress for each that may run: claimed before they can start, or run while their ends are being written.
const IN_PROGRESS_PER_RUN: usize = 4;
/// In batches these begin when nothing else is left. The bank tells of a charge before it answers, and the job of the charge, which
/// waits for the answer, cancels the jobs of what the bank has told.
const LAST_KIND: &str = "billing.apply_tbank_notification";

/// A job that runs when it has a permit.
struct NextJob {
    job: DueJob,
    id: JobId,
    permit: Option<OwnedSemaphorePermit>,
    crash: Option<Crash>,
    /// `None` if it has to be claimed alone, when it starts.
    claimed: Option<ClaimedJob>,
}

impl From<EnqueuedJob> for DueJob {
    fn from(EnqueuedJob { id, kind, payload }: EnqueuedJob) -> Self {
        Self { id: id.to_string(), kind: kind.to_owned(), payload: payload.to_string() }
    }
}

impl Pace {
    /// Jobs that may be in progress.
    const fn capacity(self) -> usize {
        self.jobs_at_once * IN_PROGRESS_PER_RUN
    }

    /// Whether jobs that wait begin while others run. A batch is claimed by as many statements as a single job, and jobs of a batch
    /// share more of them: so it waits until few run for those that wait, or until there is room for many.
    fn begins(self, waiting: usize, running: usize) -> bool {
        let most = if self.batches { (waiting / 4).min(self.capacity() / 2) } else { self.capacity() - 1 };
        waiting > 0 && running <= most
    }

    /// Those of the due jobs that begin first.
    fn first(self, due: Vec<DueJob>) -> VecDeque<DueJob> {
        if !self.batches {
            return due.into();
        }
        let (last, first): (VecDeque<_>, VecDeque<_>) =
            due.into_iter().partition(|job| job.kind == LAST_KIND);
        if first.is_empty() { last } else { first }
    }

    /// Whether a job that was enqueued meanwhile begins with what is read when nothing else is left.
    fn leaves(self, job: &EnqueuedJob) -> bool {
        self.batches && job.kind == LAST_KIND
    }
}

impl Sandbox {
    /// Takes the due jobs of which the outbox has told, except for those that begin last: they are found by reading.
    pub(crate) fn take_told(&self, pace: Pace) -> Vec<DueJob> {
        self.enqueued.take().into_iter().filter(|job| !pace.leaves(job)).map(DueJob::from).collect()
    }

    /// Runs the jobs `due` and those that are enqueued meanwhile, several at the same time. Returns their number. What became due in
    /// another way is not among them. Ends early after a great many, which enqueue each other without end.
    pub(crate) async fn run_crowd(&self, due: Vec<DueJob>, pace: Pace) -> anyhow::Result<usize> {
        let permits = Arc::new(Semaphore::new(pace.jobs_at_once));
        let (mut waiting, mut ran) = (pace.first(due), 0);
        let mut running = FuturesUnordered::new();
        // Polled beside the jobs: one of them may hold the connection that it needs.
        let mut claiming = pin!(Fuse::terminated());
        loop {
            waiting.extend(self.take_told(pace));
            let room = pace.capacity().saturating_sub(running.len());
            let begins = ran < MAX_JOBS_PER_STOP && pace.begins(waiting.len(), running.len());
            if begins && claiming.is_terminated() {
                let group: Vec<DueJob> = waiting.drain(..room.min(waiting.len())).collect();
                claiming.set(self.claim_group(group, &permits).fuse());
            }
            if running.is_empty() && claiming.is_terminated() {
                return Ok(ran);
            }
            tokio::select! {
                Some(result) = running.next() => {
                    result?;
                    ran += 1;
                }
                group = claiming.as_mut() => {
                    for next in group? {
                        running.push(self.run_next(next, Arc::clone(&permits)));
                    }
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
        // Alone it needs fewer statements.
        if wanted.len() < 2 {
            return Ok(next);
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn job(kind: &str) -> DueJob {
        DueJob { id: String::new(), kind: kind.to_owned(), payload: String::new() }
    }

    #[test]
    fn a_batch_begins_when_most_of_the_last_one_has_ended() {
        let batches = Pace { jobs_at_once: 8, batches: true, ..Pace::EXACT };
        for (waiting, running, begins) in [
            (0, 0, false),
            (1, 0, true),
            (1, 1, false),
            (3, 1, false),
            (4, 1, true),
            (8, 3, false),
            (8, 2, true),
            (1_000, 17, false),
            (1_000, 16, true),
        ] {
            assert_eq!(batches.begins(waiting, running), begins, "{waiting} wait, {running} run");
        }
        let others = Pace { batches: false, ..batches };
        assert!(others.begins(1, 31) && !others.begins(1, 32) && !others.begins(0, 0));
    }

    #[test]
    fn in_batches_what_others_may_cancel_begins_last() {
        let batches = Pace { batches: true, ..Pace::EXACT };
        let kinds = |pace: Pace, due: &[&str]| -> Vec<String> {
            pace.first(due.iter().copied().map(job).collect()).into_iter().map(|job| job.kind).collect()
        };
        assert_eq!(kinds(batches, &["a", LAST_KIND, "b"]), ["a", "b"]);
        assert_eq!(kinds(batches, &[LAST_KIND]), [LAST_KIND]);
        assert_eq!(kinds(Pace::EXACT, &[LAST_KIND, "a"]), [LAST_KIND, "a"]);
    }
}
