//! Codes that somebody made up: they stand before no genuine one, whoever sends them and whatever host they name.

use chrono::TimeDelta;
use flysk_jobs::oauth::{ExchangeCode, ExchangeVouchedCode};
use flysk_jobs::upkeep::PruneJobs;
use flysk_jobs::{Job as _, runtime::engine::Performed};
use flysk_store::jobs::{JobRow, JobState};
use flysk_store::platform::installs;
use flysk_suite::stand::{ACCOUNT, CLIENT_ID, account_next_door};
use futures::StreamExt as _;
use futures::stream;
use reqwest::StatusCode;
use sqlx::MySqlPool;
use url::Url;

use super::callback::{arrives, begin};
use super::house::{House, on, trace};

/// Fewer than one source may have waiting.
const MANY: usize = 150;

/// The platform behind a proxy that it trusts, so that requests can come from anywhere.
pub(crate) async fn behind_a_proxy(pool: MySqlPool) -> House {
    let mut house = House::build(pool).await;
    house.api_url = house.api_in(|env| env.with("FLYSK_TRUSTED_PROXIES", "127.0.0.1")).await;
    house
}

/// Somebody at `source` sends a code from `host` as amoCRM itself would.
pub(crate) async fn send(house: &House, source: &str, host: &str, code: &str) -> (StatusCode, String) {
    let mut url: Url = format!("{}/oauth/amocrm/callback", house.api_url).parse().unwrap();
    let query = [("code", code), ("referer", host), ("client_id", CLIENT_ID), ("from_widget", "1")];
    url.query_pairs_mut().extend_pairs(query);
    let answer = house.http.get(url).header("X-Forwarded-For", source).send().await.unwrap();
    (answer.status(), answer.text().await.unwrap())
}

/// Who sends what: `n` to source and host.
type Flood = fn(usize) -> (String, String);

async fn flood(house: &House, name: &str, count: usize, flood: Flood) {
    let all = stream::iter(0..count).map(async |n| {
        let (source, host) = flood(n);
        let (status, page) = send(house, &source, &host, &format!("{name}-{n}")).await;
        assert_eq!(status, StatusCode::OK, "{name} {n}: {page}");
    });
    all.buffer_unordered(8).collect::<Vec<()>>().await;
}

async fn waiting(house: &House) -> Vec<JobRow> {
    let mut jobs = house.jobs(JobState::Queued).await;
    jobs.retain(|job| job.kind == ExchangeCode::KIND);
    jobs
}

/// A worker has a place for one of the codes nobody vouches for.
pub(crate) async fn turn(house: &House) {
    let job = waiting(house).await.pop().expect("a code waits");
    assert!(matches!(house.engine.perform(job.id).await.unwrap(), Performed::Ended(_)));
}

async fn is_installed(house: &House, account: u64) -> bool {
    let widget = house.widget().await;
    let mut conn = house.conn().await;
    let found = installs::find_in_account(on(&mut conn), widget.id, flysk_domain::id::AccountId(account));
    found.await.unwrap().is_some_and(|install| install.status.as_str() == "active")
}

/// Turns until the account's install is active; at most `most`.
async fn turns_until_installed(house: &House, account: u64, most: usize) -> usize {
    for turns in 0..=most {
        if is_installed(house, account).await {
            return turns;
        }
        turn(house).await;
    }
    panic!("not installed after {most} turns");
}

fn one_address(_: usize) -> String {
    "198.51.100.7".to_owned()
}

fn many_addresses(n: usize) -> String {
    format!("203.0.{}.{}", n / 200, n % 200)
}

