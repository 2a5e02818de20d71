//! Guarantees on a cluster whose locks are local to a node. Run manually against two nodes of one Galera cluster, each
//! with an empty database:
//!
//! `FLYSK_CLUSTER=mysql://…@node1/flysk,mysql://…@node2/flysk cargo test -p flysk-store --test cluster --
//! --ignored`

#![expect(clippy::unwrap_used, clippy::panic, reason = "a failing test panics with the reason")]

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::Randomness as _;
use flysk_domain::flysense::account::AccountStatus;
use flysk_domain::flysense::call::EntityType;
use flysk_domain::flysense::roles::Role;
use flysk_domain::id::{AccountId, EntityId, InstallId, JobId, NoteId, TranscriptionId};
use flysk_domain::trace::Trace;
use flysk_domain::{Clock as _, ManualClock};
use flysk_store::flysense::accounts;
use flysk_store::flysense::transcriptions::{self, NewTranscription};
use flysk_store::jobs::{self, NewJob};
use flysk_store::{Pool, StoreResult, repeat_contended};
use tokio::sync::Barrier;

/// Number of races, enough to reproduce the fault reliably: it occurred in every second one.
const RACE_COUNT: u64 = 100;
const LEASE_TTL: Duration = Duration::from_secs(30);

struct Cluster {
    nodes: [Pool; 2],
    clock: ManualClock,
}

impl Cluster {
    #[expect(clippy::disallowed_methods, reason = "the variable names the cluster's nodes")]
    async fn open() -> Self {
        let urls = std::env::var("FLYSK_CLUSTER").unwrap_or_else(|_| panic!("FLYSK_CLUSTER names two nodes"));
        let (one, other) = urls.split_once(',').unwrap();
        let nodes =
            [flysk_store::connect(one, 8).await.unwrap(), flysk_store::connect(other, 8).await.unwrap()];
        flysk_migrations::MIGRATOR.run(&nodes[0]).await.unwrap();
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
    let cluster = Cluster::open().await;
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

/// A worker commits an effect under its lease on one node while the job is rescued on the other.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn no_effect_is_committed_after_a_rescue_on_another_node() {
    let cluster = Cluster::open().await;
    for create in
        ["DROP TABLE IF EXISTS cluster_effects", "CREATE TABLE cluster_effects (id BIGINT PRIMARY KEY)"]
    {
        sqlx::query(create).execute(&cluster.nodes[0]).await.unwrap();
    }
    cluster
        .wait_until_seen(
            "SELECT COUNT(*) FROM information_schema.tables WHERE table_name = 'cluster_effects'",
        )
        .await;
    let mut both = 0;
    for race in 0..RACE_COUNT {
        both += u32::from(race_with_rescuer(&cluster, race).await);
    }
    assert_eq!(both, 0, "races in which the effect was committed and the job taken away");
}

/// Returns whether both succeeded.
async fn race_with_rescuer(cluster: &Cluster, race: u64) -> bool {
    let (now, id, payload) = (cluster.now(), JobId::generate(&cluster.clock), serde_json::json!({}));
    let job = NewJob {
        id,
        kind: "test.cluster",
        queue: "upkeep",
        priority: 1,
        payload: &payload,
        max_attempts: 5,
        run_at: now,
        push_at: now,
        dedup_key: None,
        tenant: None,
        trace: &trace(),
        created_at: now,
    };
    let [one, other] = &cluster.nodes;
    let mut conn = one.acquire().await.unwrap();
    assert!(jobs::insert(&mut conn, &job).await.unwrap());
    let lease = jobs::claim(&mut conn, id, "one", now + LEASE_TTL, now).await.unwrap().unwrap();
    drop(conn);
    cluster.wait_until_seen("SELECT COUNT(*) FROM jobs WHERE state = 'running'").await;
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
