//! Forged authorization codes do not delay genuine ones, whatever their source address and host.

use chrono::TimeDelta;
use flysk_domain::TextEnum as _;
use flysk_jobs::platform::oauth::{ExchangeCode, ExchangeVouchedCode};
use flysk_jobs::platform::upkeep::PruneJobs;
use flysk_queue::{Job as _, executor::ExecutionResult};
use flysk_store::jobs::{JobRow, JobState};
use flysk_store::platform::installs;
use flysk_suite::environment::{ACCOUNT, CLIENT_ID, another_account};
use futures::StreamExt as _;
use futures::stream;
use reqwest::StatusCode;
use sqlx::MySqlPool;
use url::Url;

use super::callback::{arrives, begin};
use super::harness::{TestApp, as_conn, trace};

/// Number of forged codes; below the limit of waiting codes per source.
const BAD_CODES: usize = 150;

/// The platform behind a trusted proxy, so that requests can have any source address.
pub(crate) async fn behind_a_proxy(pool: MySqlPool) -> TestApp {
    let mut app = TestApp::build(pool).await;
    app.api_url = app.api_in(|env| env.with("FLYSK_TRUSTED_PROXIES", "127.0.0.1")).await;
    app
}

/// Sends a code from `host` with source address `source`, as amoCRM would.
pub(crate) async fn send(app: &TestApp, source: &str, host: &str, code: &str) -> (StatusCode, String) {
    let mut url: Url = format!("{}/oauth/amocrm/callback", app.api_url).parse().unwrap();
    let query = [("code", code), ("referer", host), ("client_id", CLIENT_ID), ("from_widget", "1")];
    url.query_pairs_mut().extend_pairs(query);
    let answer = app.http.get(url).header("X-Forwarded-For", source).send().await.unwrap();
    (answer.status(), answer.text().await.unwrap())
}

/// Distribution of forged codes: source address and host of the `n`th.
type Flood = fn(usize) -> (String, String);

async fn flood(app: &TestApp, name: &str, count: usize, flood: Flood) {
    let all = stream::iter(0..count).map(async |n| {
        let (source, host) = flood(n);
        let (status, page) = send(app, &source, &host, &format!("{name}-{n}")).await;
        assert_eq!(status, StatusCode::OK, "{name} {n}: {page}");
    });
    all.buffer_unordered(8).collect::<Vec<()>>().await;
}

async fn waiting(app: &TestApp) -> Vec<JobRow> {
    let mut jobs = app.jobs(JobState::Queued).await;
    jobs.retain(|job| job.kind == ExchangeCode::KIND);
    jobs
}

/// Runs one exchange of an unvouched code.
pub(crate) async fn exchange_round(app: &TestApp) {
    let job = waiting(app).await.pop().expect("a code waits");
    assert!(matches!(app.executor.execute(job.id).await.unwrap(), ExecutionResult::Finished(_)));
}

async fn is_installed(app: &TestApp, account: u64) -> bool {
    let widget = app.widget().await;
    let mut conn = app.conn().await;
    let found =
        installs::find_in_account(as_conn(&mut conn), widget.id, flysk_domain::id::AccountId(account));
    found.await.unwrap().is_some_and(|install| install.status.as_str() == "active")
}

/// Runs exchanges until the account's install is active, at most `most`; returns their number.
async fn rounds_until_installed(app: &TestApp, account: u64, most: usize) -> usize {
    for rounds in 0..=most {
        if is_installed(app, account).await {
            return rounds;
        }
        exchange_round(app).await;
    }
    panic!("not installed after {most} rounds");
}

fn one_address(_: usize) -> String {
    "198.51.100.7".to_owned()
}

fn many_addresses(n: usize) -> String {
    format!("203.0.{}.{}", n / 200, n % 200)
}