/// However an attacker spreads its codes, the one that amoCRM sends is exchanged before nearly all of them: its own address,
/// its own host, or its being new tells it apart.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_genuine_install_does_not_wait_for_made_up_codes(pool: MySqlPool) {
    let house = behind_a_proxy(pool).await;
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
        let victim = account_next_door(account, &format!("victim-{n}"), 600 + n as u64);
        house.amocrm.state.add_account(victim).unwrap();
        flood(&house, name, MANY, shape).await;
        house.advance(TimeDelta::milliseconds(1));
        let answered = house.amocrm.state.install(CLIENT_ID, account, None).await.unwrap();
        assert_eq!(answered.status, Some(200), "{name}");
        let turns = turns_until_installed(&house, account, 2).await;
        assert!(turns <= 2, "{name}: {turns}");
        assert!(!waiting(&house).await.is_empty(), "{name}: the flood was over");
        sqlx::query("DELETE FROM oauth_codes WHERE state <> 'exchanged'").execute(&house.pool).await.unwrap();
        sqlx::query("DELETE FROM jobs").execute(&house.pool).await.unwrap();
    }
}

/// Newer ones do not stand before it either, once it is known what comes from there.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_flood_that_goes_on_stands_before_no_genuine_install(pool: MySqlPool) {
    let house = behind_a_proxy(pool).await;
    let shape: Flood = |n| (one_address(n), format!("invented-{n}.amocrm.ru"));
    flood(&house, "before", 40, shape).await;
    for _ in 0..3 {
        turn(&house).await;
    }
    house.amocrm.state.install(CLIENT_ID, ACCOUNT, None).await.unwrap();
    house.advance(TimeDelta::milliseconds(1));
    flood(&house, "after", 40, |n| (one_address(n), format!("newer-{n}.amocrm.ru"))).await;
    assert_eq!(turns_until_installed(&house, ACCOUNT, 1).await, 1);
}

/// A state that an administrator of the account got in a handshake vouches for a code: no turn is waited for. One that anybody
/// can get does not, nor do any number of one account's.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_reconnect_with_a_state_stands_in_another_line(pool: MySqlPool) {
    let house = behind_a_proxy(pool).await;
    flood(&house, "made-up", MANY, |n| (many_addresses(n), format!("invented-{n}.amocrm.ru"))).await;
    let code = house.amocrm.state.issue_code(CLIENT_ID, ACCOUNT, None).unwrap();
    let (state, cookie) = begin(&house).await;
    assert_eq!(comes_back(&house, &code, &state, &cookie).await, StatusCode::OK);
    let first = of_kind(&house, ExchangeVouchedCode::KIND).await;
    assert_eq!((first.len(), first[0].queue.as_str()), (1, "oauth"));
    for n in 0..8 {
        let (state, cookie) = begin(&house).await;
        assert_eq!(comes_back(&house, &format!("again-{n}"), &state, &cookie).await, StatusCode::OK);
    }
    assert_eq!(of_kind(&house, ExchangeVouchedCode::KIND).await.len(), 5, "one account's states");
    let address = format!("{}/oauth/amocrm/connect?widget=flysense", house.api_url);
    let begun = house.http.get(address).send().await.unwrap();
    let cookie = begun.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let state = cookie.split_once('=').unwrap().1.to_owned();
    assert_eq!(comes_back(&house, "anybodys", &state, &cookie).await, StatusCode::OK);
    assert_eq!(of_kind(&house, ExchangeVouchedCode::KIND).await.len(), 5, "anybody's state");

    house.engine.perform(first[0].id).await.unwrap();
    assert_eq!((house.status().await, house.token_requests()), ("active", 1));
    assert_eq!(waiting(&house).await.len(), MANY + 4 + 1);
}

async fn comes_back(house: &House, code: &str, state: &str, cookie: &str) -> StatusCode {
    let query = [("code", code), ("referer", "demo.amocrm.ru"), ("client_id", CLIENT_ID), ("state", state)];
    arrives(house, &query, Some(cookie)).await.0
}

async fn of_kind(house: &House, kind: &str) -> Vec<JobRow> {
    let mut jobs = house.jobs(JobState::Queued).await;
    jobs.retain(|job| job.kind == kind);
    jobs
}

