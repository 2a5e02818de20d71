//! Transactional outbox: enqueues jobs in the transaction that requires them.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use flysk_domain::Clock;
use flysk_domain::id::JobId;
use flysk_domain::trace::Trace;
use flysk_store::jobs::{self, DueJob, NewJob};
use flysk_store::{Conn, Pool, StoreError, StoreResult, Tx, answered};

use crate::enqueued::{EnqueuedJob, EnqueuedJobs};
use crate::job::Job;
use crate::policy::Priority;
use crate::transport::{Pusher, QueueNotifier, WakeupMessage};

/// Delay before a relay pushes a new row, because the enqueueing process pushes its wake-up itself. A job waits so long if that
/// push was lost. Twice the time for which wake-ups wait in Redis: a relay would push those again without need.
const RELAY_GRACE: Duration = Duration::from_millis(500);

/// Maximum number of wake-ups pushed per commit. The relay pushes the others, fairly between tenants.
const MAX_WAKEUPS_PER_COMMIT: usize = 64;

/// Opens units of work. Clones share the pool and the connection to Redis.
#[derive(Clone, Debug)]
pub struct Outbox {
    pool: Pool,
    notifier: Option<QueueNotifier>,
    clock: Arc<dyn Clock>,
    /// Told of what is enqueued.
    enqueued: Option<EnqueuedJobs>,
}

impl Outbox {
    /// Without a `notifier` (Redis), relays push all wake-ups, up to a second later.
    pub fn new(pool: Pool, notifier: Option<QueueNotifier>, clock: Arc<dyn Clock>) -> Self {
        Self { pool, notifier, clock, enqueued: None }
    }

    /// The same outbox, which also adds the due jobs of each commit to `enqueued`. Somebody has to take them from there.
    #[must_use]
    pub fn telling(self, enqueued: EnqueuedJobs) -> Self {
        Self { enqueued: Some(enqueued), ..self }
    }

    /// The pool, for reads outside a unit.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// The clock for timestamps of rows.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Opens a unit of work for `trace`. Callers outside a job's handler must repeat it with
    /// [`flysk_store::repeat_contended`]; the executor repeats handlers.
    pub async fn begin(&self, trace: Trace) -> StoreResult<UnitOfWork> {
        let tx = flysk_store::begin(&self.pool).await?;
        Ok(UnitOfWork { tx, trace, outbox: self.clone(), due: Vec::new(), told: Vec::new() })
    }

    /// Lets a relay push jobs for which Redis had no capacity. Without that it waits for [`RELAY_GRACE`], so an error is harmless.
    async fn leave_to_relay(&self, refused: &[JobId]) {
        if refused.is_empty() {
            return;
        }
        let now = self.clock.now();
        let deferring = async { jobs::defer_push(&mut *self.pool.acquire().await?, refused, now).await };
        if let Err(error) = answered(deferring).await {
            tracing::debug!(error = %error, "failed to leave jobs to the relay; it takes them later");
        }
    }
}

/// A transaction of state and the jobs that the state requires.
///
/// Derefs to the connection, for functions of `flysk-store`. Dropping it without [`UnitOfWork::commit`] rolls back.
#[derive(Debug)]
pub struct UnitOfWork {
    tx: Tx,
    trace: Trace,
    outbox: Outbox,
    due: Vec<DueJob>,
    /// Due jobs of which the outbox tells.
    told: Vec<EnqueuedJob>,
}

impl UnitOfWork {
    /// Trace of its jobs.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Gives the jobs that are enqueued from now on another trace, in a unit that carries the work of several requests.
    pub fn set_trace(&mut self, trace: Trace) {
        self.trace = trace;
    }

    /// Current time by the clock for timestamps.
    pub fn now(&self) -> DateTime<Utc> {
        self.outbox.clock.now()
    }

    /// Enqueues `job` to run now; `None` if a job with its dedup key is already waiting.
    pub async fn enqueue<J: Job>(&mut self, job: &J) -> StoreResult<Option<JobId>> {
        let now = self.outbox.clock.now();
        self.enqueue_at(job, now).await
    }

    /// Enqueues `job` to run at `run_at` or later; `None` if a job with its dedup key is already waiting.
    pub async fn enqueue_at<J: Job>(&mut self, job: &J, run_at: DateTime<Utc>) -> StoreResult<Option<JobId>> {
        let now = self.outbox.clock.now();
        let draft = Draft::of(job, self.outbox.clock.as_ref())?;
        let wakes_now = run_at <= now && self.places_for_wakeups::<J>() > 0;
        if !jobs::insert(&mut self.tx, &draft.row::<J>(&self.trace, wakes_now, run_at, now)).await? {
            return Ok(None);
        }
        if wakes_now {
            self.due.push(draft.due::<J>());
        }
        let id = draft.id;
        if run_at <= now {
            self.tell::<J>([draft]);
        }
        Ok(Some(id))
    }

