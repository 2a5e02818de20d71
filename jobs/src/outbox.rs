//! Writing jobs in the transaction that makes them necessary.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use flysk_domain::Clock;
use flysk_domain::id::JobId;
use flysk_domain::trace::Trace;
use flysk_store::jobs::{self, DueJob, NewJob};
use flysk_store::{Conn, Pool, StoreError, StoreResult, Tx};

use crate::job::Job;
use crate::wake::{Waker, Wakeup};

/// A relay looks at a fresh row only after this long, since its writer wakes a worker itself.
const GRACE: Duration = Duration::from_secs(1);

/// More than this at once is left to the relay, which keeps tenants' turns.
const WAKE_AT_MOST: usize = 64;

/// Opens units of work; clones share the pool and the connection to Redis.
#[derive(Clone, Debug)]
pub struct Outbox {
    pool: Pool,
    waker: Option<Waker>,
    clock: Arc<dyn Clock>,
}

impl Outbox {
    /// Without a `waker` (Redis), relays carry everything: a second later, but just as surely.
    pub fn new(pool: Pool, waker: Option<Waker>, clock: Arc<dyn Clock>) -> Self {
        Self { pool, waker, clock }
    }

    /// The pool, for reads outside a unit.
    pub fn pool(&self) -> &Pool {
        &self.pool
    }

    /// The clock that stamps rows.
    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Opens a unit of work on the thread `trace`. Who is not inside a job's run, which is repeated by the engine, repeats it with
    /// [`flysk_store::repeat_contended`].
    pub async fn begin(&self, trace: Trace) -> StoreResult<Unit> {
        let tx = self.pool.begin().await?;
        Ok(Unit { tx, trace, outbox: self.clone(), due: Vec::new() })
    }
}

/// A transaction that carries state and the jobs the state makes necessary.
///
/// Derefs to the connection, for the functions of `flysk-store`. Dropped without [`Unit::commit`] it
/// leaves nothing behind.
#[derive(Debug)]
pub struct Unit {
    tx: Tx,
    trace: Trace,
    outbox: Outbox,
    due: Vec<DueJob>,
}

impl Unit {
    /// The thread its jobs hang on.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Now, by the clock that stamps rows.
    pub fn now(&self) -> DateTime<Utc> {
        self.outbox.clock.now()
    }

    /// Writes `job` to run now; `None` if one of its dedup key waits already.
    pub async fn enqueue<J: Job>(&mut self, job: &J) -> StoreResult<Option<JobId>> {
        let now = self.outbox.clock.now();
        self.enqueue_at(job, now).await
    }

    /// Writes `job` to run no earlier than `run_at`; `None` if one of its dedup key waits already.
    pub async fn enqueue_at<J: Job>(&mut self, job: &J, run_at: DateTime<Utc>) -> StoreResult<Option<JobId>> {
        let now = self.outbox.clock.now();
        let id = JobId::generate(self.outbox.clock.as_ref());
        let payload = serde_json::to_value(job)
            .map_err(|error| StoreError::Corrupt { what: "job payload", reason: error.to_string() })?;
        let wake_now = run_at <= now && self.outbox.waker.is_some() && self.due.len() < WAKE_AT_MOST;
        let (dedup_key, tenant) = (job.dedup_key(), job.tenant());
        let row = NewJob {
            id,
            kind: J::KIND,
            queue: J::POLICY.queue.as_str(),
            priority: J::POLICY.priority as u8,
            payload: &payload,
            max_attempts: J::POLICY.attempts,
            run_at,
            push_at: if wake_now { run_at + GRACE } else { run_at },
            dedup_key: dedup_key.as_deref(),
            tenant: tenant.as_deref(),
            trace: &self.trace,
            created_at: now,
        };
        if !jobs::insert(&mut self.tx, &row).await? {
            return Ok(None);
        }
        if wake_now {
            self.due.push(DueJob { id, queue: row.queue.to_owned(), priority: row.priority, fence: 0 });
        }
        Ok(Some(id))
    }

    /// Writes `job` to run now. If one of its dedup key waits already, that one is due now instead, with all its attempts:
    /// somebody asks anew for what an older request left waiting.
    pub async fn enqueue_or_expedite<J: Job>(&mut self, job: &J) -> StoreResult<()> {
        if self.enqueue(job).await?.is_none()
            && let Some(dedup_key) = job.dedup_key()
        {
            let now = self.now();
            jobs::expedite(&mut self.tx, J::KIND, &dedup_key, now).await?;
        }
        Ok(())
    }

    /// Makes state and jobs durable, then wakes workers. A wake-up that is lost here is made again by
    /// a relay within a second, so nobody waits for Redis and nobody fails with it.
    pub async fn commit(self) -> StoreResult<()> {
        self.tx.commit().await?;
        if let Some(waker) = self.outbox.waker.clone()
            && !self.due.is_empty()
        {
            let wakeups: Vec<Wakeup> = self.due.iter().map(Wakeup::from).collect();
            tokio::spawn(async move {
                if let Err(error) = waker.push(&wakeups).await {
                    tracing::debug!(error = %error, "no wake-up reached Redis, a relay will carry it");
                }
            });
        }
        Ok(())
    }
}

impl Deref for Unit {
    type Target = Conn;

    fn deref(&self) -> &Conn {
        &self.tx
    }
}

impl DerefMut for Unit {
    fn deref_mut(&mut self) -> &mut Conn {
        &mut self.tx
    }
}
