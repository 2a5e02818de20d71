//! Bodies through the gateway: as they come, in both directions, and no more of them in memory than that takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::TimeDelta;
use flysk_simulators::{Act, Script};
use flysk_suite::stand::{ACCOUNT, Options, Stand};
use futures::stream::{self, Stream, StreamExt as _};
use reqwest::{Body, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use sqlx::MySqlPool;

use super::house::{House, SOON, read};

const NOTES: &str = "/api/v4/leads/notes";
const PIECE: usize = 64 * 1024;
const HUNDRED_MEGABYTES: u64 = 100_000_000;
/// What sockets and HTTP buffers of three processes on one machine hold at most, and then some.
const UNDER_WAY: u64 = 48 << 20;

/// A body of `length` bytes, which counts what was taken of it.
fn pieces(length: u64, taken: &Arc<AtomicU64>) -> impl Stream<Item = Result<Bytes, std::io::Error>> + use<> {
    let taken = Arc::clone(taken);
    stream::unfold(length, move |left| {
        let taken = Arc::clone(&taken);
        async move {
            let size = usize::try_from(left).unwrap_or(PIECE).min(PIECE);
            taken.fetch_add(size as u64, Ordering::SeqCst);
            (size > 0).then(|| (Ok(Bytes::from(vec![b'x'; size])), left - size as u64))
        }
    })
}

fn request(http: &reqwest::Client, api: &str, token: &str, method: Method) -> RequestBuilder {
    http.request(method, format!("{api}/v1/amocrm{NOTES}"))
        .header("X-Project-Token", token)
        .header("X-Account-Id", ACCOUNT.to_string())
}

fn of_house(house: &House, method: Method) -> RequestBuilder {
    request(&house.http, &house.api_url, &house.project_token, method)
}

fn refused() -> Act {
    Act::Answer {
        status: 401,
        headers: vec![("content-type".to_owned(), "application/problem+json".to_owned())],
        body: r#"{"title":"Unauthorized","status":401,"detail":"…"}"#.to_owned(),
    }
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + SOON;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until a count does not grow any more; the count.
async fn at_rest(count: impl Fn() -> u64) -> u64 {
    let (mut before, deadline) = (0, Instant::now() + SOON);
    loop {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let now = count();
        if now == before && now > 0 {
            return now;
        }
        assert!(Instant::now() < deadline, "it does not come to rest: {now}");
        before = now;
    }
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_short_body_is_repeated_with_the_fresh_token(pool: MySqlPool) {
    let house = House::installed(pool).await;
    house.advance(TimeDelta::minutes(11));
    house.amocrm.control.clear_calls();
    house.amocrm.control.script(Script::next(NOTES, refused()));
    house.amocrm.control.script(Script::next(NOTES, Act::Drain));
    let body = "x".repeat(64 * 1024);
    let (status, told) = read(of_house(&house, Method::POST).body(body).send().await.unwrap()).await;
    assert_eq!((status, told), (StatusCode::OK, json!({ "bytes": 64 * 1024 })));
    assert_eq!(house.token_requests(), 1);
}

/// It cannot be sent again, and nothing was carried out: the caller repeats it, and finds the fresh token.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_long_body_whose_token_was_refused_is_asked_for_again(pool: MySqlPool) {
    let house = House::installed(pool).await;
    house.advance(TimeDelta::minutes(11));
    house.amocrm.control.clear_calls();
    house.amocrm.control.script(Script::next(NOTES, refused()));
    house.amocrm.control.script(Script::next(NOTES, Act::Drain));
    let body = "x".repeat(1_000_000);
    let refused = of_house(&house, Method::POST).body(body.clone()).send().await.unwrap();
    assert_eq!(refused.headers()["x-flysk-answer"], "flysk");
    assert!(refused.headers().contains_key("retry-after"));
    let (status, problem) = read(refused).await;
    assert_eq!((status, &problem["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("token_renewed")));
    let (status, told) = read(of_house(&house, Method::POST).body(body).send().await.unwrap()).await;
    assert_eq!((status, told), (StatusCode::OK, json!({ "bytes": 1_000_000 })));
    assert_eq!(house.token_requests(), 1);
    let calls = house.amocrm.control.calls_to("POST", NOTES);
    assert_eq!(calls[1].header("content-length"), Some("1000000"), "amoCRM is told the length as we were");
}

/// A request that is refused for another reason, such as an unknown user to act for, must not cost a pair each time.
#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_token_that_is_fresh_is_not_renewed_for_a_refusal(pool: MySqlPool) {
    let house = House::installed(pool).await;
    house.advance(TimeDelta::minutes(11));
    house.amocrm.control.clear_calls();
    for _ in 0..3 {
        let asked = of_house(&house, Method::GET).header("X-Context-User-ID", "999").send().await.unwrap();
        assert_eq!(asked.headers()["x-flysk-answer"], "amocrm");
        assert_eq!(asked.status(), StatusCode::UNAUTHORIZED);
    }
    assert_eq!(house.token_requests(), 1);
}

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn a_caller_who_leaves_takes_the_request_along(pool: MySqlPool) {
    let house = House::installed(pool).await;
    let bulk = house.amocrm.control.bulk().clone();
    house.amocrm.control.script(Script::next(NOTES, Act::Drain));
    let taken = Arc::default();
    let endless = pieces(1_000_000, &taken).chain(stream::pending());
    let sending = tokio::spawn(of_house(&house, Method::POST).body(Body::wrap_stream(endless)).send());
    until("amoCRM has what came so far", || bulk.bytes() == 1_000_000).await;
    sending.abort();
    until("amoCRM is told that there is no more", || bulk.open() == 0).await;
    assert_eq!(bulk.broken(), 1, "a part was passed off as the whole");

    house.amocrm.control.script(Script::next(NOTES, Act::Flood { bytes: 1 << 30 }));
    let before = bulk.bytes();
    let mut answer = of_house(&house, Method::GET).send().await.unwrap();
    answer.chunk().await.unwrap().unwrap();
    let given = at_rest(|| bulk.bytes() - before).await;
    assert!(given < UNDER_WAY, "{given} bytes wait for a caller who does not read");
    drop(answer);
    until("amoCRM need not go on", || bulk.open() == 0).await;
}

/// The real process, whose memory is nobody else's.
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_megabytes_pass_in_both_directions_in_flat_memory() -> anyhow::Result<()> {
    let mut options = Options::with_fixtures(0.0)?;
    options.more.insert("FLYSK_AMOCRM_TIMEOUT_MS".to_owned(), "3000".to_owned());
    let stand = Stand::start(options).await?;
    stand.install().await?;
    let control = &stand.outside.amocrm.control;
    let http = reqwest::Client::builder().build()?;
    let ask = |method| request(&http, &stand.api_url, &stand.project_token, method);
    let upload =
        |length, taken: &Arc<AtomicU64>| ask(Method::POST).body(Body::wrap_stream(pieces(length, taken)));
    let taken = Arc::default();
    // The first one touches what any request touches.
    control.script(Script::next(NOTES, Act::Drain));
    assert_eq!(upload(1_000_000, &taken).send().await?.status(), StatusCode::OK);

    let before = memory_kib(&stand, "VmRSS")?;
    control.script(Script::next(NOTES, Act::Drain));
    let told: Value = upload(HUNDRED_MEGABYTES, &taken).send().await?.json().await?;
    assert_eq!(told, json!({ "bytes": HUNDRED_MEGABYTES }));
    control.script(Script::next(NOTES, Act::Flood { bytes: HUNDRED_MEGABYTES }));
    assert_eq!(length_of(ask(Method::GET).send().await?).await?, HUNDRED_MEGABYTES);
    let grown = memory_kib(&stand, "VmHWM")?.saturating_sub(before);
    assert!(grown < 16 * 1024, "the API grew by {grown} KiB");

    // amoCRM that takes nothing holds its caller up instead of filling our memory, and is not waited for long.
    control.script(Script::next(NOTES, Act::Ignore));
    let taken = Arc::default();
    let (status, problem) = read(upload(1 << 30, &taken).send().await?).await;
    assert_eq!((status, &problem["code"]), (StatusCode::BAD_GATEWAY, &json!("upstream_unavailable")));
    let taken = taken.load(Ordering::SeqCst);
    assert!(taken < UNDER_WAY, "{taken} bytes were taken for nobody");
    let grown = memory_kib(&stand, "VmHWM")?.saturating_sub(before);
    assert!(grown < 16 * 1024, "the API grew by {grown} KiB");
    stand.stop()
}

async fn length_of(mut answer: Response) -> anyhow::Result<u64> {
    assert_eq!((answer.status(), &answer.headers()["x-flysk-answer"]), (StatusCode::OK, &"amocrm".parse()?));
    let mut length = 0;
    while let Some(piece) = answer.chunk().await? {
        length += piece.len() as u64;
    }
    Ok(length)
}

/// A size of the API process, KiB. Source: proc(5), `/proc/pid/status`.
fn memory_kib(stand: &Stand, name: &str) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", stand.pid(0)?))?;
    let line = status.lines().find(|line| line.starts_with(name)).expect("the kernel tells it");
    Ok(line.split_whitespace().nth(1).expect("a number").parse()?)
}
