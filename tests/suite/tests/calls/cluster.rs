//! The whole product on a cluster of databases whose primary is killed under load.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use flysk_simulators::amocrm::Amocrm;
use flysk_suite::chaos::database::{NodeDeparture, TestCluster};
use flysk_suite::chaos::fleet::lock_machine;
use flysk_suite::environment::{
    ACCOUNT, CLIENT_ID, Client, Environment, Options, Transcription, another_account, call_of_lead,
};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::charging::{WAIT_TIMEOUT, checked_receipt};

const KILLS: u64 = 20;

/// Time from the end of the primary's process until work flows again: the others wait for it 5 s (`evs.suspect_timeout`), and
/// from then on the flow may take 10 s.
const FLOW_TIMEOUT: Duration = Duration::from_secs(15);
/// Time in which a request is acknowledged.
const ACKNOWLEDGE_TIMEOUT: Duration = Duration::from_mins(1);
/// Retries of events and stages after the last failover.
const CONSISTENCY_TIMEOUT: Duration = Duration::from_mins(8);
const CALL_TIMEOUT: Duration = Duration::from_mins(5);
const CALL_INTERVAL: Duration = Duration::from_secs(3);
const CHARGE_INTERVAL: Duration = Duration::from_millis(50);
const CHARGERS: u64 = 2;
/// 10 million Flycoins, more than all charges.
const WELCOME_BONUS_MICRO: i64 = 10_000_000_000_000;

/// What was acknowledged.
#[derive(Debug, Default)]
struct Charged {
    charges: i64,
    micro: i64,
}

/// A backend that charges one call after another. It repeats each charge until it is acknowledged.
struct Charger {
    http: reqwest::Client,
    url: String,
    token: String,
    number: u64,
    acknowledged: Arc<AtomicU64>,
}

impl Charger {
    async fn run(self, stop: CancellationToken) -> anyhow::Result<Charged> {
        let mut charged = Charged::default();
        while stop.run_until_cancelled(tokio::time::sleep(CHARGE_INTERVAL)).await.is_some() {
            let key = format!("charge-{}-{}", self.number, charged.charges);
            charged.micro += repeat(|| self.charge(&key)).await?;
            charged.charges += 1;
            self.acknowledged.fetch_add(1, Ordering::SeqCst);
        }
        Ok(charged)
    }

    /// Returns the price in micro-Flycoins.
    async fn charge(&self, key: &str) -> anyhow::Result<i64> {
        let lines = json!([{ "service": "flysense.recognition", "quantity": 15 }]);
        let request = self.http.post(&self.url).json(&json!({ "account_id": ACCOUNT, "lines": lines }));
        let request = request.header("X-Project-Token", &self.token).header("Idempotency-Key", key);
        let answer = request.send().await?;
        let (status, body): (_, Value) = (answer.status(), answer.json().await?);
        ensure!(status.is_success(), "{status}: {body}");
        body["charged_micro"].as_i64().with_context(|| format!("no price in {body}"))
    }
}

/// A telephony provider that adds calls, and a user who requests each of them.
struct Caller {
    client: Client,
    amocrm: Amocrm,
    recording: String,
}

impl Caller {
    /// Returns the id of each transcription by that of its note.
    async fn run(self, stop: CancellationToken) -> anyhow::Result<BTreeMap<u64, String>> {
        let mut calls = BTreeMap::new();
        while stop.run_until_cancelled(tokio::time::sleep(CALL_INTERVAL)).await.is_some() {
            let note = self.amocrm.call(call_of_lead(Some(self.recording.clone()), 42))?;
            calls.insert(note, repeat(|| self.client.transcribe(note)).await?);
        }
        Ok(calls)
    }
}

