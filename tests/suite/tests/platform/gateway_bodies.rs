//! Bodies through the gateway are streamed in both directions with bounded memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::TimeDelta;
use flysk_simulators::{Act, Script};
use flysk_suite::environment::{ACCOUNT, Environment, Options};
use futures::stream::{self, Stream, StreamExt as _};
use reqwest::{Body, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use sqlx::MySqlPool;

use super::harness::{TestApp, WAIT_TIMEOUT, read};

const NOTES: &str = "/api/v4/leads/notes";
const CHUNK_BYTES: usize = 64 * 1024;
const HUNDRED_MEGABYTES: u64 = 100_000_000;
/// Upper bound on the socket and HTTP buffers of three processes on one machine.
const MAX_BUFFERED_BYTES: u64 = 48 << 20;

/// A body of `length` bytes that counts the bytes read from it.
fn pieces(length: u64, taken: &Arc<AtomicU64>) -> impl Stream<Item = Result<Bytes, std::io::Error>> + use<> {
    let taken = Arc::clone(taken);
    stream::unfold(length, move |left| {
        let taken = Arc::clone(&taken);
        async move {
            let size = usize::try_from(left).unwrap_or(CHUNK_BYTES).min(CHUNK_BYTES);
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

fn of_house(app: &TestApp, method: Method) -> RequestBuilder {
    request(&app.http, &app.api_url, &app.project_token, method)
}

fn refused() -> Act {
    Act::Answer {
        status: 401,
        headers: vec![("content-type".to_owned(), "application/problem+json".to_owned())],
        body: r#"{"title":"Unauthorized","status":401,"detail":"…"}"#.to_owned(),
    }
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + WAIT_TIMEOUT;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until a count stops growing; returns it.
async fn at_rest(count: impl Fn() -> u64) -> u64 {
    let (mut before, deadline) = (0, Instant::now() + WAIT_TIMEOUT);
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

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_short_body_is_resent_with_the_fresh_token(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.advance(TimeDelta::minutes(11));
    app.amocrm.control.clear_calls();
    app.amocrm.control.script(Script::next(NOTES, refused()));
    app.amocrm.control.script(Script::next(NOTES, Act::Drain));
    let body = "x".repeat(64 * 1024);
    let (status, told) = read(of_house(&app, Method::POST).body(body).send().await.unwrap()).await;
    assert_eq!((status, told), (StatusCode::OK, json!({ "bytes": 64 * 1024 })));
    assert_eq!(app.token_requests(), 1);
}

/// A long body cannot be resent, and nothing was executed: the caller repeats the request, which uses the fresh
/// token.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_long_body_with_a_rejected_token_must_be_sent_again(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.advance(TimeDelta::minutes(11));
    app.amocrm.control.clear_calls();
    app.amocrm.control.script(Script::next(NOTES, refused()));
    app.amocrm.control.script(Script::next(NOTES, Act::Drain));
    let body = "x".repeat(1_000_000);
    let refused = of_house(&app, Method::POST).body(body.clone()).send().await.unwrap();
    assert_eq!(refused.headers()["x-flysk-answer"], "flysk");
    assert!(refused.headers().contains_key("retry-after"));
    let (status, problem) = read(refused).await;
    assert_eq!((status, &problem["code"]), (StatusCode::SERVICE_UNAVAILABLE, &json!("token_renewed")));
    let (status, told) = read(of_house(&app, Method::POST).body(body).send().await.unwrap()).await;
    assert_eq!((status, told), (StatusCode::OK, json!({ "bytes": 1_000_000 })));
    assert_eq!(app.token_requests(), 1);
    let calls = app.amocrm.control.calls_to("POST", NOTES);
    assert_eq!(calls[1].header("content-length"), Some("1000000"), "amoCRM gets the caller's content length");
}

/// A request rejected for another reason, such as an unknown context user, must not cost a renewal each time.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_fresh_token_is_not_renewed_after_a_401(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.advance(TimeDelta::minutes(11));
    app.amocrm.control.clear_calls();
    for _ in 0..3 {
        let asked = of_house(&app, Method::GET).header("X-Context-User-ID", "999").send().await.unwrap();
        assert_eq!(asked.headers()["x-flysk-answer"], "amocrm");
        assert_eq!(asked.status(), StatusCode::UNAUTHORIZED);
    }
    assert_eq!(app.token_requests(), 1);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_caller_that_disconnects_cancels_the_request(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let bulk = app.amocrm.control.bulk().clone();
    app.amocrm.control.script(Script::next(NOTES, Act::Drain));
    let taken = Arc::default();
    let endless = pieces(1_000_000, &taken).chain(stream::pending());
    let sending = tokio::spawn(of_house(&app, Method::POST).body(Body::wrap_stream(endless)).send());
    until("amoCRM has received all bytes so far", || bulk.bytes() == 1_000_000).await;
    sending.abort();
    until("amoCRM's connection is closed", || bulk.open() == 0).await;
    assert_eq!(bulk.broken(), 1, "a part was passed off as the whole");

    app.amocrm.control.script(Script::next(NOTES, Act::Flood { bytes: 1 << 30 }));
    let before = bulk.bytes();
    let mut answer = of_house(&app, Method::GET).send().await.unwrap();
    answer.chunk().await.unwrap().unwrap();
    let given = at_rest(|| bulk.bytes() - before).await;
    assert!(given < MAX_BUFFERED_BYTES, "{given} bytes wait for a caller who does not read");
    drop(answer);
    until("amoCRM need not go on", || bulk.open() == 0).await;
}

/// Uses the real process, so that its memory can be measured.
#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_megabytes_pass_in_both_directions_in_constant_memory() -> anyhow::Result<()> {
    let mut options = Options::with_fixtures(0.0)?;
    options.more.insert("FLYSK_AMOCRM_TIMEOUT_MS".to_owned(), "10000".to_owned());
    let env = Environment::start(options).await?;
    env.install().await?;
    let control = &env.simulators.amocrm.control;
    let http = reqwest::Client::builder().build()?;
    let ask = |method| request(&http, &env.api_url, &env.project_token, method);
    let upload =
        |length, taken: &Arc<AtomicU64>| ask(Method::POST).body(Body::wrap_stream(pieces(length, taken)));
    let taken = Arc::default();
    // A first request allocates what every request needs.
    control.script(Script::next(NOTES, Act::Drain));
    assert_eq!(upload(1_000_000, &taken).send().await?.status(), StatusCode::OK);

    let before = memory_kib(&env, "VmRSS")?;
    control.script(Script::next(NOTES, Act::Drain));
    let told: Value = upload(HUNDRED_MEGABYTES, &taken).send().await?.json().await?;
    assert_eq!(told, json!({ "bytes": HUNDRED_MEGABYTES }));
    control.script(Script::next(NOTES, Act::Flood { bytes: HUNDRED_MEGABYTES }));
    assert_eq!(length_of(ask(Method::GET).send().await?).await?, HUNDRED_MEGABYTES);
    let grown = memory_kib(&env, "VmHWM")?.saturating_sub(before);
    assert!(grown < 16 * 1024, "the API grew by {grown} KiB");

    // If amoCRM does not read the body, backpressure stops the caller instead of filling our memory, and the
    // request times out.
    control.script(Script::next(NOTES, Act::Ignore));
    let taken = Arc::default();
    let (status, problem) = read(upload(1 << 30, &taken).send().await?).await;
    assert_eq!((status, &problem["code"]), (StatusCode::BAD_GATEWAY, &json!("upstream_unavailable")));
    let taken = taken.load(Ordering::SeqCst);
    assert!(taken < MAX_BUFFERED_BYTES, "{taken} bytes were read without a receiver");
    let grown = memory_kib(&env, "VmHWM")?.saturating_sub(before);
    assert!(grown < 16 * 1024, "the API grew by {grown} KiB");
    env.stop()
}

async fn length_of(mut answer: Response) -> anyhow::Result<u64> {
    assert_eq!((answer.status(), &answer.headers()["x-flysk-answer"]), (StatusCode::OK, &"amocrm".parse()?));
    let mut length = 0;
    while let Some(piece) = answer.chunk().await? {
        length += piece.len() as u64;
    }
    Ok(length)
}

/// A memory size of the API process, KiB. Source: proc(5), `/proc/pid/status`.
fn memory_kib(env: &Environment, name: &str) -> anyhow::Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", env.pid(0)?))?;
    let line = status.lines().find(|line| line.starts_with(name)).expect("the kernel tells it");
    Ok(line.split_whitespace().nth(1).expect("a number").parse()?)
}
