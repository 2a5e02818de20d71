//! Delivery of durable jobs: claims the jobs of a fetch together, and runs each when it has a run permit.

use std::sync::Arc;
use std::time::{Duration, Instant};

use flysk_domain::id::JobId;
use flysk_store::StoreError;
use flysk_store::jobs::Claim;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use crate::consumer::{AckHandle, Deliver, Delivery, FetchPermit};
use crate::executor::{ClaimedJob, Executor};
use crate::retry_pauses::retry_pauses;
use crate::run_permits::{PermitRequest, RunPermits};
use crate::transport::WakeupMessage;

/// A job that has waited this long for a run permit is released: jobs take longer than was expected when it was fetched,
/// and another process may be idle.
const MAX_WAIT_FOR_RUN_PERMIT: Duration = Duration::from_secs(1);

/// Fewer jobs that can all start are claimed one by one, at the same time: that takes two round trips instead of four.
const MIN_GROUP_LEN: usize = 4;

/// Delivers the durable jobs of one queue to the executor.
pub(super) struct JobDelivery<App> {
    executor: Arc<Executor<App>>,
    /// Jobs hold them whichever session fetched their wake-ups.
    run_permits: RunPermits,
    stop: CancellationToken,
}

impl<App: Send + Sync + 'static> JobDelivery<App> {
    /// Runs up to `concurrency` jobs at once. After `stop`, none starts.
    pub(super) fn new(executor: Arc<Executor<App>>, concurrency: usize, stop: CancellationToken) -> Self {
        Self { executor, run_permits: RunPermits::new(concurrency), stop }
    }
}

/// A job whose wake-up was fetched.
pub(super) struct FetchedJob {
    id: JobId,
    fetch_permit: FetchPermit,
    /// Waits while more jobs are here than may run.
    run_permit: PermitRequest,
    claim: JobClaim,
}

enum JobClaim {
    /// The job is claimed. Its lease represents it, and its wake-up is acknowledged.
    Claimed(ClaimedJob),
    /// To be claimed when the job can start.
    Open(AckHandle),
}

impl<App: Send + Sync + 'static> Deliver for JobDelivery<App> {
    type Task = WakeupMessage;
    type Work = FetchedJob;

    /// Claims many jobs together, and acknowledges the wake-ups of those that it got. The others are claimed one by one
    /// when they can start: retried jobs, jobs with a single attempt, and those whose row was locked.
    ///
    /// They start in the order in which they were fetched.
    async fn accept(&self, wakeups: Vec<Delivery<WakeupMessage>>) -> Vec<FetchedJob> {
        let mut fetched: Vec<FetchedJob> = wakeups
            .into_iter()
            .map(|wakeup| FetchedJob {
                id: wakeup.task.job,
                fetch_permit: wakeup.permit,
                run_permit: self.run_permits.request(),
                claim: JobClaim::Open(wakeup.ack),
            })
            .collect();
        if fetched.len() >= MIN_GROUP_LEN || fetched.iter().any(|job| !job.run_permit.is_granted()) {
            self.claim_together(&mut fetched).await;
        }
        fetched
    }

    async fn perform(&self, job: FetchedJob) {
        let FetchedJob { id, mut fetch_permit, run_permit: mut request, mut claim } = job;
        let run_permit = loop {
            if let Some(run_permit) = self.wait_for_run_permit(request).await {
                break run_permit;
            }
            match self.release(id, claim).await {
                None => return fetch_permit.release(),
                Some(kept) => (claim, request) = (kept, self.run_permits.request()),
            }
        };
        let held = match claim {
            JobClaim::Claimed(held) if self.stop.is_cancelled() => {
                self.executor.release_claim(held).await;
                return fetch_permit.release();
            }
            JobClaim::Claimed(held) => Some(held),
            JobClaim::Open(ack) => self.claim_alone(id, ack).await,
        };
        if let Some(held) = held {
            fetch_permit.begin_run(Instant::now());
            self.executor.run_with_permit(held, (run_permit, fetch_permit)).await;
        }
    }
}

