//! A cluster of databases whose nodes go while jobs arrive: `FLYSK_DATABASE=galera cargo xtask test` installs its packages, and
//! `FLYSK_DATABASE=group-replication` unpacks MySQL.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use flysk_store::Pool;
use flysk_suite::chaos::database::{NodeDeparture, TestCluster};
use flysk_suite::chaos::fleet::{Fleet, lock_machine};
use flysk_suite::chaos::redis::Departure;
use flysk_workers::schema;
use sqlx::migrate::Migrate as _;
use sqlx::{Connection as _, MySqlConnection};

use crate::failovers::Load;
use crate::marks;

const STOP_GRACE: Duration = Duration::from_secs(10);

/// Time from the end of a node's process until jobs are done again: the others wait for it 5 s (`evs.suspect_timeout`), and
/// from then on jobs may take 10 s.
const FLOW_TIMEOUT: Duration = Duration::from_secs(15);
/// The same if the node accepts connections and answers nothing: statements that wait for it are given up after 15 s.
const FLOW_TIMEOUT_OF_SILENCE: Duration = Duration::from_secs(45);

/// Jobs enqueued after each departure.
const PROBES: u64 = 50;
const PROBES_DONE: &str = "SELECT COUNT(*) FROM chaos_marks WHERE mark_key < 1000000";

fn flow_timeout(departure: NodeDeparture) -> Duration {
    match departure {
        NodeDeparture::Killed => FLOW_TIMEOUT,
        NodeDeparture::Frozen => FLOW_TIMEOUT_OF_SILENCE,
    }
}

/// A fleet on a cluster: two workers and the test, at three nodes. Jobs arrive all the time.
struct Rounds {
    fleet: Fleet,
    load: Load,
    probes: u64,
}

impl Rounds {
    async fn start(mut fleet: Fleet) -> anyhow::Result<Self> {
        fleet.start_worker(20, STOP_GRACE)?;
        fleet.start_worker(20, STOP_GRACE)?;
        let load = Load::start(&fleet);
        fleet.wait_for("SELECT COUNT(*) FROM chaos_marks", 20).await?;
        Ok(Self { fleet, load, probes: 0 })
    }

    /// Jobs that are enqueued now are done before `limit` is over.
    async fn flows_within(&mut self, limit: Duration, since: Instant) -> anyhow::Result<()> {
        self.fleet.enqueue(&marks(self.probes..self.probes + PROBES, 10)).await?;
        self.probes += PROBES;
        self.fleet.wait_for(PROBES_DONE, i64::try_from(self.probes)?).await?;
        let flowed = since.elapsed();
        ensure!(flowed < limit, "jobs flow after {flowed:?}");
        Ok(())
    }

    /// A node goes, jobs flow again, the node comes back.
    async fn lose_node(&mut self, number: usize, departure: NodeDeparture) -> anyhow::Result<()> {
        let gone = Instant::now();
        self.fleet.cluster()?.depart(number, departure)?;
        let flows = self.flows_within(flow_timeout(departure), gone).await;
        flows.with_context(|| format!("node {number}, {departure:?}"))?;
        self.fleet.cluster()?.rejoin(number)
    }

    /// A node and the primary of Redis go together, jobs flow again, both come back.
    async fn lose_both(
        &mut self,
        number: usize,
        (node, redis): (NodeDeparture, Departure),
    ) -> anyhow::Result<()> {
        let gone = Instant::now();
        self.fleet.cluster()?.depart(number, node)?;
        self.fleet.fail_over_redis(redis)?;
        self.flows_within(flow_timeout(node), gone)
            .await
            .with_context(|| format!("node {number}, {node:?}"))?;
        self.fleet.restore_redis()?;
        self.fleet.cluster()?.rejoin(number)
    }

    async fn end(mut self) -> anyhow::Result<()> {
        let jobs = self.load.end().await? + self.probes;
        self.fleet.check_exactly_once(usize::try_from(jobs)?).await
    }
}

