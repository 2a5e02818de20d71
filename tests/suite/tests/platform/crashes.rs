//! A process dies at each step of an exchange and of a renewal: what it leaves behind is either good or flagged.
//!
//! The process is a worker on a runtime of its own, with connections of its own; it is stopped at a step by an amoCRM
//! that hangs or by a locked row, and then the runtime is torn down under it, so that nothing more of it runs and its
//! transactions roll back, as after `kill -9`.

use chrono::TimeDelta;
use flysk_domain::Clock;
use flysk_jobs::runtime::engine::Engine;
use flysk_simulators::{Act, Script};
use flysk_store::jobs::JobState;
use flysk_store::platform::tokens::{self, PairState};
use flysk_suite::stand::{ACCOUNT, CLIENT_ID};
use flysk_vault::Need;
use flysk_workers::App;
use sqlx::{MySqlPool, Row as _};
use tokio::runtime::Runtime;

use super::house::{House, SOON, on, trace};

const TOKENS: &str = "/oauth2/access_token";
const ACCOUNT_API: &str = "/api/v4/account";

/// A worker that will die.
struct Victim(Runtime);

impl Victim {
    fn begin<F>(house: &House, work: impl FnOnce(Engine<App>) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send,
    {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let engine = house.worker();
        runtime.spawn(async move { work(engine.await).await });
        Self(runtime)
    }

    /// Dead: none of its tasks runs when this returns.
    async fn dies(self) {
        tokio::task::spawn_blocking(move || self.0.shutdown_timeout(SOON)).await.unwrap();
    }
}

/// Waits until amoCRM has been asked `times` times, answered or not.
async fn asked(house: &House, method: &str, path: &str, times: usize) {
    until(async || house.amocrm.control.calls_to(method, path).len() >= times).await;
}

async fn until(reached: impl AsyncFn() -> bool) {
    // A machine that is busy with other tests takes its time.
    let deadline = std::time::Instant::now() + SOON * 6;
    while !reached().await {
        assert!(std::time::Instant::now() < deadline, "the step was not reached");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// Waits until somebody waits for a row that is locked here.
async fn somebody_waits_for_a_lock(house: &House) {
    until(async || !who_waits(house).await.is_empty()).await;
}

/// Connections that wait for a row lock in the test's own database; other tests use the same server.
///
/// By `InnoDB`'s own report: `information_schema.innodb_trx` holds each statement's text as UTF-8, and `MySQL` fails to make it
/// while a sealed value stands in one of them.
async fn who_waits(house: &House) -> Vec<u64> {
    let database: String = sqlx::query_scalar("SELECT DATABASE()").fetch_one(&house.pool).await.unwrap();
    let own = format!("`{database}`.");
    let row = sqlx::raw_sql("SHOW ENGINE INNODB STATUS").fetch_one(&house.pool).await.unwrap();
    let report: Vec<u8> = row.get_unchecked(2);
    let report = String::from_utf8_lossy(&report).into_owned();
    let waits = |transaction: &&str| transaction.contains("LOCK WAIT") && transaction.contains(&own);
    report
        .split("---TRANSACTION ")
        .filter(waits)
        .filter_map(|transaction| {
            let (_, rest) = transaction.split_once("thread id ")?;
            rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
        })
        .collect()
}

/// As if what waits for a lock had never reached the server.
async fn forget_who_waits(house: &House) {
    let threads = who_waits(house).await;
    assert!(!threads.is_empty());
    for thread in threads {
        let kill = sqlx::AssertSqlSafe(format!("KILL {thread}"));
        sqlx::query(kill).execute(&house.pool).await.unwrap();
    }
}

fn renewal(house: &House, id: flysk_domain::id::InstallId) -> Victim {
    let wish = Need::NewerThan(house.clock.now());
    Victim::begin(house, move |engine| async move {
        let _never_told = engine.app().vault.renew(id, wish, &trace()).await;
    })
}

/// The lease runs out; whoever comes next finds the truth.
async fn next_renewal(house: &House) -> (&'static str, PairState) {
    house.amocrm.control.clear_scripts();
    house.advance(TimeDelta::minutes(2));
    let id = house.install_id().await;
    let _either_way = house.vault.renew(id, Need::NewerThan(house.clock.now()), &trace()).await;
    let pair = tokens::find(on(&mut house.conn().await), id).await.unwrap().unwrap();
    (house.status().await, pair.state)
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_renewal_that_dies_before_amocrm_heard_of_it_costs_nothing(pool: MySqlPool) {
    let house = House::installed(pool).await;
    house.amocrm.control.clear_calls();
    house.amocrm.control.script(Script::next(TOKENS, Act::Hang));
    let victim = renewal(&house, house.install_id().await);
    asked(&house, "POST", TOKENS, 1).await;
    victim.dies().await;
    assert_eq!(next_renewal(&house).await, ("active", PairState::Good));
    assert_eq!(house.token_requests(), 2);
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_renewal_that_dies_before_the_answer_is_flagged(pool: MySqlPool) {
    let house = House::installed(pool).await;
    house.amocrm.control.clear_calls();
    house.amocrm.control.script(Script::next(TOKENS, Act::ServeThenHang));
    let victim = renewal(&house, house.install_id().await);
    asked(&house, "POST", TOKENS, 1).await;
    victim.dies().await;
    let pair = tokens::find(on(&mut house.conn().await), house.install_id().await).await.unwrap().unwrap();
    assert_eq!(pair.state, PairState::Refreshing, "the intent is all that is left of it");
    assert_eq!(next_renewal(&house).await, ("reconnect", PairState::Refused));
}

/// The narrowest gap: amoCRM answered, and the database did not hear of it.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_renewal_that_dies_with_the_new_pair_in_its_hands_is_flagged(pool: MySqlPool) {
    let house = House::installed(pool).await;
    house.amocrm.control.clear_calls();
    let mut lock = house.pool.begin().await.unwrap();
    let id = house.install_id().await;
    sqlx::query("SELECT id FROM installs WHERE id = ? FOR UPDATE")
        .bind(id.to_string())
        .fetch_one(&mut *lock)
        .await
        .unwrap();
    let victim = renewal(&house, id);
    asked(&house, "POST", TOKENS, 1).await;
    somebody_waits_for_a_lock(&house).await;
    victim.dies().await;
    lock.rollback().await.unwrap();
    assert_eq!(next_renewal(&house).await, ("reconnect", PairState::Refused));
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_renewal_that_dies_after_its_commit_is_done(pool: MySqlPool) {
    let house = House::installed(pool).await;
    house.amocrm.control.clear_calls();
    let id = house.install_id().await;
    let victim = renewal(&house, id);
    until(async || tokens::find(on(&mut house.conn().await), id).await.unwrap().unwrap().pair == 2).await;
    victim.dies().await;
    assert_eq!(house.token_requests(), 1);
    assert_eq!(next_renewal(&house).await, ("active", PairState::Good));
}

/// A code waits; a worker takes its job and dies at `step`.
async fn exchange(house: &House) -> Victim {
    let outcome = house.amocrm.state.install(CLIENT_ID, ACCOUNT, None).await.unwrap();
    assert_eq!(outcome.status, Some(200));
    let job = house.jobs(JobState::Queued).await[0].id;
    house.amocrm.control.clear_calls();
    Victim::begin(house, move |engine| async move {
        let _never_told = engine.perform(job).await;
    })
}

/// The dead worker's lease runs out, and its job is done by another.
async fn next_exchange(house: &House) {
    house.amocrm.control.clear_scripts();
    house.advance(TimeDelta::minutes(2));
    assert_eq!(house.engine.rescue_once().await.unwrap(), 1, "the job was held by the dead worker");
    for _ in 0..4 {
        house.run_due_jobs().await;
        house.advance(TimeDelta::seconds(30));
    }
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn an_exchange_that_dies_before_amocrm_heard_of_it_is_made_by_the_next_worker(pool: MySqlPool) {
    let house = House::build(pool).await;
    house.amocrm.control.script(Script::next(TOKENS, Act::Hang));
    let victim = exchange(&house).await;
    asked(&house, "POST", TOKENS, 1).await;
    victim.dies().await;
    next_exchange(&house).await;
    assert_eq!((house.status().await, house.token_requests()), ("active", 2));
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn an_exchange_that_dies_before_the_answer_leaves_a_way_out(pool: MySqlPool) {
    let house = House::build(pool).await;
    house.amocrm.control.script(Script::next(TOKENS, Act::ServeThenHang));
    let victim = exchange(&house).await;
    asked(&house, "POST", TOKENS, 1).await;
    victim.dies().await;
    next_exchange(&house).await;
    a_way_out_is_offered(&house).await;
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn an_exchange_that_dies_with_the_pair_in_its_hands_leaves_a_way_out(pool: MySqlPool) {
    let house = House::build(pool).await;
    // Answered after the intent is written, and before the row that is to keep the pair can be had.
    house.amocrm.control.script(Script::next(TOKENS, Act::Serve).delayed(1_500));
    let victim = exchange(&house).await;
    asked(&house, "POST", TOKENS, 1).await;
    let mut lock = house.pool.begin().await.unwrap();
    sqlx::query("SELECT id FROM oauth_codes FOR UPDATE").fetch_one(&mut *lock).await.unwrap();
    somebody_waits_for_a_lock(&house).await;
    victim.dies().await;
    // The statement is one that commits itself, and the server would carry it out for a dead client.
    forget_who_waits(&house).await;
    lock.rollback().await.unwrap();
    next_exchange(&house).await;
    a_way_out_is_offered(&house).await;
}

/// The pair is kept with its code before anybody asks whose it is.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn an_exchange_that_dies_before_it_knows_the_account_is_ended_by_the_next_worker(pool: MySqlPool) {
    let house = House::build(pool).await;
    house.amocrm.control.script(Script::next(ACCOUNT_API, Act::Hang));
    let victim = exchange(&house).await;
    asked(&house, "GET", ACCOUNT_API, 1).await;
    victim.dies().await;
    next_exchange(&house).await;
    assert_eq!((house.status().await, house.token_requests()), ("active", 1));
    assert_eq!(house.told(), ["install", "activate"]);
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn an_exchange_that_dies_before_its_commit_is_ended_by_the_next_worker(pool: MySqlPool) {
    let house = House::build(pool).await;
    let mut lock = house.pool.begin().await.unwrap();
    // Whose events are numbered: the last row of the transaction that ends the exchange.
    sqlx::query("SELECT id FROM widgets FOR UPDATE").fetch_one(&mut *lock).await.unwrap();
    let victim = exchange(&house).await;
    asked(&house, "GET", ACCOUNT_API, 1).await;
    somebody_waits_for_a_lock(&house).await;
    victim.dies().await;
    lock.rollback().await.unwrap();
    next_exchange(&house).await;
    assert_eq!((house.status().await, house.token_requests()), ("active", 1));
    assert_eq!(house.told(), ["install", "activate"]);
}

/// The code is spent and its pair lost: only the customer can help, and is told where.
async fn a_way_out_is_offered(house: &House) {
    let dead = house.jobs(JobState::Dead).await;
    assert!(dead[0].last_error.as_deref().unwrap_or_default().contains("used before"), "{dead:?}");
    let (_, shaken) = house.admin(reqwest::Method::POST, "/v1/handshake", None).await;
    assert_eq!(shaken["status"], "reconnect");
    assert!(shaken["connect_url"].as_str().unwrap().contains("/oauth/amocrm/connect?ticket="));
}