    /// Enqueues jobs of a kind to run now, except those with whose dedup key another one waits already.
    pub async fn enqueue_all<J: Job>(&mut self, jobs: &[J]) -> StoreResult<()> {
        let trace = self.trace.clone();
        let traced: Vec<(&J, &Trace)> = jobs.iter().map(|job| (job, &trace)).collect();
        self.enqueue_together(&traced).await
    }

    /// [`UnitOfWork::enqueue_all`], each job with a trace of its own: in a unit that carries the work of several requests. A job that
    /// is alone takes one statement, as by [`UnitOfWork::enqueue`].
    pub async fn enqueue_traced<J: Job>(&mut self, jobs: &[(&J, &Trace)]) -> StoreResult<()> {
        let [(job, trace)] = jobs else { return self.enqueue_together(jobs).await };
        let former = std::mem::replace(&mut self.trace, (*trace).clone());
        let enqueued = self.enqueue(*job).await;
        self.trace = former;
        enqueued.map(drop)
    }

    async fn enqueue_together<J: Job>(&mut self, jobs: &[(&J, &Trace)]) -> StoreResult<()> {
        let clock = Arc::clone(&self.outbox.clock);
        let now = clock.now();
        let drafts = jobs.iter().map(|(job, trace)| Ok((Draft::of(*job, clock.as_ref())?, *trace)));
        let mut drafts: Vec<(Draft, &Trace)> = drafts.collect::<StoreResult<_>>()?;
        let keys: Vec<String> = drafts.iter().filter_map(|(draft, _)| draft.dedup_key.clone()).collect();
        let waiting = jobs::list_waiting_keys(&mut self.tx, J::KIND, &keys).await?;
        drafts.retain(|(draft, _)| draft.dedup_key.as_ref().is_none_or(|key| !waiting.contains(key)));
        let places = self.places_for_wakeups::<J>();
        let rows =
            drafts.iter().zip(0..).map(|((draft, trace), at)| draft.row::<J>(trace, at < places, now, now));
        let rows: Vec<NewJob<'_>> = rows.collect();
        jobs::insert_many(&mut self.tx, &rows).await?;
        // One that began to wait meanwhile was left out: its wake-up finds no job.
        self.due.extend(drafts.iter().take(places).map(|(draft, _)| draft.due::<J>()));
        self.tell::<J>(drafts.into_iter().map(|(draft, _)| draft));
        Ok(())
    }

    /// Notes jobs that are due, if the outbox tells of them.
    fn tell<J: Job>(&mut self, drafts: impl IntoIterator<Item = Draft>) {
        if self.outbox.enqueued.is_some() {
            self.told.extend(drafts.into_iter().map(Draft::enqueued::<J>));
        }
    }

    /// Number of further wake-ups of `J` that the commit may push. None to a full queue: its relay selects the jobs fairly between
    /// tenants, and at once, because it does not wait for a push of this process.
    fn places_for_wakeups<J: Job>(&self) -> usize {
        let is_urgent = J::POLICY.priority == Priority::High;
        match &self.outbox.notifier {
            Some(notifier) if is_urgent || !notifier.is_full(J::POLICY.queue.as_str()) => {
                MAX_WAKEUPS_PER_COMMIT.saturating_sub(self.due.len())
            }
            _ => 0,
        }
    }

    /// Enqueues `job` to run now. If a job with its dedup key is already waiting, makes that job due now with all its
    /// attempts, because the work was requested again.
    pub async fn enqueue_or_expedite<J: Job>(&mut self, job: &J) -> StoreResult<()> {
        if self.enqueue(job).await?.is_none()
            && let Some(dedup_key) = job.dedup_key()
        {
            let now = self.now();
            jobs::expedite(&mut self.tx, J::KIND, &dedup_key, now).await?;
        }
        Ok(())
    }

    /// Commits, then pushes wake-ups in the background. A relay pushes lost wake-ups within a second, so the caller
    /// neither waits for Redis nor fails with it.
    pub async fn commit(self) -> StoreResult<()> {
        self.tx.commit().await?;
        if let Some(enqueued) = &self.outbox.enqueued {
            enqueued.add(self.told);
        }
        if let Some(notifier) = self.outbox.notifier.clone()
            && !self.due.is_empty()
        {
            let wakeups: Vec<WakeupMessage> = self.due.iter().map(WakeupMessage::from).collect();
            let outbox = self.outbox;
            tokio::spawn(async move {
                match notifier.push(&wakeups, Pusher::Enqueuer).await {
                    Ok(refused) => outbox.leave_to_relay(&refused).await,
                    Err(error) => tracing::debug!(error = %error, "failed to push wake-ups; a relay will"),
                }
            });
        }
        Ok(())
    }
}

