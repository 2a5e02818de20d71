//! Ten thousand forged codes against the running product with its real rate limit, and their effect on genuine
//! installs.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use flysk_domain::Clock as _;
use flysk_queue::limits::RateLimiter;
use flysk_suite::environment::{CLIENT_ID, Environment, HOST, Options, PUBLIC_ORIGIN, another_account};
use flysk_tokens::{Freshness, VaultError};
use futures::{StreamExt as _, stream};
use reqwest::{Client, Method, StatusCode};
use sqlx::MySqlPool;

use super::harness::{TestApp, trace};

const BAD_CODES: usize = 10_000;
/// Maximum time of an install from the marketplace, and of a reconnect with a state, during the flood.
const MAX_INSTALL_TIME: Duration = Duration::from_secs(2);
const MAX_RECONNECT_TIME: Duration = Duration::from_secs(1);

/// Distribution of forged codes: source address and host of the `n`th.
type Spread = fn(usize) -> (String, String);

/// The last distribution uses the source of genuine codes, whose forged codes count against it for 20 minutes.
const SPREADS: [(&str, Spread); 4] = [
    ("many hosts, many sources", |n| {
        (format!("192.{}.{}.1", n / 250, n % 250), format!("all-{n}.amocrm.ru"))
    }),
    ("invented hosts, one source", |n| ("198.51.100.7".to_owned(), format!("other-{n}.amocrm.ru"))),
    ("a genuine host, many sources", |n| (format!("203.0.{}.{}", n / 250, n % 250), HOST.to_owned())),
    ("invented hosts, amoCRM's own source", |n| ("127.0.0.1".to_owned(), format!("invented-{n}.amocrm.ru"))),
];

#[tokio::test(flavor = "multi_thread")]
#[ignore = "forty thousand requests: some minutes"]
async fn ten_thousand_forged_codes_delay_no_genuine_install() -> anyhow::Result<()> {
    let mut options = Options::with_fixtures(0.0)?;
    options.more.insert("FLYSK_TRUSTED_PROXIES".to_owned(), "127.0.0.1".to_owned());
    let env = Environment::start(options).await?;
    env.install().await?;
    let calm = (install(&env, 0).await?, reconnect(&env, 0).await?, renew(&env).await?);
    println!("calm: install, reconnect, renewal {calm:?}");
    for (n, (name, spread)) in SPREADS.into_iter().enumerate() {
        let began = Instant::now();
        flood(&env, n, spread).await?;
        let waiting: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM oauth_codes WHERE state = 'waiting'")
            .fetch_one(&env.pool)
            .await?;
        println!("{name}: {BAD_CODES} sent in {:?}, {waiting} wait", began.elapsed());
        ensure!(waiting >= 100, "{name}: only {waiting} wait");
        for again in 1..=3_u64 {
            let took = install(&env, 10 * (n as u64 + 1) + again).await?;
            println!("{name}: an install took {took:?}");
            ensure!(took < MAX_INSTALL_TIME, "{name}: an install took {took:?}\n{}", env.logs());
        }
        let took = reconnect(&env, n as u64 + 1).await?;
        println!("{name}: a reconnect took {took:?}");
        ensure!(took < MAX_RECONNECT_TIME, "{name}: a reconnect took {took:?}");
        let took = renew(&env).await?;
        println!("{name}: renewing all pairs took {took:?}");
        ensure!(took < calm.2 + Duration::from_secs(5), "{name}: renewing all pairs took {took:?}");
    }
    env.stop()
}

async fn flood(env: &Environment, which: usize, spread: Spread) -> anyhow::Result<()> {
    let http = Client::builder().build()?;
    let answers = stream::iter(0..BAD_CODES).map(|n| {
        let (source, host) = spread(n);
        let code = format!("made-up-{which}-{n}");
        let query =
            [("code", code.as_str()), ("referer", &host), ("client_id", CLIENT_ID), ("from_widget", "1")];
        let url = format!("{}/oauth/amocrm/callback", env.api_url);
        http.get(url).query(&query).header("X-Forwarded-For", source).send()
    });
    let mut answers = answers.buffer_unordered(32);
    while let Some(answer) = answers.next().await {
        let status = answer?.status();
        let is_told_no = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::BAD_REQUEST);
        ensure!(status == StatusCode::OK || is_told_no, "{status}");
    }
    Ok(())
}

