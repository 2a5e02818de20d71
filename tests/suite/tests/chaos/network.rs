//! A network between worker and database that is cut.

use std::time::{Duration, Instant};

use anyhow::ensure;
use flysk_suite::chaos::fleet::Fleet;
use flysk_suite::chaos::limited::CallService;

use crate::marks;

const STOP_GRACE: Duration = Duration::from_secs(10);

/// How long the network is cut.
const CUT_TIME: Duration = Duration::from_mins(1);

/// Jobs that run when the network is cut.
const SLOW_JOBS: u64 = 10;

/// A worker loses the database for a minute, in the middle of its transactions. Its jobs are taken over; what it sends when the
/// network is back changes none of them; both workers together keep the limits of the service that they call.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: the network is cut for a minute"]
async fn a_minute_without_the_database_breaks_no_lease_no_fence_and_no_limit() -> anyhow::Result<()> {
    let mut fleet = Fleet::start(Duration::from_secs(3)).await?;
    let (cut, link) = fleet.start_worker_behind_link(20, STOP_GRACE).await?;
    fleet.enqueue(&marks(0..SLOW_JOBS, 10_000)).await?;
    fleet.wait_for("SELECT COUNT(*) FROM jobs WHERE state = 'running'", SLOW_JOBS.try_into()?).await?;
    // Some of these are in a transaction at any moment.
    fleet.enqueue(&marks(1_000..3_000, 2)).await?;
    let calls: Vec<CallService> = (3_000..3_300).map(|key| CallService { key }).collect();
    fleet.enqueue(&calls).await?;
    fleet.wait_for("SELECT COUNT(*) FROM chaos_marks WHERE mark_key BETWEEN 1000 AND 2999", 100).await?;

    link.cut();
    let cut_at = Instant::now();
    let other = fleet.start_worker(20, STOP_GRACE)?;
    fleet
        .wait_for(
            "SELECT COUNT(*) FROM chaos_marks WHERE mark_key < 1000 AND attempt > 1",
            SLOW_JOBS.try_into()?,
        )
        .await?;
    ensure!(cut_at.elapsed() < CUT_TIME, "no job was taken over before the network was back");
    tokio::time::sleep_until((cut_at + CUT_TIME).into()).await;
    link.heal();

    ensure!(fleet.is_running(cut), "the worker did not survive");
    fleet.wait_for("SELECT COUNT(*) FROM chaos_marks WHERE mark_key BETWEEN 3000 AND 3999", 250).await?;
    fleet.kill(other)?;
    // Only the worker that was cut off is left.
    fleet.enqueue(&marks(4_000..4_020, 10)).await?;
    fleet.wait_for("SELECT COUNT(*) FROM chaos_marks WHERE mark_key >= 4000", 20).await?;
    fleet.wait_for("SELECT COUNT(*) FROM chaos_marks WHERE mark_key BETWEEN 3000 AND 3999", 300).await?;
    let called = fleet.check_limits().await?;
    ensure!(called >= 300, "{called} calls of 300 jobs");
    fleet.check_exactly_once(10 + 2_000 + 300 + 20).await
}