/// For every distribution of forged codes, the genuine code is exchanged before nearly all of them, because of
/// its own source, its own host, or its recency.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_genuine_install_does_not_wait_for_forged_codes(pool: MySqlPool) {
    let app = behind_a_proxy(pool).await;
    let floods: [(&str, Flood); 6] = [
        ("one-source-many-hosts", |n| (one_address(n), format!("invented-{n}.amocrm.ru"))),
        ("many-sources-one-host", |n| (many_addresses(n), "invented.amocrm.ru".to_owned())),
        ("one-source-that-very-host", |n| (one_address(n), "victim-2.amocrm.ru".to_owned())),
        ("many-sources-that-very-host", |n| (many_addresses(n), "victim-3.amocrm.ru".to_owned())),
        ("many-sources-many-hosts", |n| (many_addresses(n), format!("all-over-{n}.amocrm.ru"))),
        ("amocrms-own-source", |n| ("127.0.0.1".to_owned(), format!("unseen-{n}.amocrm.ru"))),
    ];
    for (n, (name, shape)) in floods.into_iter().enumerate() {
        let account = 40_000_000 + n as u64;
        let victim = another_account(account, &format!("victim-{n}"), 600 + n as u64);
        app.amocrm.state.add_account(victim).unwrap();
        flood(&app, name, BAD_CODES, shape).await;
        app.advance(TimeDelta::milliseconds(1));
        let answered = app.amocrm.state.install(CLIENT_ID, account, None).await.unwrap();
        assert_eq!(answered.status, Some(200), "{name}");
        let rounds = rounds_until_installed(&app, account, 2).await;
        assert!(rounds <= 2, "{name}: {rounds}");
        assert!(!waiting(&app).await.is_empty(), "{name}: the flood was over");
        sqlx::query("DELETE FROM oauth_codes WHERE state <> 'exchanged'").execute(&app.pool).await.unwrap();
        sqlx::query("DELETE FROM jobs").execute(&app.pool).await.unwrap();
    }
}

/// Newer forged codes do not precede it either, once their source is known for forged codes.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_continuing_flood_does_not_delay_a_genuine_install(pool: MySqlPool) {
    let app = behind_a_proxy(pool).await;
    let shape: Flood = |n| (one_address(n), format!("invented-{n}.amocrm.ru"));
    flood(&app, "before", 40, shape).await;
    for _ in 0..3 {
        exchange_round(&app).await;
    }
    app.amocrm.state.install(CLIENT_ID, ACCOUNT, None).await.unwrap();
    app.advance(TimeDelta::milliseconds(1));
    flood(&app, "after", 40, |n| (one_address(n), format!("newer-{n}.amocrm.ru"))).await;
    assert_eq!(rounds_until_installed(&app, ACCOUNT, 1).await, 1);
}

/// A code with a state that an administrator received in a handshake is vouched, and does not wait. A state that
/// anyone can get does not vouch for a code, nor do many states of one account.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_vouched_reconnect_does_not_wait_for_unvouched_codes(pool: MySqlPool) {
    let app = behind_a_proxy(pool).await;
    flood(&app, "made-up", BAD_CODES, |n| (many_addresses(n), format!("invented-{n}.amocrm.ru"))).await;
    let code = app.amocrm.state.issue_code(CLIENT_ID, ACCOUNT, None).unwrap();
    let (state, cookie) = begin(&app).await;
    assert_eq!(comes_back(&app, &code, &state, &cookie).await, StatusCode::OK);
    let first = of_kind(&app, ExchangeVouchedCode::KIND).await;
    assert_eq!((first.len(), first[0].queue.as_str()), (1, "oauth"));
    for n in 0..8 {
        let (state, cookie) = begin(&app).await;
        assert_eq!(comes_back(&app, &format!("again-{n}"), &state, &cookie).await, StatusCode::OK);
    }
    assert_eq!(of_kind(&app, ExchangeVouchedCode::KIND).await.len(), 5, "one account's states");
    let address = format!("{}/oauth/amocrm/connect?widget=flysense", app.api_url);
    let begun = app.http.get(address).send().await.unwrap();
    let cookie = begun.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let state = cookie.split_once('=').unwrap().1.to_owned();
    assert_eq!(comes_back(&app, "anybodys", &state, &cookie).await, StatusCode::OK);
    assert_eq!(of_kind(&app, ExchangeVouchedCode::KIND).await.len(), 5, "anybody's state");

    app.executor.execute(first[0].id).await.unwrap();
    assert_eq!((app.status().await, app.token_requests()), ("active", 1));
    assert_eq!(waiting(&app).await.len(), BAD_CODES + 4 + 1);
}

async fn comes_back(app: &TestApp, code: &str, state: &str, cookie: &str) -> StatusCode {
    let query = [("code", code), ("referer", "demo.amocrm.ru"), ("client_id", CLIENT_ID), ("state", state)];
    arrives(app, &query, Some(cookie)).await.0
}

async fn of_kind(app: &TestApp, kind: &str) -> Vec<JobRow> {
    let mut jobs = app.jobs(JobState::Queued).await;
    jobs.retain(|job| job.kind == kind);
    jobs
}

