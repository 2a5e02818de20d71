//! Renews leases of running jobs, and rescues jobs with expired leases.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use flysk_domain::id::JobId;
use flysk_store::jobs::{self, Lease};
use flysk_store::{StoreResult, answered, repeat_contended};
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use tokio_util::sync::CancellationToken;

use crate::executor::Executor;

/// Abandoned jobs per query.
const RESCUE_BATCH_SIZE: u32 = 200;

/// Abandoned jobs that are rescued at once: one that waits for the database delays few others.
const MAX_RESCUES: usize = 8;

/// Renewals of a lease whose row was locked, or whose renewal failed, per renewal of all leases.
const RETRIES_PER_RENEWAL: u32 = 8;

/// Renews the leases of all jobs in progress in this process until `stop`.
pub(super) async fn renew_leases<App: Send + Sync + 'static>(
    executor: Arc<Executor<App>>,
    stop: CancellationToken,
) {
    let renew_every = executor.lease_config().renew_every;
    let every = (renew_every / RETRIES_PER_RENEWAL).max(Duration::from_millis(1));
    let mut tick = tokio::time::interval(every);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut all_due_at = tokio::time::Instant::now();
    let mut left: BTreeSet<JobId> = BTreeSet::new();
    while let Some(at) = stop.run_until_cancelled(tick.tick()).await {
        let mut held: BTreeSet<JobId> = executor.active_jobs().into_iter().collect();
        if at + every / 2 < all_due_at {
            held.retain(|job| left.contains(job));
        } else {
            all_due_at = at + renew_every;
        }
        left = match executor.renew(&held).await {
            Ok(renewed) => held.difference(&renewed).copied().collect(),
            Err(error) => {
                tracing::warn!(error = %error, "failed to renew leases");
                held
            }
        };
    }
}

/// Rescues abandoned jobs until `stop`.
pub(super) async fn rescue_abandoned<App: Send + Sync + 'static>(
    executor: Arc<Executor<App>>,
    stop: CancellationToken,
) {
    let mut tick = tokio::time::interval(executor.rescue_interval());
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while stop.run_until_cancelled(tick.tick()).await.is_some() {
        if let Err(error) = executor.rescue_once().await {
            tracing::warn!(error = %error, "failed to rescue abandoned jobs");
        }
    }
}

