//! Guarantees on a cluster whose locks are local to a node. `FLYSK_CLUSTER` lists the URLs of its nodes; xtask sets it for the
//! cluster that it starts:
//!
//! `FLYSK_DATABASE=galera cargo xtask test -p flysk-store --test cluster -- --ignored`

#![expect(clippy::unwrap_used, clippy::panic, reason = "a failing test panics with the reason")]

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::Randomness as _;
use flysk_domain::flysense::account::AccountStatus;
use flysk_domain::flysense::call::EntityType;
use flysk_domain::flysense::roles::Role;
use flysk_domain::id::{
    AccountId, EntityId, InstallId, JobId, NoteId, SubscriptionId, TranscriptionId, WidgetId,
};
use flysk_domain::trace::Trace;
use flysk_domain::{Clock as _, ManualClock};
use flysk_store::flysense::accounts;
use flysk_store::flysense::transcriptions::{self, NewTranscription};
use flysk_store::jobs::{self, JobState, NewJob};
use flysk_store::platform::ledger::{self, Proof};
use flysk_store::platform::subscriptions;
use flysk_store::{Pool, StoreResult, repeat_contended};
use sqlx::AssertSqlSafe;
use tokio::sync::Barrier;

/// Number of races, enough to reproduce the fault reliably: it occurred in every second one.
const RACE_COUNT: u64 = 100;
const LEASE_TTL: Duration = Duration::from_secs(30);

struct Cluster {
    nodes: [Pool; 2],
    clock: ManualClock,
}

impl Cluster {
    /// Opens two nodes, with an own database that is migrated.
    #[expect(clippy::disallowed_methods, reason = "the variable names the cluster's nodes")]
    async fn open(database: &str) -> Self {
        let urls = std::env::var("FLYSK_CLUSTER").unwrap_or_else(|_| panic!("FLYSK_CLUSTER lists no nodes"));
        let urls: Vec<&str> = urls.split(',').collect();
        let [one, other, ..] = urls[..] else { panic!("two nodes are needed: {urls:?}") };
        let server = flysk_store::connect(one, 1).await.unwrap();
        for statement in
            [format!("DROP DATABASE IF EXISTS {database}"), format!("CREATE DATABASE {database}")]
        {
            sqlx::query(AssertSqlSafe(statement)).execute(&server).await.unwrap();
        }
        let nodes = [open_node(one, database).await, open_node(other, database).await];
        flysk_migrations::migrate(&nodes[0]).await.unwrap();
        let clock = ManualClock::at(DateTime::from_timestamp(1_793_000_000, 0).unwrap());
        let cluster = Self { nodes, clock };
        cluster.wait_until_seen("SELECT COUNT(*) FROM _sqlx_migrations WHERE success").await;
        cluster
    }

    fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Waits until both nodes return the same count.
    async fn wait_until_seen(&self, count: &'static str) {
        let wanted: i64 = sqlx::query_scalar(count).fetch_one(&self.nodes[0]).await.unwrap();
        loop {
            let seen = sqlx::query_scalar::<_, i64>(count).fetch_one(&self.nodes[1]).await;
            if seen.is_ok_and(|seen| seen == wanted) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Creates an empty table on both nodes.
    async fn create(&self, drop: &'static str, create: &'static str, count: &'static str) {
        for statement in [drop, create] {
            sqlx::query(statement).execute(&self.nodes[0]).await.unwrap();
        }
        self.wait_until_seen(count).await;
    }

    async fn card(&self, account: AccountId, note: u64) -> TranscriptionId {
        let id = TranscriptionId::generate(&self.clock);
        let new = NewTranscription {
            id,
            account_id: account,
            install_id: InstallId::generate(&self.clock),
            entity_type: EntityType::Lead,
            entity_id: EntityId(note),
            note_id: NoteId(note),
            requested_by: None,
            left_channel: Role::Operator,
            trace: &trace(),
            now: self.now(),
        };
        transcriptions::insert(&mut self.nodes[0].acquire().await.unwrap(), &new).await.unwrap();
        id
    }
}

/// Connects to a database that was created at another node a moment ago.
async fn open_node(url: &str, database: &str) -> Pool {
    let (node, _) = url.rsplit_once('/').unwrap();
    for _ in 0..200 {
        if let Ok(pool) = flysk_store::connect(&format!("{node}/{database}"), 8).await {
            return pool;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("{database} has not reached the node")
}

fn trace() -> Trace {
    Trace { correlation_id: "cluster".to_owned(), traceparent: None }
}

/// Asks on one node whether the card's call is the first, concurrently with the other node.
async fn ask(
    pool: &Pool,
    start: &Barrier,
    account: AccountId,
    card: TranscriptionId,
    key: &str,
    now: DateTime<Utc>,
) -> StoreResult<bool> {
    start.wait().await;
    repeat_contended(|| async {
        let mut tx = pool.begin().await?;
        let first = transcriptions::is_first_of_call(&mut tx, account, card, key, now).await?;
        if first {
            tx.commit().await?;
        }
        StoreResult::Ok(first)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn of_two_concurrent_requests_for_a_call_one_succeeds_on_any_node() {
    let cluster = Cluster::open("cluster_calls").await;
    let now = cluster.now();
    let account = AccountId(u64::try_from(cluster.clock.random_u128() >> 96).unwrap());
    let mut conn = cluster.nodes[0].acquire().await.unwrap();
    let install = InstallId::generate(&cluster.clock);
    accounts::note_event(&mut conn, account, install, "one.amocrm.ru", AccountStatus::Active, 1, now)
        .await
        .unwrap();
    drop(conn);
    let mut let_in = [0; 3];
    for race in 0..RACE_COUNT {
        let cards = [cluster.card(account, race * 2 + 1).await, cluster.card(account, race * 2 + 2).await];
        cluster.wait_until_seen("SELECT COUNT(*) FROM transcriptions").await;
        let (start, key) = (Barrier::new(2), format!("{race:064}"));
        let [one, other] = &cluster.nodes;
        let (left, right) = tokio::join!(
            ask(one, &start, account, cards[0], &key, now),
            ask(other, &start, account, cards[1], &key, now)
        );
        let_in[usize::from(left.unwrap()) + usize::from(right.unwrap())] += 1;
    }
    assert_eq!(let_in, [0, 100, 0], "races in which none, one, both were let in");
}

/// All proofs are forgotten on one node while a verification proves the next range on the other. A range behind forgotten ones
/// would have sums of its own entries only.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn no_range_is_proven_behind_forgotten_ones() {
    let cluster = Cluster::open("cluster_proofs").await;
    let [one, other] = &cluster.nodes;
    let proof = |number: u64| Proof { number, ..Proof::start() };
    for race in 0..RACE_COUNT {
        sqlx::query("DELETE FROM ledger_proofs").execute(one).await.unwrap();
        ledger::insert_proof(&mut one.acquire().await.unwrap(), &proof(1), cluster.now()).await.unwrap();
        let start = Barrier::new(2);
        let forget = async {
            let mut tx = one.begin().await?;
            let last = ledger::lock_last_proof(&mut tx).await?.unwrap_or_else(Proof::start);
            start.wait().await;
            ledger::forget_proofs(&mut tx, last.number + 1).await?;
            StoreResult::Ok(tx.commit().await?)
        };
        let prove = async {
            let mut tx = other.begin().await?;
            let last = ledger::lock_last_proof(&mut tx).await?.unwrap_or_else(Proof::start);
            start.wait().await;
            ledger::insert_proof(&mut tx, &proof(last.number + 1), cluster.now()).await?;
            StoreResult::Ok(tx.commit().await?)
        };
        let (forgotten, proven) = tokio::join!(forget, prove);
        let left: Vec<u64> = sqlx::query_scalar("SELECT number FROM ledger_proofs ORDER BY number")
            .fetch_all(one)
            .await
            .unwrap();
        let is_whole = left.is_empty() || left == [1, 2];
        assert!(is_whole, "race {race}: {forgotten:?}, {proven:?}, {left:?}");
    }
}

/// A worker commits an effect under its lease on one node while the job is rescued on the other.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn no_effect_is_committed_after_a_rescue_on_another_node() {
    let cluster = Cluster::open("cluster_rescues").await;
    cluster
        .create(
            "DROP TABLE IF EXISTS cluster_effects",
            "CREATE TABLE cluster_effects (id BIGINT PRIMARY KEY)",
            "SELECT COUNT(*) FROM information_schema.tables WHERE table_name = 'cluster_effects'",
        )
        .await;
    let mut both = 0;
    for race in 0..RACE_COUNT {
        both += u32::from(race_with_rescuer(&cluster, race).await);
    }
    assert_eq!(both, 0, "races in which the effect was committed and the job taken away");
}

fn job<'a>(
    cluster: &Cluster,
    payload: &'a serde_json::Value,
    dedup_key: Option<&'a str>,
    trace: &'a Trace,
) -> NewJob<'a> {
    let now = cluster.now();
    NewJob {
        id: JobId::generate(&cluster.clock),
        kind: "test.cluster",
        queue: "upkeep",
        priority: 1,
        payload,
        max_attempts: 5,
        run_at: now,
        push_at: now,
        dedup_key,
        tenant: None,
        trace,
        created_at: now,
    }
}

/// Returns whether both succeeded.
async fn race_with_rescuer(cluster: &Cluster, race: u64) -> bool {
    let (now, payload, trace) = (cluster.now(), serde_json::json!({}), trace());
    let job = job(cluster, &payload, None, &trace);
    let id = job.id;
    let [one, other] = &cluster.nodes;
    let mut conn = one.acquire().await.unwrap();
    assert!(jobs::insert(&mut conn, &job).await.unwrap());
    let lease = jobs::claim(&mut conn, id, "one", now + LEASE_TTL, now).await.unwrap().unwrap();
    drop(conn);
    while jobs::find(&mut other.acquire().await.unwrap(), id)
        .await
        .unwrap()
        .is_none_or(|job| job.state != JobState::Running)
    {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (start, late) = (Arc::new(Barrier::new(2)), now + TimeDelta::minutes(1));
    let effect = async {
        start.wait().await;
        let mut tx = one.begin().await?;
        if !jobs::lock_if_owned(&mut tx, lease.fence).await? {
            return StoreResult::Ok(false);
        }
        sqlx::query("INSERT INTO cluster_effects (id) VALUES (?)").bind(race).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(true)
    };
    let rescue = async {
        start.wait().await;
        let mut conn = other.acquire().await?;
        StoreResult::Ok(
            jobs::steal_expired(&mut conn, lease.fence, "other", late + LEASE_TTL, late).await?.is_some(),
        )
    };
    let (effect, rescue) = tokio::join!(effect, rescue);
    // The effect was committed before the job was rescued: a valid order, and the effect's own completion would have failed.
    let effect = effect.unwrap_or(false);
    let units: i64 = sqlx::query_scalar("SELECT CAST(units_begun AS SIGNED) FROM jobs WHERE id = ?")
        .bind(id.to_string())
        .fetch_one(other)
        .await
        .unwrap();
    effect && rescue.unwrap_or(false) && units == 0
}

/// Decides once per subscription: only what is decided under its lock keeps a second decision out.
async fn decide(pool: &Pool, start: &Barrier, id: SubscriptionId) -> StoreResult<bool> {
    start.wait().await;
    repeat_contended(|| async {
        let mut tx = pool.begin().await?;
        subscriptions::lock_subscription(&mut tx, id).await?;
        let decided: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM cluster_decisions WHERE subscription_id = ?")
                .bind(id.to_string())
                .fetch_one(&mut *tx)
                .await?;
        if decided > 0 {
            return StoreResult::Ok(false);
        }
        sqlx::query("INSERT INTO cluster_decisions (subscription_id) VALUES (?)")
            .bind(id.to_string())
            .execute(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(true)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn of_two_decisions_under_the_lock_of_a_subscription_one_is_made() {
    let cluster = Cluster::open("cluster_locks").await;
    cluster
        .create(
            "DROP TABLE IF EXISTS cluster_decisions",
            "CREATE TABLE cluster_decisions (id BIGINT AUTO_INCREMENT PRIMARY KEY, subscription_id CHAR(30))",
            "SELECT COUNT(*) FROM information_schema.tables WHERE table_name = 'cluster_decisions'",
        )
        .await;
    let mut made = [0; 3];
    for _ in 0..RACE_COUNT {
        let id = SubscriptionId::generate(&cluster.clock);
        sqlx::query(
            "INSERT INTO subscriptions (id, install_id, widget_id, platform, account_id, state, created_at, updated_at)
             VALUES (?, ?, ?, 'amocrm', 1, 'trial_ended', ?, ?)",
        )
        .bind(id.to_string())
        .bind(InstallId::generate(&cluster.clock).to_string())
        .bind(WidgetId::generate(&cluster.clock).to_string())
        .bind(cluster.now())
        .bind(cluster.now())
        .execute(&cluster.nodes[0])
        .await
        .unwrap();
        cluster.wait_until_seen("SELECT COUNT(*) FROM subscriptions").await;
        let ([one, other], start) = (&cluster.nodes, Barrier::new(2));
        let (left, right) = tokio::join!(decide(one, &start, id), decide(other, &start, id));
        made[usize::from(left.unwrap()) + usize::from(right.unwrap())] += 1;
    }
    assert_eq!(made, [0, 100, 0], "races in which none, one, both decided");
}

/// The loser of a race for a unique key gets 1213 at `COMMIT`, and finds the winner's row when it is repeated.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn of_two_jobs_with_one_dedup_key_one_waits() {
    let cluster = Cluster::open("cluster_keys").await;
    let (payload, trace) = (serde_json::json!({}), trace());
    let mut inserted = [0; 3];
    for race in 0..RACE_COUNT {
        let (start, key) = (Barrier::new(2), format!("race-{race}-{}", cluster.clock.random_u128()));
        let insert = async |pool: &Pool| {
            let new = job(&cluster, &payload, Some(&key), &trace);
            start.wait().await;
            repeat_contended(|| async {
                let mut tx = pool.begin().await?;
                let inserted = jobs::insert(&mut tx, &new).await?;
                tx.commit().await?;
                StoreResult::Ok(inserted)
            })
            .await
            .unwrap()
        };
        let [one, other] = &cluster.nodes;
        let (left, right) = tokio::join!(insert(one), insert(other));
        inserted[usize::from(left) + usize::from(right)] += 1;
    }
    assert_eq!(inserted, [0, 100, 0], "races in which none, one, both were inserted");
}

/// A wake-up may be faster than replication: without waiting, the claim would find nothing, and a relay would push again a
/// second later.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn what_was_committed_at_one_node_is_there_for_the_next_statement_at_another() {
    let cluster = Cluster::open("cluster_reads").await;
    let (payload, trace, now) = (serde_json::json!({}), trace(), cluster.now());
    let [one, other] = &cluster.nodes;
    let (mut writer, mut reader) = (one.acquire().await.unwrap(), other.acquire().await.unwrap());
    for _ in 0..RACE_COUNT * 5 {
        let new = job(&cluster, &payload, None, &trace);
        assert!(jobs::insert(&mut writer, &new).await.unwrap());
        assert!(jobs::find(&mut reader, new.id).await.unwrap().is_some(), "a read missed the row");
        let next = job(&cluster, &payload, None, &trace);
        assert!(jobs::insert(&mut writer, &next).await.unwrap());
        let lease = jobs::claim(&mut reader, next.id, "other", now + LEASE_TTL, now).await.unwrap();
        assert!(lease.is_some(), "a claim missed the row");
    }
}
