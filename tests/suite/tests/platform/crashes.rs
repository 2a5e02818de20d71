//! A process crashes at each step of an exchange and of a renewal: the stored pair is either valid or flagged.
//!
//! The process is a worker with its own runtime and connections. An amoCRM that hangs or a locked row stops it at
//! a step. Then its runtime is shut down, so that no task continues and its transactions roll back, as after
//! SIGKILL.

use chrono::TimeDelta;
use flysk_domain::Clock;
use flysk_queue::executor::Executor;
use flysk_simulators::{Act, Script};
use flysk_store::jobs::JobState;
use flysk_store::platform::tokens::{self, PairState};
use flysk_suite::due_jobs::rescue_abandoned;
use flysk_suite::environment::{ACCOUNT, CLIENT_ID};
use flysk_suite::lock_waits::who_waits;
use flysk_tokens::Freshness;
use flysk_workers::App;
use sqlx::MySqlPool;
use tokio::runtime::Runtime;

use super::harness::{TestApp, WAIT_TIMEOUT, as_conn, trace};

const TOKENS: &str = "/oauth2/access_token";
const ACCOUNT_API: &str = "/api/v4/account";

/// A worker that will crash.
struct DoomedWorker(Runtime);

impl DoomedWorker {
    fn begin<F>(app: &TestApp, work: impl FnOnce(Executor<App>) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send,
    {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let executor = app.worker();
        runtime.spawn(async move { work(executor.await).await });
        Self(runtime)
    }

    /// Crashes: none of its tasks runs after this returns.
    async fn dies(self) {
        tokio::task::spawn_blocking(move || self.0.shutdown_timeout(WAIT_TIMEOUT)).await.unwrap();
    }
}

/// Waits until amoCRM received `times` requests, answered or not.
async fn asked(app: &TestApp, method: &str, path: &str, times: usize) {
    until(async || app.amocrm.control.calls_to(method, path).len() >= times).await;
}

async fn until(reached: impl AsyncFn() -> bool) {
    let deadline = std::time::Instant::now() + WAIT_TIMEOUT;
    while !reached().await {
        assert!(std::time::Instant::now() < deadline, "the step was not reached");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// Waits until a connection waits for a row that the test has locked.
async fn somebody_waits_for_a_lock(app: &TestApp) {
    until(async || !who_waits(&app.pool).await.unwrap().is_empty()).await;
}

/// Kills statements that wait for a lock, as if they had never reached the server.
async fn forget_who_waits(app: &TestApp) {
    let threads = who_waits(&app.pool).await.unwrap();
    assert!(!threads.is_empty());
    for thread in threads {
        let kill = sqlx::AssertSqlSafe(format!("KILL {thread}"));
        sqlx::query(kill).execute(&app.pool).await.unwrap();
    }
}

fn renewal(app: &TestApp, id: flysk_domain::id::InstallId) -> DoomedWorker {
    let wish = Freshness::IssuedAfter(app.clock.now());
    DoomedWorker::begin(app, move |executor| async move {
        let _never_told = executor.app().vault.renew(id, wish, &trace()).await;
    })
}

/// Lets the lease expire and renews again; returns the outcome and the pair's state.
async fn next_renewal(app: &TestApp) -> (&'static str, PairState) {
    app.amocrm.control.clear_scripts();
    app.advance(TimeDelta::minutes(2));
    let id = app.install_id().await;
    let _either_way = app.vault.renew(id, Freshness::IssuedAfter(app.clock.now()), &trace()).await;
    let pair = tokens::find(as_conn(&mut app.conn().await), id).await.unwrap().unwrap();
    (app.status().await, pair.state)
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_renewal_crash_before_the_request_costs_nothing(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.amocrm.control.clear_calls();
    app.amocrm.control.script(Script::next(TOKENS, Act::Hang));
    let victim = renewal(&app, app.install_id().await);
    asked(&app, "POST", TOKENS, 1).await;
    victim.dies().await;
    assert_eq!(next_renewal(&app).await, ("active", PairState::Good));
    assert_eq!(app.token_requests(), 2);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_renewal_crash_before_the_response_is_flagged(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.amocrm.control.clear_calls();
    app.amocrm.control.script(Script::next(TOKENS, Act::ServeThenHang));
    let victim = renewal(&app, app.install_id().await);
    asked(&app, "POST", TOKENS, 1).await;
    victim.dies().await;
    let pair = tokens::find(as_conn(&mut app.conn().await), app.install_id().await).await.unwrap().unwrap();
    assert_eq!(pair.state, PairState::Refreshing, "the intent is all that is left of it");
    assert_eq!(next_renewal(&app).await, ("reconnect", PairState::Refused));
}

/// The smallest gap: amoCRM responded, and the database has not stored it yet.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_renewal_crash_before_the_new_pair_is_stored_is_flagged(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.amocrm.control.clear_calls();
    let mut lock = app.pool.begin().await.unwrap();
    let id = app.install_id().await;
    sqlx::query("SELECT id FROM installs WHERE id = ? FOR UPDATE")
        .bind(id.to_string())
        .fetch_one(&mut *lock)
        .await
        .unwrap();
    let victim = renewal(&app, id);
    asked(&app, "POST", TOKENS, 1).await;
    somebody_waits_for_a_lock(&app).await;
    victim.dies().await;
    lock.rollback().await.unwrap();
    assert_eq!(next_renewal(&app).await, ("reconnect", PairState::Refused));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_renewal_crash_after_the_commit_is_complete(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.amocrm.control.clear_calls();
    let id = app.install_id().await;
    let victim = renewal(&app, id);
    until(async || tokens::find(as_conn(&mut app.conn().await), id).await.unwrap().unwrap().generation == 2)
        .await;
    victim.dies().await;
    assert_eq!(app.token_requests(), 1);
    assert_eq!(next_renewal(&app).await, ("active", PairState::Good));
}

/// A worker takes the job of a waiting code and crashes at `step`.
async fn exchange(app: &TestApp) -> DoomedWorker {
    let outcome = app.amocrm.state.install(CLIENT_ID, ACCOUNT, None).await.unwrap();
    assert_eq!(outcome.status, Some(200));
    let job = app.jobs(JobState::Queued).await[0].id;
    app.amocrm.control.clear_calls();
    DoomedWorker::begin(app, move |executor| async move {
        let _never_told = executor.execute(job).await;
    })
}

/// The crashed worker's lease expires, and another worker runs its job.
async fn next_exchange(app: &TestApp) {
    app.amocrm.control.clear_scripts();
    app.advance(TimeDelta::minutes(2));
    let rescued = rescue_abandoned(&app.executor).await.unwrap();
    assert_eq!(rescued, 1, "the job was held by the dead worker");
    for _ in 0..4 {
        app.run_due_jobs().await;
        app.advance(TimeDelta::seconds(30));
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_exchange_crash_before_the_request_is_repeated_by_the_next_worker(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    app.amocrm.control.script(Script::next(TOKENS, Act::Hang));
    let victim = exchange(&app).await;
    asked(&app, "POST", TOKENS, 1).await;
    victim.dies().await;
    next_exchange(&app).await;
    assert_eq!((app.status().await, app.token_requests()), ("active", 2));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_exchange_crash_before_the_response_offers_a_reconnect(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    app.amocrm.control.script(Script::next(TOKENS, Act::ServeThenHang));
    let victim = exchange(&app).await;
    asked(&app, "POST", TOKENS, 1).await;
    victim.dies().await;
    next_exchange(&app).await;
    a_way_out_is_offered(&app).await;
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_exchange_crash_before_the_pair_is_stored_offers_a_reconnect(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    // The response arrives after the intent is stored, and before the locked row for the pair can be written.
    app.amocrm.control.script(Script::next(TOKENS, Act::Serve).held());
    let victim = exchange(&app).await;
    asked(&app, "POST", TOKENS, 1).await;
    let mut lock = app.pool.begin().await.unwrap();
    sqlx::query("SELECT id FROM oauth_codes FOR UPDATE").fetch_one(&mut *lock).await.unwrap();
    app.amocrm.control.release();
    somebody_waits_for_a_lock(&app).await;
    victim.dies().await;
    // The statement auto-commits, and the server would execute it for a dead client.
    forget_who_waits(&app).await;
    lock.rollback().await.unwrap();
    next_exchange(&app).await;
    a_way_out_is_offered(&app).await;
}

/// The pair is stored with its code before its account is queried.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_exchange_crash_before_the_account_is_known_is_completed_by_the_next_worker(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    app.amocrm.control.script(Script::next(ACCOUNT_API, Act::Hang));
    let victim = exchange(&app).await;
    asked(&app, "GET", ACCOUNT_API, 1).await;
    victim.dies().await;
    next_exchange(&app).await;
    assert_eq!((app.status().await, app.token_requests()), ("active", 1));
    assert_eq!(app.delivered_events(), ["install", "activate"]);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_exchange_crash_before_the_commit_is_completed_by_the_next_worker(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    let mut lock = app.pool.begin().await.unwrap();
    // The widget's row numbers the events; it is the last row written by the transaction that completes the
    // exchange.
    sqlx::query("SELECT id FROM widgets FOR UPDATE").fetch_one(&mut *lock).await.unwrap();
    let victim = exchange(&app).await;
    asked(&app, "GET", ACCOUNT_API, 1).await;
    somebody_waits_for_a_lock(&app).await;
    victim.dies().await;
    lock.rollback().await.unwrap();
    next_exchange(&app).await;
    assert_eq!((app.status().await, app.token_requests()), ("active", 1));
    assert_eq!(app.delivered_events(), ["install", "activate"]);
}

/// Checks the reconnect: the code is used and its pair lost, so the customer must connect again and gets a link.
async fn a_way_out_is_offered(app: &TestApp) {
    let dead = app.jobs(JobState::Dead).await;
    assert!(dead[0].last_error.as_deref().unwrap_or_default().contains("used before"), "{dead:?}");
    let (_, shaken) = app.admin(reqwest::Method::POST, "/v1/handshake", None).await;
    assert_eq!(shaken["status"], "reconnect");
    assert!(shaken["connect_url"].as_str().unwrap().contains("/oauth/amocrm/connect?ticket="));
}