impl<App: Send + Sync + 'static> Executor<App> {
    /// Renews the leases of these jobs, if they still hold them; returns the jobs without those whose row is locked.
    async fn renew(&self, held: &BTreeSet<JobId>) -> StoreResult<BTreeSet<JobId>> {
        if held.is_empty() {
            return Ok(BTreeSet::new());
        }
        let held: Vec<JobId> = held.iter().copied().collect();
        let renew = || async {
            let until = self.outbox().clock().now() + self.lease_config().ttl;
            let mut conn = self.outbox().pool().acquire().await?;
            jobs::extend_leases(&mut conn, self.owner(), &held, until).await
        };
        repeat_contended(|| answered(renew())).await
    }

    /// Interval of looking for abandoned jobs.
    pub(crate) fn rescue_interval(&self) -> Duration {
        (self.lease_config().ttl / 6).max(Duration::from_millis(100))
    }

    /// Takes back jobs whose leases have expired; returns their number. Any number of processes may do this: each job
    /// is taken once, under a new fence. A job that cannot be taken back keeps no other from it.
    pub async fn rescue_once(&self) -> StoreResult<usize> {
        let now = self.outbox().clock().now();
        let listing = async {
            jobs::list_expired(&mut *self.outbox().pool().acquire().await?, now, RESCUE_BATCH_SIZE).await
        };
        let mut expired = answered(listing).await?.into_iter();
        let (mut running, mut rescued) = (FuturesUnordered::new(), 0);
        loop {
            while running.len() < MAX_RESCUES
                && let Some(lease) = expired.next()
            {
                running.push(Box::pin(self.rescue(lease)));
            }
            let Some(is_rescued) = running.next().await else { return Ok(rescued) };
            rescued += usize::from(is_rescued);
        }
    }

    /// Takes back a job; `false` if somebody else has ended or taken it, or the database failed.
    async fn rescue(&self, mut lease: Lease) -> bool {
        let expired = lease.fence;
        let take = || async {
            // The time of this rescue, not of the list: rescues before it may have taken longer than a lease.
            let now = self.outbox().clock().now();
            let mut conn = self.outbox().pool().acquire().await?;
            jobs::steal_expired(&mut conn, expired, self.owner(), now + self.lease_config().ttl, now).await
        };
        match repeat_contended(|| answered(take())).await {
            Ok(Some(taken)) => {
                lease.fence = taken;
                self.fail_abandoned(lease).await;
                true
            }
            Ok(None) => false,
            Err(error) => {
                tracing::warn!(job.id = %expired.job, error = %error, "failed to take an abandoned job");
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta, Utc};
    use flysk_domain::{Clock as _, ManualClock};
    use flysk_store::jobs::JobState;
    use serde::{Deserialize, Serialize};
    use sqlx::MySqlPool;

    use super::*;
    use crate::executor::LeaseConfig;
    use crate::job_fixture::{insert_job, insert_job_with};
    use crate::{Job, JobContext, JobError, JobHandler, JobOutcome, JobResult, Outbox, Policy, QueueName};
    use crate::{Registry, UnitOfWork};

    /// Its state cannot be updated when it is dead.
    #[derive(Serialize, Deserialize)]
    struct Unburied;

    impl Job for Unburied {
        const KIND: &'static str = "test.unburied";
        const POLICY: Policy = Policy::for_queue(QueueName::new("test"));
        const TRIGGER: &'static str = "a test";
        const DESCRIPTION: &'static str = "nothing";
    }

    impl JobHandler<()> for Unburied {
        async fn handle(&self, _ctx: &JobContext, _app: &()) -> JobResult {
            Ok(JobOutcome::Done)
        }

        async fn on_dead(&self, _unit: &mut UnitOfWork, _reason: &str, _app: &()) -> Result<(), JobError> {
            Err(JobError::retry("no such state"))
        }
    }

    /// Both functions that end an attempt panic.
    #[derive(Serialize, Deserialize)]
    struct Panicking;

    impl Job for Panicking {
        const KIND: &'static str = "test.panicking";
        const POLICY: Policy = Policy::for_queue(QueueName::new("test"));
        const TRIGGER: &'static str = "a test";
        const DESCRIPTION: &'static str = "nothing";
    }

    impl JobHandler<()> for Panicking {
        async fn handle(&self, _ctx: &JobContext, _app: &()) -> JobResult {
            Ok(JobOutcome::Done)
        }

        async fn on_dead(&self, _unit: &mut UnitOfWork, _reason: &str, _app: &()) -> Result<(), JobError> {
            panic!("the state of a dead job is broken")
        }

        async fn on_interrupted(
            &self,
            _unit: &mut UnitOfWork,
            _started_at: DateTime<Utc>,
            _app: &(),
        ) -> Result<(), JobError> {
            panic!("the state of an interrupted job is broken")
        }
    }

    #[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
    async fn a_job_that_cannot_be_ended_delays_no_other_rescue(pool: MySqlPool) {
        rescue_with_another::<Unburied>(pool).await;
    }

    /// The panic would end the rescuer's task: no job would be rescued by this process any more, nor by the next one that
    /// finds the job.
    #[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
    async fn a_job_whose_end_panics_stops_no_rescuer(pool: MySqlPool) {
        rescue_with_another::<Panicking>(pool).await;
    }

    /// Rescues a job of this kind, whose last attempt was abandoned and which cannot be ended, and then another one.
    async fn rescue_with_another<J: JobHandler<()>>(pool: MySqlPool) {
        let clock = ManualClock::at(DateTime::from_timestamp(1_793_000_000, 0).unwrap());
        let outbox = Outbox::new(pool.clone(), None, Arc::new(clock.clone()));
        let registry = Registry::default().with::<J>();
        let config = LeaseConfig { ttl: Duration::from_secs(12), renew_every: Duration::from_secs(3) };
        let executor = Executor::new(outbox, registry, Arc::new(()), "test".to_owned(), config);
        let unending = insert_job_with(&pool, &clock, J::KIND, clock.now(), 1).await;
        let other = insert_job(&pool, &clock, "test.other", clock.now()).await;
        // In this order their leases expire.
        for id in [unending, other] {
            assert!(executor.claim(id).await.unwrap().is_some());
            clock.advance(TimeDelta::seconds(1));
        }
        clock.advance(TimeDelta::seconds(12));

        let rescued = tokio::time::timeout(Duration::from_secs(8), executor.rescue_once()).await;
        assert_eq!(rescued.expect("the others wait for as long as a lease").unwrap(), 2);
        let mut states = Vec::new();
        for id in [unending, other] {
            states.push(jobs::find(&mut pool.acquire().await.unwrap(), id).await.unwrap().unwrap().state);
        }
        assert_eq!(states, [JobState::Running, JobState::Queued], "the first is tried again later");
    }
}
