//! Jobs with a single attempt and countable effects.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};
use flysk_domain::id::JobId;
use flysk_domain::trace::Trace;
use flysk_domain::{Clock as _, ManualClock};
use flysk_queue::executor::{Executor, LeaseConfig};
use flysk_queue::{Job, JobContext, JobHandler, JobResult, Outbox, Policy, QueueName, Registry};
use flysk_store::Pool;
use flysk_store::jobs::JobRow;
use serde::{Deserialize, Serialize};
use sqlx::mysql::{MySqlConnectOptions, MySqlPoolOptions};
use tokio::sync::Barrier;

/// Context of the handlers.
pub(crate) struct TestApp {
    met: Barrier,
    has_met: Mutex<BTreeSet<u64>>,
}

impl TestApp {
    /// Waits for the other job, the first time only.
    async fn meet(&self, who: u64) {
        if self.has_met.lock().unwrap().insert(who) {
            self.met.wait().await;
        }
    }
}

/// Increments two rows in sequence, and waits for another job of its kind in between.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CountTwice {
    pub(crate) first: u64,
    pub(crate) second: u64,
}

impl Job for CountTwice {
    const KIND: &'static str = "test.count_twice";
    const POLICY: Policy = Policy::for_queue(QueueName::new("upkeep")).attempts(1);
    const TRIGGER: &'static str = "a test";
    const DESCRIPTION: &'static str = "counts at two rows";
}

impl JobHandler<TestApp> for CountTwice {
    async fn handle(&self, ctx: &JobContext, app: &TestApp) -> JobResult {
        let mut unit = ctx.begin().await?;
        count(&mut unit, self.first).await?;
        app.meet(self.first).await;
        count(&mut unit, self.second).await?;
        ctx.done(unit).await
    }
}

/// Increments one row.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CountOnce {
    pub(crate) at: u64,
}

impl Job for CountOnce {
    const KIND: &'static str = "test.count_once";
    const POLICY: Policy = Policy::for_queue(QueueName::new("upkeep")).attempts(1);
    const TRIGGER: &'static str = "a test";
    const DESCRIPTION: &'static str = "counts at a row";
}

impl JobHandler<TestApp> for CountOnce {
    async fn handle(&self, ctx: &JobContext, _: &TestApp) -> JobResult {
        let mut unit = ctx.begin().await?;
        count(&mut unit, self.at).await?;
        ctx.done(unit).await
    }
}

async fn count(conn: &mut flysk_store::Conn, at: u64) -> flysk_store::StoreResult<()> {
    sqlx::query("UPDATE test_counts SET counted = counted + 1 WHERE id = ?").bind(at).execute(conn).await?;
    Ok(())
}

/// A worker without Redis, and its database.
pub(crate) struct Fixture {
    pub(crate) executor: Arc<Executor<TestApp>>,
    pub(crate) clock: ManualClock,
    pool: Pool,
}

impl Fixture {
    /// Opens a fixture whose executor uses the connection options `through`, and the test `connect`.
    pub(crate) async fn open(
        options: MySqlPoolOptions,
        connect: MySqlConnectOptions,
        through: MySqlConnectOptions,
    ) -> Self {
        let pool = flysk_store::configure_pool(options.clone().max_connections(4))
            .connect_with(connect)
            .await
            .unwrap();
        for create in [
            "CREATE TABLE test_counts (id BIGINT UNSIGNED PRIMARY KEY, counted INT NOT NULL DEFAULT 0)",
            "INSERT INTO test_counts (id) VALUES (1), (2)",
        ] {
            sqlx::query(create).execute(&pool).await.unwrap();
        }
        let clock = ManualClock::at(DateTime::from_timestamp(1_793_000_000, 0).unwrap());
        let own =
            flysk_store::configure_pool(options.max_connections(4)).connect_with(through).await.unwrap();
        let outbox = Outbox::new(own, None, Arc::new(clock.clone()));
        let registry = Registry::default().with::<CountTwice>().with::<CountOnce>();
        let app = TestApp { met: Barrier::new(2), has_met: Mutex::default() };
        let (owner, lease_config) = ("fixture".to_owned(), LeaseConfig::default());
        let executor = Arc::new(Executor::new(outbox, registry, Arc::new(app), owner, lease_config));
        Self { executor, clock, pool }
    }

    pub(crate) async fn enqueue<J: Job>(&self, job: &J) -> JobId {
        let outbox = Outbox::new(self.pool.clone(), None, Arc::new(self.clock.clone()));
        let mut unit = outbox.begin(trace()).await.unwrap();
        let id = unit.enqueue(job).await.unwrap().unwrap();
        unit.commit().await.unwrap();
        id
    }

    /// Values of the counters.
    pub(crate) async fn counted(&self) -> Vec<i32> {
        sqlx::query_scalar("SELECT counted FROM test_counts ORDER BY id").fetch_all(&self.pool).await.unwrap()
    }

    pub(crate) async fn row(&self, id: JobId) -> JobRow {
        flysk_store::jobs::find(&mut self.pool.acquire().await.unwrap(), id).await.unwrap().unwrap()
    }

    pub(crate) async fn rows(&self) -> Vec<JobRow> {
        flysk_store::jobs::list(&mut self.pool.acquire().await.unwrap(), None, None, 100).await.unwrap()
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }
}

pub(crate) fn trace() -> Trace {
    Trace { correlation_id: "contention".to_owned(), traceparent: None }
}