/// Each time another node: the one of the test, or of a worker.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: needs a Galera cluster, of which 20 nodes are killed"]
async fn twenty_killed_nodes_under_load_lose_and_double_no_job() -> anyhow::Result<()> {
    let mut rounds = Rounds::start(Fleet::start_on_cluster(Duration::from_secs(10)).await?).await?;
    for round in 0..20 {
        rounds.lose_node(round % TestCluster::SIZE, NodeDeparture::Killed).await?;
    }
    rounds.end().await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: needs a Galera cluster, of which nodes are frozen"]
async fn frozen_nodes_under_load_lose_and_double_no_job() -> anyhow::Result<()> {
    let mut rounds = Rounds::start(Fleet::start_on_cluster(Duration::from_secs(10)).await?).await?;
    for number in 0..TestCluster::SIZE {
        rounds.lose_node(number, NodeDeparture::Frozen).await?;
    }
    rounds.end().await
}

/// The primary of Redis goes together with a node.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: needs a Galera cluster, of which 5 nodes are killed"]
async fn both_servers_fail_over_at_once_and_lose_and_double_no_job() -> anyhow::Result<()> {
    let fleet = Fleet::start_on_cluster_with_sentinels(Duration::from_secs(10)).await?;
    let mut rounds = Rounds::start(fleet).await?;
    for round in 0..5 {
        rounds.lose_both(round % TestCluster::SIZE, (NodeDeparture::Killed, Departure::Killed)).await?;
    }
    rounds.end().await
}

/// The same with servers that accept connections and answer nothing. What relays ask of the database because Redis is another one
/// then waits for a node that does not answer.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: needs a Galera cluster, of which nodes are frozen"]
async fn both_servers_freeze_at_once_and_lose_and_double_no_job() -> anyhow::Result<()> {
    let fleet = Fleet::start_on_cluster_with_sentinels(Duration::from_secs(10)).await?;
    let mut rounds = Rounds::start(fleet).await?;
    for number in 0..TestCluster::SIZE {
        rounds.lose_both(number, (NodeDeparture::Frozen, Departure::Frozen)).await?;
    }
    rounds.end().await
}

/// `GET_LOCK` is local to a node. Each of two processes has its own node, unless the cluster has one primary.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: needs a Galera cluster"]
async fn of_two_processes_that_migrate_at_two_nodes_one_waits() -> anyhow::Result<()> {
    let _lock = lock_machine().await;
    let cluster = TestCluster::start()?;
    let first = flysk_store::connect(&cluster.url_from(0), 4).await?;
    let second = flysk_store::connect(&cluster.url_from(1), 4).await?;
    tokio::try_join!(schema::migrate(&first), schema::migrate(&second))?;
    for pool in [first, second] {
        let applied = pool.acquire().await?.list_applied_migrations("_sqlx_migrations").await?;
        ensure!(applied.len() == flysk_migrations::MIGRATOR.iter().count(), "{} are applied", applied.len());
    }
    Ok(())
}

/// A node without the others executes statements that touch no table. It is down all the same, and left when another node
/// takes writes.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: needs a Galera cluster"]
async fn a_node_without_quorum_is_down() -> anyhow::Result<()> {
    let _lock = lock_machine().await;
    let mut cluster = TestCluster::start()?;
    let alone = flysk_store::connect(&cluster.node_url(0)?, 4).await?;
    schema::migrate(&alone).await?;
    let all = flysk_store::connect(&cluster.url_from(0), 4).await?;
    flysk_store::check_primary(&alone).await?;
    for number in 1..TestCluster::SIZE {
        cluster.depart(number, NodeDeparture::Killed)?;
    }
    wait_until_down(&alone).await?;
    let mut plain = MySqlConnection::connect(&cluster.node_url(0)?).await?;
    let answered: i64 = sqlx::query_scalar("SELECT 1").fetch_one(&mut plain).await?;
    ensure!(answered == 1, "{answered}");
    ensure!(flysk_store::check_primary(&all).await.is_err(), "a node without quorum is used");
    cluster.restart()?;
    let began = Instant::now();
    while let Err(error) = flysk_store::check_primary(&all).await {
        ensure!(began.elapsed() < FLOW_TIMEOUT_OF_SILENCE, "the cluster is back, and unused: {error}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

async fn wait_until_down(pool: &Pool) -> anyhow::Result<()> {
    let began = Instant::now();
    while flysk_store::check_primary(pool).await.is_ok() {
        ensure!(began.elapsed() < FLOW_TIMEOUT_OF_SILENCE, "it is not down");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}