/// One source fills its own room and nobody else's; of what it sends the newest stays.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn what_waits_is_bounded_per_source_and_per_widget(pool: MySqlPool) {
    let house = behind_a_proxy(pool).await;
    for n in 0..230 {
        let host = format!("invented-{n}.amocrm.ru");
        assert_eq!(send(&house, "198.51.100.7", &host, &format!("one-{n}")).await.0, StatusCode::OK);
        house.advance(TimeDelta::milliseconds(1));
    }
    assert_eq!((codes(&house).await.len(), waiting(&house).await.len()), (200, 200));
    let left = codes(&house).await;
    assert!(
        left.contains(&"invented-229.amocrm.ru".to_owned())
            && !left.contains(&"invented-29.amocrm.ru".to_owned())
    );

    flood(&house, "all-over", 900, |n| (many_addresses(n), format!("all-over-{n}.amocrm.ru"))).await;
    let (kept, jobs) = (codes(&house).await.len(), house_wide(&house, "jobs", "state = 'queued'").await);
    assert!((1_000..1_010).contains(&kept), "{kept}");
    assert!(jobs < 1_010, "as many jobs as codes, not as requests: {jobs}");
    house.advance(TimeDelta::milliseconds(1));
    house.amocrm.state.install(CLIENT_ID, ACCOUNT, None).await.unwrap();
    assert!(turns_until_installed(&house, ACCOUNT, 2).await <= 2);

    // Codes of sources that brought good ones are not forgotten for a newcomer's.
    for n in 0..20 {
        assert_eq!(
            send(&house, "198.51.100.8", "filler.amocrm.ru", &format!("fills-{n}")).await.0,
            StatusCode::OK
        );
    }
    let good = "UPDATE oauth_codes SET credit = 1, source = '203.0.113.250' WHERE state = 'waiting'";
    sqlx::query(good).execute(&house.pool).await.unwrap();
    let (status, page) = send(&house, "198.51.100.99", "late.amocrm.ru", "late").await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    assert!(page.contains("Подождите минуту"), "{page}");
}

/// Hosts of the codes that wait, oldest first.
async fn codes(house: &House) -> Vec<String> {
    sqlx::query_scalar("SELECT host FROM oauth_codes WHERE state = 'waiting' ORDER BY received_at, id")
        .fetch_all(&house.pool)
        .await
        .unwrap()
}

async fn house_wide(house: &House, table: &str, which: &str) -> i64 {
    let count = format!("SELECT COUNT(*) FROM {table} WHERE {which}");
    sqlx::query_scalar(sqlx::AssertSqlSafe(count)).fetch_one(&house.pool).await.unwrap()
}

/// A made-up code costs amoCRM one request and us a row for a day.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn made_up_codes_are_refused_at_one_look_and_forgotten(pool: MySqlPool) {
    let house = behind_a_proxy(pool).await;
    flood(&house, "made-up", 30, |n| (many_addresses(n), "demo.amocrm.ru".to_owned())).await;
    house.run_due_jobs().await;
    assert_eq!(house.token_requests(), 30);
    let ended = (house.jobs(JobState::Queued).await.len(), house.jobs(JobState::Dead).await.len());
    assert_eq!(ended, (0, 0), "nothing for an operator");
    assert_eq!(house_wide(&house, "oauth_codes", "state = 'dead' AND code_sealed = ''").await, 30);
    house.advance(TimeDelta::days(2));
    let mut unit = house.engine.outbox().begin(trace()).await.unwrap();
    unit.enqueue(&PruneJobs {}).await.unwrap();
    unit.commit().await.unwrap();
    house.run_due_jobs().await;
    assert_eq!(house_wide(&house, "oauth_codes", "TRUE").await, 0);
}

/// A job is a turn: as long as codes wait, one that is given up is followed by another.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_turn_that_is_given_up_leaves_no_code_behind(pool: MySqlPool) {
    let house = behind_a_proxy(pool).await;
    house.amocrm.state.install(CLIENT_ID, ACCOUNT, None).await.unwrap();
    sqlx::query("UPDATE jobs SET attempt = max_attempts").execute(&house.pool).await.unwrap();
    turn(&house).await;
    assert_eq!(house.jobs(JobState::Dead).await.len(), 1);
    assert!(!is_installed(&house, ACCOUNT).await);
    turn(&house).await;
    assert!(is_installed(&house, ACCOUNT).await);
}
