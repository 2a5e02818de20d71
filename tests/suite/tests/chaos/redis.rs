//! Redis and MySQL that go away under load.

use std::time::Duration;

use flysk_suite::chaos::fleet::Fleet;

use crate::marks;

const GRACE: Duration = Duration::from_secs(10);

/// How often each disturbance comes.
const TIMES: u64 = 20;

/// Twenty times Redis is wiped, and twenty times killed and restarted, under load.
#[tokio::test(flavor = "multi_thread")]
async fn wiped_and_restarted_redis_loses_nothing() -> anyhow::Result<()> {
    let mut fleet = Fleet::start(Duration::from_secs(10)).await?;
    fleet.start_worker(20, GRACE)?;
    fleet.start_worker(20, GRACE)?;
    for round in 0..TIMES {
        fleet.enqueue(&marks(round * 200..round * 200 + 100, 20)).await?;
        fleet.flush_redis().await?;
        fleet.enqueue(&marks(round * 200 + 100..round * 200 + 200, 20)).await?;
        fleet.restart_redis()?;
    }
    fleet.check_exactly_once(usize::try_from(TIMES * 200)?).await
}

/// Twenty times Redis hangs for ten seconds under load.
#[tokio::test(flavor = "multi_thread")]
async fn hanging_redis_loses_nothing() -> anyhow::Result<()> {
    let mut fleet = Fleet::start(Duration::from_secs(10)).await?;
    fleet.start_worker(20, GRACE)?;
    fleet.start_worker(20, GRACE)?;
    for round in 0..TIMES {
        fleet.enqueue(&marks(round * 100..round * 100 + 50, 50)).await?;
        let pause = fleet.pause_redis(Duration::from_secs(10));
        let load = marks(round * 100 + 50..round * 100 + 100, 50);
        tokio::try_join!(pause, fleet.enqueue(&load))?;
    }
    fleet.check_exactly_once(usize::try_from(TIMES * 100)?).await
}

/// MySQL is killed and restarted under load: who waited for it goes on.
#[tokio::test(flavor = "multi_thread")]
async fn restarted_mysql_loses_nothing() -> anyhow::Result<()> {
    let mut fleet = Fleet::start(Duration::from_secs(10)).await?;
    fleet.start_worker(20, GRACE)?;
    fleet.start_worker(20, GRACE)?;
    for round in 0..3 {
        fleet.enqueue(&marks(round * 300..round * 300 + 300, 30)).await?;
        fleet.restart_mysql()?;
    }
    fleet.check_exactly_once(900).await
}

/// Ten thousand jobs that become due in one moment are all done, and Redis never holds more than a queue may.
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_jobs_due_at_once_are_done() -> anyhow::Result<()> {
    let mut fleet = Fleet::start(Duration::from_secs(20)).await?;
    fleet.enqueue(&marks(0..10_000, 0)).await?;
    fleet.start_worker(50, GRACE)?;
    fleet.start_worker(50, GRACE)?;
    fleet.check_exactly_once(10_000).await
}
