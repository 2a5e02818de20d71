//! Failovers of Redis by Sentinel.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use flysk_config::Redis as RedisConfig;
use flysk_queue::{Outbox, RedisConnection, RedisKeys, check_redis};
use flysk_suite::chaos::fleet::{Fleet, enqueue, lock_machine};
use flysk_suite::chaos::redis::{Departure, RedisWithSentinels};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::marks;

const STOP_GRACE: Duration = Duration::from_secs(10);

/// Time from the moment when the replica is the primary until wake-ups flow again, on a machine that does nothing else.
const FLOW_TIME: Duration = Duration::from_secs(10);

/// Only what keeps to the old primary takes as long.
const FLOW_TIMEOUT: Duration = Duration::from_mins(2);

/// Longer than any wait of the tests: nothing but the sentinels ends a command that gets no reply.
const RESPONSE_TIMEOUT: Duration = Duration::from_mins(30);

/// Jobs enqueued after each failover.
const PROBES: u64 = 50;

/// Keys of the load; those of the probes are below.
const FIRST_KEY_OF_LOAD: u64 = 1_000_000;

/// Jobs of the load that are enqueued together.
const LOAD_BATCH: u64 = 10;

/// Jobs that arrive all the time.
pub(crate) struct Load {
    stop: CancellationToken,
    arriving: JoinHandle<anyhow::Result<u64>>,
}

impl Load {
    pub(crate) fn start(fleet: &Fleet) -> Self {
        let stop = CancellationToken::new();
        let arriving = tokio::spawn(arrive(fleet.outbox.clone(), stop.clone()));
        Self { stop, arriving }
    }

    /// Returns the number of jobs.
    pub(crate) async fn end(self) -> anyhow::Result<u64> {
        self.stop.cancel();
        self.arriving.await?
    }
}

async fn arrive(outbox: Outbox, stop: CancellationToken) -> anyhow::Result<u64> {
    let mut arrived = 0;
    while stop.run_until_cancelled(tokio::time::sleep(Duration::from_millis(50))).await.is_some() {
        let first = FIRST_KEY_OF_LOAD + arrived;
        enqueue(&outbox, &marks(first..first + LOAD_BATCH, 20)).await?;
        arrived += LOAD_BATCH;
    }
    Ok(arrived)
}

/// Fails over once for each departure while jobs arrive. Each time, jobs enqueued after the failover are done in time.
async fn fail_over_under_load(
    departures: impl IntoIterator<Item = Departure>,
    flow_timeout: Duration,
) -> anyhow::Result<()> {
    const PROBES_DONE: &str = "SELECT COUNT(*) FROM chaos_marks WHERE mark_key < 1000000";
    let mut fleet = Fleet::start_with_sentinels(Duration::from_secs(10)).await?;
    fleet.start_worker(20, STOP_GRACE)?;
    fleet.start_worker(20, STOP_GRACE)?;
    let load = Load::start(&fleet);
    fleet.wait_for("SELECT COUNT(*) FROM chaos_marks", 20).await?;
    let mut probes = 0;
    for departure in departures {
        let promoted = fleet.fail_over_redis(departure)?;
        fleet.enqueue(&marks(probes..probes + PROBES, 10)).await?;
        probes += PROBES;
        fleet.wait_for(PROBES_DONE, i64::try_from(probes)?).await?;
        let flowed = promoted.elapsed();
        ensure!(flowed < flow_timeout, "{departure:?}: wake-ups flow after {flowed:?}");
        fleet.restore_redis()?;
    }
    let jobs = load.end().await? + probes;
    fleet.check_exactly_once(usize::try_from(jobs)?).await
}

#[tokio::test(flavor = "multi_thread")]
async fn wake_ups_flow_after_a_failover_and_no_job_is_lost_or_doubled() -> anyhow::Result<()> {
    fail_over_under_load([Departure::Killed], FLOW_TIMEOUT).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: 20 failovers take minutes"]
async fn twenty_failovers_under_load_lose_and_double_no_job_and_wake_ups_flow_in_ten_seconds()
-> anyhow::Result<()> {
    let departures = [Departure::Killed, Departure::Frozen, Departure::Demoted, Departure::Killed];
    fail_over_under_load(departures.into_iter().cycle().take(20), FLOW_TIME).await
}

/// A primary that accepts connections and answers nothing holds up commands only until the sentinels name another one, not
/// until their timeout.
#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_primary_is_left_when_the_sentinels_name_another() -> anyhow::Result<()> {
    let _lock = lock_machine().await;
    let mut redis = RedisWithSentinels::start()?;
    let config = RedisConfig { response_timeout: RESPONSE_TIMEOUT, ..RedisConfig::at(&redis.url()) };
    let (mut connection, keys) = (RedisConnection::connect(&config).await?, RedisKeys::new("chaos"));
    check_redis(&mut connection, &keys).await?;
    let waiting = tokio::spawn({
        let mut connection = connection.clone();
        async move {
            let blocking =
                redis::cmd("BLPOP").arg("chaos:nothing").arg(RESPONSE_TIMEOUT.as_secs()).to_owned();
            blocking.query_async::<Option<Vec<String>>>(&mut connection).await
        }
    });
    wait_for_blocked_client(&redis.primary_url()?).await?;
    let promoted = redis.fail_over(Departure::Frozen)?;
    while let Err(error) = check_redis(&mut connection, &keys).await {
        ensure!(promoted.elapsed() < FLOW_TIMEOUT, "after {:?}: {error}", promoted.elapsed());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let lost = tokio::time::timeout(FLOW_TIMEOUT, waiting).await.context("a command waits on")??;
    ensure!(lost.is_err(), "{lost:?}");
    Ok(())
}

async fn wait_for_blocked_client(url: &str) -> anyhow::Result<()> {
    let mut direct = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
    let deadline = Instant::now() + FLOW_TIMEOUT;
    loop {
        let info: String = redis::cmd("INFO").arg("clients").query_async(&mut direct).await?;
        if info.contains("blocked_clients:1") {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "no client waits: {info}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
