//! Ten thousand made-up codes against the running product, with its own pace, and what they cost those who mean it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use flysk_domain::Clock as _;
use flysk_jobs::runtime::limits::Limits;
use flysk_suite::stand::{CLIENT_ID, HOST, Options, PUBLIC_ORIGIN, Stand, account_next_door};
use flysk_vault::{Need, VaultError};
use futures::{StreamExt as _, stream};
use reqwest::{Client, Method, StatusCode};
use sqlx::MySqlPool;

use super::house::{House, trace};

const FLOOD: usize = 10_000;
/// What an install from the marketplace may take while they wait, and a reconnect with a state.
const MAX_INSTALL: Duration = Duration::from_secs(2);
const MAX_RECONNECT: Duration = Duration::from_secs(1);

/// How an attacker spreads its codes: source and host of the `n`th.
type Spread = fn(usize) -> (String, String);

/// The source that genuine codes come from is abused last: its bad codes count against it for twenty minutes.
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
async fn ten_thousand_made_up_codes_delay_nobody_who_means_it() -> anyhow::Result<()> {
    let mut options = Options::with_fixtures(0.0)?;
    options.more.insert("FLYSK_TRUSTED_PROXIES".to_owned(), "127.0.0.1".to_owned());
    let stand = Stand::start(options).await?;
    stand.install().await?;
    let calm = (install(&stand, 0).await?, reconnect(&stand, 0).await?, renew(&stand).await?);
    println!("calm: install, reconnect, renewal {calm:?}");
    for (n, (name, spread)) in SPREADS.into_iter().enumerate() {
        let began = Instant::now();
        flood(&stand, n, spread).await?;
        let waiting: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM oauth_codes WHERE state = 'waiting'")
            .fetch_one(&stand.pool)
            .await?;
        println!("{name}: {FLOOD} sent in {:?}, {waiting} wait", began.elapsed());
        ensure!(waiting >= 100, "{name}: only {waiting} wait");
        for again in 1..=3_u64 {
            let took = install(&stand, 10 * (n as u64 + 1) + again).await?;
            println!("{name}: an install took {took:?}");
            ensure!(took < MAX_INSTALL, "{name}: an install took {took:?}\n{}", stand.logs());
        }
        let took = reconnect(&stand, n as u64 + 1).await?;
        println!("{name}: a reconnect took {took:?}");
        ensure!(took < MAX_RECONNECT, "{name}: a reconnect took {took:?}");
        let took = renew(&stand).await?;
        println!("{name}: renewing all pairs took {took:?}");
        ensure!(took < calm.2 + Duration::from_secs(5), "{name}: renewing all pairs took {took:?}");
    }
    stand.stop()
}

async fn flood(stand: &Stand, which: usize, spread: Spread) -> anyhow::Result<()> {
    let http = Client::builder().build()?;
    let answers = stream::iter(0..FLOOD).map(|n| {
        let (source, host) = spread(n);
        let code = format!("made-up-{which}-{n}");
        let query =
            [("code", code.as_str()), ("referer", &host), ("client_id", CLIENT_ID), ("from_widget", "1")];
        let url = format!("{}/oauth/amocrm/callback", stand.api_url);
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

/// An account never seen before installs from the marketplace; how long until it is active.
async fn install(stand: &Stand, n: u64) -> anyhow::Result<Duration> {
    let account = 41_000_000 + n;
    let amocrm = &stand.outside.amocrm.state;
    amocrm.add_account(account_next_door(account, &format!("newcomer-{n}"), 700 + n))?;
    let began = Instant::now();
    let answered = amocrm.install(CLIENT_ID, account, None).await?;
    ensure!(answered.status == Some(200), "the redirect was answered with {:?}", answered.status);
    until_active(stand, account).await?;
    Ok(began.elapsed())
}

/// An account's administrator, whose widget has no access, connects it; how long from the code's arrival until it is active.
async fn reconnect(stand: &Stand, n: u64) -> anyhow::Result<Duration> {
    let (account, admin) = (42_000_000 + n, 900 + n);
    let there = account_next_door(account, &format!("returning-{n}"), admin);
    let (host, amocrm) = (format!("returning-{n}.amocrm.ru"), &stand.outside.amocrm.state);
    amocrm.add_account(there)?;
    let widget = stand.client()?.acting_as(account, admin);
    let (status, shaken) = widget.request(Method::POST, "/v1/handshake", None).await?;
    ensure!(status.is_success(), "{status}: {shaken}");
    let ours = shaken["connect_url"].as_str().context("connect_url")?.replace(PUBLIC_ORIGIN, &stand.api_url);
    let http = Client::builder().redirect(reqwest::redirect::Policy::none()).build()?;
    let begun = http.get(ours).send().await?;
    let cookie = begun.headers().get("set-cookie").context("a cookie")?.to_str()?.to_owned();
    let cookie = cookie.split(';').next().unwrap_or_default().to_owned();
    let state = cookie.split_once('=').context("a cookie with the state")?.1.to_owned();
    let code = amocrm.issue_code(CLIENT_ID, account, None)?;
    let from = Instant::now();
    let query = [("code", code.as_str()), ("referer", &host), ("client_id", CLIENT_ID), ("state", &state)];
    let url = format!("{}/oauth/amocrm/callback", stand.api_url);
    let answer = http.get(url).query(&query).header("Cookie", cookie).send().await?;
    ensure!(answer.status() == StatusCode::OK, "{}", answer.status());
    until_active(stand, account).await?;
    Ok(from.elapsed())
}

async fn until_active(stand: &Stand, account: u64) -> anyhow::Result<()> {
    let deadline = Instant::now() + Duration::from_mins(2);
    loop {
        let active: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM installs WHERE account_id = ? AND status = 'active'")
                .bind(account)
                .fetch_one(&stand.pool)
                .await?;
        if active == 1 {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "not active:\n{}", stand.logs());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// All pairs are renewed by an operator's command; how long it takes.
async fn renew(stand: &Stand) -> anyhow::Result<Duration> {
    let began = Instant::now();
    let pairs = "SELECT CAST(SUM(pair) AS SIGNED) FROM install_tokens";
    let before: i64 = sqlx::query_scalar(pairs).fetch_one(&stand.pool).await?;
    tokio::task::block_in_place(|| stand.command("flysk-worker", &["token:refresh-all"]))?;
    let after: i64 = sqlx::query_scalar(pairs).fetch_one(&stand.pool).await?;
    ensure!(after > before, "no pair was renewed");
    Ok(began.elapsed())
}

/// Renewals, and codes that states vouch for, keep a pace of their own: what makes up codes takes no place of theirs.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn codes_nobody_vouches_for_take_no_place_of_a_renewal(pool: MySqlPool) {
    let house = House::installed(pool).await;
    let limits: Limits = house.engine.app().limits.clone();
    let slow = house.vault.clone().paced(limits, 1);
    // However many places there were: from here on there is none.
    let full = loop {
        let who = format!("made-up-{:08x}", rand::random::<u32>());
        if let Err(error) = slow.unvouched_place(&who, Duration::ZERO).await {
            break error;
        }
    };
    assert!(matches!(full, VaultError::NotNow { after: Some(_), .. }), "{full:?}");
    let id = house.install_id().await;
    let renewed = slow.renew(id, Need::NewerThan(house.clock.now()), &trace()).await;
    assert!(renewed.is_ok(), "{renewed:?}");
}