/// What belongs to the row of a new job.
struct Draft {
    id: JobId,
    payload: serde_json::Value,
    dedup_key: Option<String>,
    tenant: Option<String>,
}

impl Draft {
    fn of<J: Job>(job: &J, clock: &dyn Clock) -> StoreResult<Self> {
        let payload = serde_json::to_value(job)
            .map_err(|error| StoreError::InvalidRow { what: "job payload", reason: error.to_string() })?;
        Ok(Self { id: JobId::generate(clock), payload, dedup_key: job.dedup_key(), tenant: job.tenant() })
    }

    fn row<'a, J: Job>(
        &'a self,
        trace: &'a Trace,
        wakes_now: bool,
        run_at: DateTime<Utc>,
        now: DateTime<Utc>,
    ) -> NewJob<'a> {
        NewJob {
            id: self.id,
            kind: J::KIND,
            queue: J::POLICY.queue.as_str(),
            priority: J::POLICY.priority as u8,
            payload: &self.payload,
            max_attempts: J::POLICY.attempts,
            run_at,
            push_at: if wakes_now { run_at + RELAY_GRACE } else { run_at },
            dedup_key: self.dedup_key.as_deref(),
            tenant: self.tenant.as_deref(),
            trace,
            created_at: now,
        }
    }

    fn due<J: Job>(&self) -> DueJob {
        let queue = J::POLICY.queue.as_str().to_owned();
        DueJob { id: self.id, queue, priority: J::POLICY.priority as u8, fence: 0 }
    }

    fn enqueued<J: Job>(self) -> EnqueuedJob {
        EnqueuedJob { id: self.id, kind: J::KIND, payload: self.payload }
    }
}

impl Deref for UnitOfWork {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        &self.tx
    }
}

impl DerefMut for UnitOfWork {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.tx
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use flysk_domain::ManualClock;
    use serde::{Deserialize, Serialize};
    use sqlx::MySqlPool;

    use super::*;
    use crate::connection::connect_redis;
    use crate::policy::Policy;
    use crate::queue_name::QueueName;
    use crate::transport::RedisKeys;

    #[derive(Serialize, Deserialize)]
    struct Usual {}

    impl Job for Usual {
        const KIND: &'static str = "test.usual";
        const POLICY: Policy = Policy::for_queue(QueueName::new("test"));
        const TRIGGER: &'static str = "a test";
        const DESCRIPTION: &'static str = "waits for its turn";
    }

    #[derive(Serialize, Deserialize)]
    struct Urgent {}

    impl Job for Urgent {
        const KIND: &'static str = "test.urgent";
        const POLICY: Policy = Policy::for_queue(QueueName::new("test")).priority(Priority::High);
        const TRIGGER: &'static str = "a test";
        const DESCRIPTION: &'static str = "somebody waits for it";
    }

    #[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
    #[expect(clippy::disallowed_methods, reason = "the variable names the Redis of the tests")]
    async fn while_a_queue_is_full_only_urgent_jobs_are_pushed(pool: MySqlPool) {
        let clock = ManualClock::at(DateTime::from_timestamp(1_793_000_000, 0).unwrap());
        let redis = connect_redis(&std::env::var("REDIS_URL").unwrap()).await.unwrap();
        let keys = RedisKeys::new(format!("outbox-urgent-{}", std::process::id()));
        let notifier = QueueNotifier::new(redis, keys);
        let full_queues = Arc::clone(&notifier.full_queues);
        let outbox = Outbox::new(pool.clone(), Some(notifier), Arc::new(clock.clone()));
        // A job that is pushed is not due for a relay yet.
        let due =
            async || jobs::list_due(&mut pool.acquire().await.unwrap(), clock.now(), 10).await.unwrap().len();
        let begin = || outbox.begin(Trace { correlation_id: "test".to_owned(), traceparent: None });

        // Later than this test lasts: it stays full.
        full_queues.note("test", true, Instant::now() + Duration::from_hours(1));
        let mut unit = begin().await.unwrap();
        unit.enqueue(&Usual {}).await.unwrap();
        unit.enqueue_all(&[Usual {}, Usual {}]).await.unwrap();
        unit.enqueue(&Urgent {}).await.unwrap();
        unit.commit().await.unwrap();
        assert_eq!(due().await, 3);

        full_queues.note("test", false, Instant::now());
        let mut unit = begin().await.unwrap();
        unit.enqueue(&Usual {}).await.unwrap();
        unit.enqueue_all(&[Usual {}, Usual {}]).await.unwrap();
        unit.commit().await.unwrap();
        assert_eq!(due().await, 3);
    }
}