/// Repeats a request until it is acknowledged.
async fn repeat<T, F>(request: impl Fn() -> F) -> anyhow::Result<T>
where
    F: Future<Output = anyhow::Result<T>>,
{
    let began = Instant::now();
    loop {
        match request().await {
            Ok(acknowledged) => return Ok(acknowledged),
            Err(error) if began.elapsed() > ACKNOWLEDGE_TIMEOUT => return Err(error),
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

/// Work that arrives all the time.
struct Load {
    stop: CancellationToken,
    acknowledged: Arc<AtomicU64>,
    charging: Vec<JoinHandle<anyhow::Result<Charged>>>,
    calling: JoinHandle<anyhow::Result<BTreeMap<u64, String>>>,
}

impl Load {
    fn start(env: &Environment) -> anyhow::Result<Self> {
        let (stop, acknowledged) = (CancellationToken::new(), Arc::new(AtomicU64::new(0)));
        let http = reqwest::Client::builder().timeout(Duration::from_secs(10)).build()?;
        let charger = |number| Charger {
            http: http.clone(),
            url: format!("{}/v1/backend/flycoins/charges", env.api_url),
            token: env.project_token.clone(),
            number,
            acknowledged: Arc::clone(&acknowledged),
        };
        let charging = (0..CHARGERS).map(|number| tokio::spawn(charger(number).run(stop.clone()))).collect();
        let caller = Caller {
            client: env.client()?,
            amocrm: env.simulators.amocrm.state.clone(),
            recording: env.simulators.recording_url("support-stereo.flac"),
        };
        let calling = tokio::spawn(caller.run(stop.clone()));
        Ok(Self { stop, acknowledged, charging, calling })
    }

    fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::SeqCst)
    }

    async fn end(self) -> anyhow::Result<(Charged, BTreeMap<u64, String>)> {
        self.stop.cancel();
        let mut sum = Charged::default();
        for charging in self.charging {
            let charged = charging.await??;
            sum.charges += charged.charges;
            sum.micro += charged.micro;
        }
        Ok((sum, self.calling.await??))
    }
}

/// The node that the API uses: its pool and the test's begin with the same one and follow the same rule.
async fn primary(env: &Environment, cluster: &TestCluster) -> anyhow::Result<usize> {
    let port: i64 = sqlx::query_scalar("SELECT CAST(@@port AS SIGNED)").fetch_one(&env.pool).await?;
    cluster.node_at(u16::try_from(port)?).context("no node has this port")
}

/// Waits until charges and jobs that began after `gone` are done.
async fn wait_for_flow(env: &Environment, load: &Load, gone: Instant) -> anyhow::Result<()> {
    // The charges that were being written, and one more.
    let wanted = load.acknowledged() + CHARGERS + 1;
    let seconds = || gone.elapsed().as_secs_f64();
    let mut done_before: Option<i64> = None;
    loop {
        let counted = sqlx::query_scalar("SELECT COUNT(*) FROM jobs WHERE state = 'done'");
        if let Ok(done) = counted.fetch_one(&env.pool).await {
            let before = *done_before.get_or_insert(done);
            if done > before && load.acknowledged() >= wanted {
                return Ok(());
            }
        }
        if gone.elapsed() > FLOW_TIMEOUT {
            bail!("after {:.1} s no charges or jobs are done\n{}", seconds(), env.logs());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// An account installs FlySense. Returns when the redirect URI has acknowledged that.
async fn install(amocrm: &Amocrm, number: u64) -> anyhow::Result<()> {
    let account = 40_000_000 + number;
    amocrm.add_account(another_account(account, &format!("cluster{number}"), 7_000 + number))?;
    repeat(|| async {
        let outcome = amocrm.install(CLIENT_ID, account, None).await?;
        ensure!(outcome.status == Some(200), "the redirect URI responded with {:?}", outcome.status);
        Ok(())
    })
    .await
}

/// Charges, calls, renewals of tokens and events of installs go on while the primary is killed again and again. All that was
/// acknowledged is there at the end, once.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "long: needs a Galera cluster, whose primary is killed 20 times"]
async fn twenty_killed_primaries_under_load_lose_and_double_nothing() -> anyhow::Result<()> {
    let _lock = lock_machine().await;
    // Dropped after the environment, whose database is deleted.
    let mut cluster = TestCluster::start()?;
    let mut options = Options::with_fixtures(0.02)?;
    options.database_url = cluster.url_from(0);
    options.welcome_bonus = Some(WELCOME_BONUS_MICRO);
    let mut env = Environment::start(options).await?;
    env.set_database_server(&cluster.url_from(1));
    env.start_worker()?;
    env.install().await?;
    let load = Load::start(&env)?;
    let mut renewed = 0;
    for number in 0..KILLS {
        install(&env.simulators.amocrm.state, number).await?;
        let renewing = ["token:refresh-all", "--no-wait"];
        let asked = tokio::task::block_in_place(|| env.command("flysk-worker", &renewing));
        renewed += usize::from(asked.is_ok());
        let node = primary(&env, &cluster).await?;
        let gone = Instant::now();
        cluster.depart(node, NodeDeparture::Killed)?;
        wait_for_flow(&env, &load, gone).await.with_context(|| format!("kill {number}, node {node}"))?;
        tokio::task::block_in_place(|| cluster.rejoin(node))?;
    }
    ensure!(renewed > 0, "no renewal was asked for");
    let (charged, calls) = load.end().await?;
    everything_acknowledged_is_there_once(&env, charged, &calls).await
}

async fn everything_acknowledged_is_there_once(
    env: &Environment,
    charged: Charged,
    calls: &BTreeMap<u64, String>,
) -> anyhow::Result<()> {
    let client = env.client()?;
    let Charged { mut charges, mut micro } = charged;
    for (note, id) in calls {
        let call = ended(&client, id).await.with_context(|| env.logs())?;
        ensure!(call.state == "done" && call.note_id == *note, "note {note}: {}", call.raw);
        let paid = client.wait_for_payment(id, "paid", WAIT_TIMEOUT).await.with_context(|| env.logs())?;
        micro += checked_receipt(&paid)?;
        charges += 1;
    }
    let taken = env.taken().await?;
    ensure!(taken == (charges, micro), "acknowledged: {:?}, in the ledger: {taken:?}", (charges, micro));
    wait_until_true(env, "SELECT SUM(held_micro) = 0 FROM wallets").await?;
    wait_until_true(env, "SELECT COUNT(*) = 0 FROM lifecycle_events WHERE state <> 'delivered'").await?;
    let installed = i64::try_from(KILLS)? + 1;
    let accounts: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM flysense_accounts").fetch_one(&env.pool).await?;
    ensure!(accounts == installed, "{accounts} of {installed} installs reached FlySense");
    wait_until_true(env, "SELECT COUNT(*) = 0 FROM install_tokens WHERE state <> 'good'").await?;
    wait_until_true(
        env,
        "SELECT COUNT(*) = 0 FROM jobs WHERE state = 'dead'
         AND (kind LIKE 'calls.%' OR kind LIKE 'oauth.%' OR kind LIKE 'lifecycle.%')",
    )
    .await?;
    env.prove_ledger().await
}

/// Waits until a transcription has ended.
async fn ended(client: &Client, id: &str) -> anyhow::Result<Transcription> {
    let began = Instant::now();
    loop {
        let call = client.transcription(id).await?;
        if call.has_ended() {
            return Ok(call);
        }
        ensure!(began.elapsed() < CALL_TIMEOUT, "{id} does not end: {}", call.raw);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Waits until a statement returns 1.
async fn wait_until_true(env: &Environment, query: &'static str) -> anyhow::Result<()> {
    let began = Instant::now();
    loop {
        let holds: i64 = sqlx::query_scalar(query).fetch_one(&env.pool).await?;
        if holds == 1 {
            return Ok(());
        }
        ensure!(began.elapsed() < CONSISTENCY_TIMEOUT, "`{query}` does not hold\n{}", env.logs());
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}