impl<App: Send + Sync + 'static> JobDelivery<App> {
    /// Claims what can be claimed together. If the database fails, nothing is claimed, and the jobs claim one by one, with
    /// pauses.
    async fn claim_together(&self, fetched: &mut [FetchedJob]) {
        if self.stop.is_cancelled() {
            return;
        }
        let wanted: Vec<Claim> = fetched
            .iter()
            .map(|job| Claim { job: job.id, starts_now: job.run_permit.is_granted() })
            .collect();
        let held = match self.executor.claim_many(&wanted).await {
            Ok(held) => held,
            Err(error) => {
                tracing::warn!(error = %error, "failed to claim jobs together");
                return;
            }
        };
        for held in held {
            // Two wake-ups of one job in one fetch: the second one finds it taken.
            let Some(job) = fetched.iter_mut().find(|job| job.id == held.id()) else { continue };
            if let JobClaim::Open(ack) = std::mem::replace(&mut job.claim, JobClaim::Claimed(held)) {
                ack.complete();
            }
        }
    }

    /// Claims a job that can start, and acknowledges its wake-up as soon as the claim is committed: from then on the lease in
    /// MySQL represents the job. `None` if it cannot be claimed. While MySQL is unavailable, its permits stay occupied.
    ///
    /// A job that is not due by the clock of this process stays in MySQL, and its wake-up comes again.
    async fn claim_alone(&self, id: JobId, ack: AckHandle) -> Option<ClaimedJob> {
        let mut pauses = retry_pauses();
        let lease = loop {
            if self.stop.is_cancelled() {
                return None; // stays in Redis, and its row in MySQL
            }
            match self.executor.claim(id).await {
                Ok(lease) => break lease,
                // A transaction whose process is gone may keep the row for long. A relay pushes the job again once it is free.
                Err(error @ StoreError::Conflict(_)) if !error.is_lost_race() => {
                    tracing::warn!(job.id = %id, error = %error, "the row of a job stays locked");
                    ack.complete();
                    return None;
                }
                Err(error) => {
                    tracing::warn!(error = %error, "failed to claim a job; retrying");
                    tokio::time::sleep(pauses.next().unwrap_or_default()).await;
                }
            }
        };
        ack.complete();
        if lease.is_none()
            && let Err(error) = self.executor.push_when_due(id).await
        {
            tracing::warn!(job.id = %id, error = %error, "failed to have a wake-up pushed when its job is due");
        }
        Some(self.executor.track(lease?))
    }

    /// `None` if the process stops, or none becomes free for too long.
    async fn wait_for_run_permit(&self, request: PermitRequest) -> Option<OwnedSemaphorePermit> {
        if let PermitRequest::Granted(permit) = request {
            return Some(permit);
        }
        tokio::select! {
            biased;
            () = self.stop.cancelled() => None,
            permit = request.wait() => permit,
            () = tokio::time::sleep(MAX_WAIT_FOR_RUN_PERMIT) => None,
        }
    }

    /// Lets another process start the job; returns what has to stay here because the database is unavailable.
    async fn release(&self, id: JobId, claim: JobClaim) -> Option<JobClaim> {
        match claim {
            JobClaim::Claimed(held) => self.executor.release_claim(held).await,
            // Stays in Redis, from where it returns to the queue.
            JobClaim::Open(_) if self.stop.is_cancelled() => {}
            JobClaim::Open(ack) => match self.executor.postpone(id).await {
                Ok(()) => ack.complete(),
                Err(error) => {
                    tracing::warn!(error = %error, "failed to postpone a wake-up; it waits here");
                    return Some(JobClaim::Open(ack));
                }
            },
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use chrono::{DateTime, TimeDelta};
    use flysk_domain::trace::Trace;
    use flysk_domain::{Clock as _, ManualClock};
    use flysk_store::jobs::{self, JobState};
    use serde::{Deserialize, Serialize};
    use sqlx::MySqlPool;
    use sqlx::mysql::MySqlPoolOptions;

    use super::*;
    use crate::executor::LeaseConfig;
    use crate::job_fixture::insert_job;
    use crate::{Job, JobContext, JobHandler, JobOutcome, JobResult, Outbox, Policy, QueueName, Registry};

    /// With a run permit, and claimed ahead of one.
    #[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
    async fn a_claimed_job_does_not_start_after_a_stop_and_is_released(pool: MySqlPool) {
        let clock = ManualClock::at(DateTime::from_timestamp(1_793_000_000, 0).unwrap());
        let outbox = Outbox::new(pool.clone(), None, Arc::new(clock.clone()));
        let (owner, config) = ("test".to_owned(), LeaseConfig::default());
        let executor = Arc::new(Executor::new(outbox, Registry::default(), Arc::new(()), owner, config));
        let stop = CancellationToken::new();
        stop.cancel();
        let delivery = JobDelivery::new(Arc::clone(&executor), 1, stop);
        let mut conn = pool.acquire().await.unwrap();
        for starts_now in [true, false] {
            let id = insert_job(&pool, &clock, "test.work", clock.now()).await;
            let held = executor.claim_many(&[Claim { job: id, starts_now }]).await.unwrap().remove(0);
            let running = (!starts_now).then(|| delivery.run_permits.request());
            let run_permit = delivery.run_permits.request();
            assert_eq!(run_permit.is_granted(), starts_now);
            let claim = JobClaim::Claimed(held);
            delivery.perform(FetchedJob { id, fetch_permit: FetchPermit::single(), run_permit, claim }).await;
            drop(running);

            let row = jobs::find(&mut conn, id).await.unwrap().unwrap();
            let seen = (row.state, row.attempt, row.started_at, row.last_error);
            assert_eq!(seen, (JobState::Queued, 0, None, None), "starts now: {starts_now}");
            assert_eq!(delivery.run_permits.free(), 1);
        }
    }

    /// Says when it started.
    #[derive(Serialize, Deserialize)]
    struct Numbered {
        number: u32,
    }

    impl Job for Numbered {
        const KIND: &'static str = "test.numbered";
        const POLICY: Policy = Policy::for_queue(QueueName::new("test"));
        const TRIGGER: &'static str = "a test";
        const DESCRIPTION: &'static str = "notes its start";
    }

    impl JobHandler<Mutex<Vec<u32>>> for Numbered {
        async fn handle(&self, _: &JobContext, started: &Mutex<Vec<u32>>) -> JobResult {
            started.lock().unwrap().push(self.number);
            Ok(JobOutcome::Done)
        }
    }

    /// Their tasks may be polled in any order.
    #[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
    async fn jobs_of_a_fetch_start_in_its_order(pool: MySqlPool) {
        const JOBS: u32 = 40;
        let clock = ManualClock::at(DateTime::from_timestamp(1_793_000_000, 0).unwrap());
        let outbox = Outbox::new(pool, None, Arc::new(clock));
        let trace = Trace { correlation_id: "test".to_owned(), traceparent: None };
        let mut unit = outbox.begin(trace).await.unwrap();
        let mut wakeups = Vec::new();
        for number in 0..JOBS {
            let job = unit.enqueue(&Numbered { number }).await.unwrap().unwrap();
            let (task, queue) = (format!("{job}.0"), "test".to_owned());
            let task = WakeupMessage { task, job, queue, urgent: false };
            wakeups.push(Delivery { task, ack: AckHandle::detached(), permit: FetchPermit::single() });
        }
        unit.commit().await.unwrap();
        let started: Arc<Mutex<Vec<u32>>> = Arc::default();
        let (registry, config) = (Registry::default().with::<Numbered>(), LeaseConfig::default());
        let executor = Executor::new(outbox, registry, Arc::clone(&started), "test".to_owned(), config);
        let executor = Arc::new(executor);
        let delivery = JobDelivery::new(executor, 1, CancellationToken::new());

        let fetched = delivery.accept(wakeups).await;
        futures::future::join_all(fetched.into_iter().rev().map(|job| delivery.perform(job))).await;
        assert_eq!(*started.lock().unwrap(), (0..JOBS).collect::<Vec<_>>());
        assert_eq!(delivery.run_permits.free(), 1);
    }

    /// The transaction of a process that lost the network stays open. Otherwise the jobs that it has locked would keep all run
    /// permits of the queue.
    #[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
    async fn a_job_whose_row_stays_locked_gives_its_run_permit_back(pool: MySqlPool) {
        let options = MySqlPoolOptions::new().max_connections(2);
        let own = flysk_store::configure_pool(options).connect_with((*pool.connect_options()).clone());
        let own = own.await.unwrap();
        let clock = ManualClock::at(DateTime::from_timestamp(1_793_000_000, 0).unwrap());
        let outbox = Outbox::new(own, None, Arc::new(clock.clone()));
        let (owner, config) = ("test".to_owned(), LeaseConfig::default());
        let executor = Arc::new(Executor::new(outbox, Registry::default(), Arc::new(()), owner, config));
        let delivery = JobDelivery::new(executor, 1, CancellationToken::new());
        let id = insert_job(&pool, &clock, "test.work", clock.now()).await;
        let mut open = pool.begin().await.unwrap();
        jobs::defer_push(&mut open, &[id], clock.now()).await.unwrap();

        let run_permit = delivery.run_permits.request();
        let claim = JobClaim::Open(AckHandle::detached());
        let fetched = FetchedJob { id, fetch_permit: FetchPermit::single(), run_permit, claim };
        // A wait for a lock takes 10 s.
        let performed = tokio::time::timeout(Duration::from_secs(15), delivery.perform(fetched)).await;
        assert!(performed.is_ok(), "it waits on for the row");
        assert_eq!(delivery.run_permits.free(), 1);

        open.rollback().await.unwrap();
        let row = jobs::find(&mut pool.acquire().await.unwrap(), id).await.unwrap().unwrap();
        assert_eq!((row.state, row.attempt), (JobState::Queued, 0));
    }

    /// The machine of this process was paused, and its clock is behind. Otherwise the job would wait for half a minute, until
    /// relays push again what was not claimed.
    #[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
    async fn a_job_that_is_not_due_by_this_clock_is_pushed_again_when_it_is(pool: MySqlPool) {
        let clock = ManualClock::at(DateTime::from_timestamp(1_793_000_000, 0).unwrap());
        let outbox = Outbox::new(pool.clone(), None, Arc::new(clock.clone()));
        let (owner, config) = ("test".to_owned(), LeaseConfig::default());
        let executor = Arc::new(Executor::new(outbox, Registry::default(), Arc::new(()), owner, config));
        let delivery = JobDelivery::new(executor, 1, CancellationToken::new());
        let due_at = clock.now() + TimeDelta::seconds(2);
        let id = insert_job(&pool, &clock, "test.work", due_at).await;
        let mut conn = pool.acquire().await.unwrap();
        let pushed = jobs::mark_pushed(&mut conn, &[id], due_at, due_at + TimeDelta::seconds(30)).await;
        assert_eq!(pushed.unwrap().len(), 1, "it is due by the clock of the relay");

        let run_permit = delivery.run_permits.request();
        let claim = JobClaim::Open(AckHandle::detached());
        delivery.perform(FetchedJob { id, fetch_permit: FetchPermit::single(), run_permit, claim }).await;
        assert_eq!(delivery.run_permits.free(), 1);
        let row = jobs::find(&mut conn, id).await.unwrap().unwrap();
        assert_eq!((row.state, row.attempt), (JobState::Queued, 0), "it is not started early");
        let early = jobs::list_due(&mut conn, due_at - TimeDelta::microseconds(1), 10).await.unwrap();
        assert_eq!(early, [], "nor pushed early");
        let due = jobs::list_due(&mut conn, due_at, 10).await.unwrap();
        assert_eq!(due.into_iter().map(|job| job.id).collect::<Vec<_>>(), [id]);
    }
}
