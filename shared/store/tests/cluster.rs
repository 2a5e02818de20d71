//! What holds on a cluster whose locks are of one node. Started by hand against two nodes of one Galera cluster, each with an
//! empty database:
//!
//! `FLYSK_CLUSTER=mysql://…@node1/flysk,mysql://…@node2/flysk cargo test -p flysk-store --test cluster -- --ignored`

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test says what went wrong by failing")]

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::id::{AccountId, EntityId, InstallId, JobId, NoteId, TranscriptionId};
use flysk_domain::trace::Trace;
use flysk_domain::{Clock as _, ManualClock};
use flysk_store::flysense::accounts;
use flysk_store::flysense::transcriptions::{self, NewTranscription};
use flysk_store::jobs::{self, NewJob};
use flysk_store::{Pool, StoreResult, repeat_contended};
use tokio::sync::Barrier;

/// As many as showed the fault in every second of them.
const RACES: u64 = 100;
const LEASE: Duration = Duration::from_secs(30);

struct Cluster {
    nodes: [Pool; 2],
    clock: ManualClock,
}

impl Cluster {
    #[expect(clippy::disallowed_methods, reason = "whoever starts the test says where the cluster is")]
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

    /// Waits until the second node counts what the first does.
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
            entity_type: "leads",
            entity_id: EntityId(note),
            note_id: NoteId(note),
            requested_by: None,
            left_channel: "operator",
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

/// Whether the card is let in; asked by a node of its own, at the same moment as the other.
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
async fn of_two_cards_of_a_call_one_is_let_in_whatever_node_they_are_asked_on() {
    let cluster = Cluster::open().await;
    let (account, now) = (AccountId(u64::from(rand::random::<u32>())), cluster.now());
    let mut conn = cluster.nodes[0].acquire().await.unwrap();
    let install = InstallId::generate(&cluster.clock);
    accounts::note_event(&mut conn, account, install, "one.amocrm.ru", true, 1, now).await.unwrap();
    drop(conn);
    let mut let_in = [0; 3];
    for race in 0..RACES {
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

/// A worker commits an effect under its lease on one node while another takes the job away on the other.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a cluster"]
async fn nothing_is_committed_beside_a_rescuer_on_another_node() {
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
    for race in 0..RACES {
        both += u32::from(race_with_rescuer(&cluster, race).await);
    }
    assert_eq!(both, 0, "races in which the effect was committed and the job taken away");
}

/// Whether both won.
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
    let lease = jobs::claim(&mut conn, id, "one", now + LEASE, now).await.unwrap().unwrap();
    drop(conn);
    cluster.wait_until_seen("SELECT COUNT(*) FROM jobs WHERE state = 'running'").await;
    let (start, late) = (Arc::new(Barrier::new(2)), now + TimeDelta::minutes(1));
    let effect = async {
        start.wait().await;
        let mut tx = one.begin().await?;
        if !jobs::lock_held(&mut tx, lease.fence).await? {
            return StoreResult::Ok(false);
        }
        sqlx::query("INSERT INTO cluster_effects (id) VALUES (?)").bind(race).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(true)
    };
    let rescue = async {
        start.wait().await;
        let mut conn = other.acquire().await?;
        StoreResult::Ok(jobs::take_back(&mut conn, lease.fence, "other", late + LEASE, late).await?.is_some())
    };
    let (effect, rescue) = tokio::join!(effect, rescue);
    // The effect came first and the job was taken away after it: in order, and the effect's own end would have refused it.
    let effect = effect.unwrap_or(false);
    let units: i64 = sqlx::query_scalar("SELECT CAST(units_begun AS SIGNED) FROM jobs WHERE id = ?")
        .bind(id.to_string())
        .fetch_one(other)
        .await
        .unwrap();
    effect && rescue.unwrap_or(false) && units == 0
}