/// A new account installs from the marketplace; returns the time until it is active.
async fn install(env: &Environment, n: u64) -> anyhow::Result<Duration> {
    let account = 41_000_000 + n;
    let amocrm = &env.simulators.amocrm.state;
    amocrm.add_account(another_account(account, &format!("newcomer-{n}"), 700 + n))?;
    let began = Instant::now();
    let answered = amocrm.install(CLIENT_ID, account, None).await?;
    ensure!(answered.status == Some(200), "the redirect was answered with {:?}", answered.status);
    until_active(env, account).await?;
    Ok(began.elapsed())
}

/// An administrator reconnects an account without access; returns the time from the code's arrival until it is
/// active.
async fn reconnect(env: &Environment, n: u64) -> anyhow::Result<Duration> {
    let (account, admin) = (42_000_000 + n, 900 + n);
    let there = another_account(account, &format!("returning-{n}"), admin);
    let (host, amocrm) = (format!("returning-{n}.amocrm.ru"), &env.simulators.amocrm.state);
    amocrm.add_account(there)?;
    let widget = env.client()?.acting_as(account, admin);
    let (status, shaken) = widget.request(Method::POST, "/v1/handshake", None).await?;
    ensure!(status.is_success(), "{status}: {shaken}");
    let ours = shaken["connect_url"].as_str().context("connect_url")?.replace(PUBLIC_ORIGIN, &env.api_url);
    let http = Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
    let begun = http.get(ours).send().await?;
    let cookie = begun.headers().get("set-cookie").context("a cookie")?.to_str()?.to_owned();
    let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
    let state = cookie.split_once('=').context("a cookie with the state")?.1.to_owned();
    let code = amocrm.issue_code(CLIENT_ID, account, None)?;
    let from = Instant::now();
    let query = [("code", code.as_str()), ("referer", &host), ("client_id", CLIENT_ID), ("state", &state)];
    let url = format!("{}/oauth/amocrm/callback", env.api_url);
    let answer = http.get(url).query(&query).header("Cookie", cookie).send().await?;
    ensure!(answer.status() == StatusCode::OK, "{}", answer.status());
    until_active(env, account).await?;
    Ok(from.elapsed())
}

async fn until_active(env: &Environment, account: u64) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_mins(2);
    loop {
        let active: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM installs WHERE account_id = ? AND status = 'active'")
                .bind(account)
                .fetch_one(&env.pool)
                .await?;
        if active == 1 {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "not active:\n{}", env.logs());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// An operator renews all pairs by command; returns the duration.
async fn renew(env: &Environment) -> anyhow::Result<Duration> {
    let began = Instant::now();
    let pairs = "SELECT CAST(SUM(generation) AS SIGNED) FROM install_tokens";
    let before: i64 = sqlx::query_scalar(pairs).fetch_one(&env.pool).await?;
    tokio::task::block_in_place(|| env.command("flysk-worker", &["token:refresh-all"]))?;
    let after: i64 = sqlx::query_scalar(pairs).fetch_one(&env.pool).await?;
    ensure!(after > before, "no pair was renewed");
    Ok(began.elapsed())
}

/// Renewals and vouched codes have a separate rate limit: unvouched codes do not use it up.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn unvouched_codes_do_not_use_the_rate_limit_of_renewals(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let limits: RateLimiter = app.executor.app().limits.clone();
    let slow = app.vault.clone().with_rate_limit(limits, 1);
    // Uses up the remaining permits, however many there are.
    let full = loop {
        let who = format!("made-up-{:08x}", rand::random::<u32>());
        if let Err(error) = slow.acquire_unvouched_exchange(&who, Duration::ZERO).await {
            break error;
        }
    };
    assert!(matches!(full, VaultError::NotNow { after: Some(_), .. }), "{full:?}");
    let id = app.install_id().await;
    let renewed = slow.renew(id, Freshness::IssuedAfter(app.clock.now()), &trace()).await;
    assert!(renewed.is_ok(), "{renewed:?}");
}