/// Each source has its own limit of waiting codes; beyond it the newest are kept.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn waiting_codes_are_limited_per_source_and_per_widget(pool: MySqlPool) {
    let app = behind_a_proxy(pool).await;
    for n in 0..230 {
        let host = format!("invented-{n}.amocrm.ru");
        assert_eq!(send(&app, "198.51.100.7", &host, &format!("one-{n}")).await.0, StatusCode::OK);
        app.advance(TimeDelta::milliseconds(1));
    }
    assert_eq!((codes(&app).await.len(), waiting(&app).await.len()), (200, 200));
    let left = codes(&app).await;
    assert!(
        left.contains(&"invented-229.amocrm.ru".to_owned())
            && !left.contains(&"invented-29.amocrm.ru".to_owned())
    );

    flood(&app, "all-over", 900, |n| (many_addresses(n), format!("all-over-{n}.amocrm.ru"))).await;
    let (kept, jobs) = (codes(&app).await.len(), house_wide(&app, "jobs", "state = 'queued'").await);
    assert!((1_000..1_010).contains(&kept), "{kept}");
    assert!(jobs < 1_010, "as many jobs as codes, not as requests: {jobs}");
    app.advance(TimeDelta::milliseconds(1));
    app.amocrm.state.install(CLIENT_ID, ACCOUNT, None).await.unwrap();
    assert!(rounds_until_installed(&app, ACCOUNT, 2).await <= 2);

    // Codes of sources with successful codes are not evicted by those of a new source.
    for n in 0..20 {
        assert_eq!(
            send(&app, "198.51.100.8", "filler.amocrm.ru", &format!("fills-{n}")).await.0,
            StatusCode::OK
        );
    }
    let good = "UPDATE oauth_codes SET credit = 1, source = '203.0.113.250' WHERE state = 'waiting'";
    sqlx::query(good).execute(&app.pool).await.unwrap();
    let (status, page) = send(&app, "198.51.100.99", "late.amocrm.ru", "late").await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    assert!(page.contains("Подождите минуту"), "{page}");
}

/// Hosts of waiting codes, oldest first.
async fn codes(app: &TestApp) -> Vec<String> {
    sqlx::query_scalar("SELECT host FROM oauth_codes WHERE state = 'waiting' ORDER BY received_at, id")
        .fetch_all(&app.pool)
        .await
        .unwrap()
}

async fn house_wide(app: &TestApp, table: &str, which: &str) -> i64 {
    let count = format!("SELECT COUNT(*) FROM {table} WHERE {which}");
    sqlx::query_scalar(sqlx::AssertSqlSafe(count)).fetch_one(&app.pool).await.unwrap()
}

/// A forged code costs one request to amoCRM, and one row that is kept for a day.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn forged_codes_fail_after_one_attempt_and_are_deleted(pool: MySqlPool) {
    let app = behind_a_proxy(pool).await;
    flood(&app, "made-up", 30, |n| (many_addresses(n), "demo.amocrm.ru".to_owned())).await;
    app.run_due_jobs().await;
    assert_eq!(app.token_requests(), 30);
    let ended = (app.jobs(JobState::Queued).await.len(), app.jobs(JobState::Dead).await.len());
    assert_eq!(ended, (0, 0), "nothing for an operator");
    assert_eq!(house_wide(&app, "oauth_codes", "state = 'dead' AND code_sealed = ''").await, 30);
    app.advance(TimeDelta::days(2));
    let mut unit = app.executor.outbox().begin(trace()).await.unwrap();
    unit.enqueue(&PruneJobs {}).await.unwrap();
    unit.commit().await.unwrap();
    app.run_due_jobs().await;
    assert_eq!(house_wide(&app, "oauth_codes", "TRUE").await, 0);
}

/// Each job exchanges one code: as long as codes wait, a job that gives up is followed by another.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_job_that_gives_up_leaves_no_code_waiting(pool: MySqlPool) {
    let app = behind_a_proxy(pool).await;
    app.amocrm.state.install(CLIENT_ID, ACCOUNT, None).await.unwrap();
    sqlx::query("UPDATE jobs SET attempt = max_attempts").execute(&app.pool).await.unwrap();
    exchange_round(&app).await;
    assert_eq!(app.jobs(JobState::Dead).await.len(), 1);
    assert!(!is_installed(&app, ACCOUNT).await);
    exchange_round(&app).await;
    assert!(is_installed(&app, ACCOUNT).await);
}
