//! Clients that leave, that do not wait for slow backends, and pages of somebody else.

use std::time::Duration;

use anyhow::bail;
use flysk_suite::environment::{ACCOUNT, ADMIN, Options, SandboxProcess};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::slow_backend::SlowBackend;
use super::{START, entries, post, start};

/// Time between looks at something that another request does.
const LOOK: Duration = Duration::from_millis(20);

/// Sends a request and leaves as soon as the backend has the event that follows from it; returns the event's type.
async fn leave(
    sandbox: &SandboxProcess,
    backend: &mut SlowBackend,
    path: &str,
    body: Value,
) -> anyhow::Result<Value> {
    tokio::select! {
        answer = sandbox.ask(Method::POST, path, Some(&body)) => bail!("{path} has not waited: {answer:?}"),
        event = backend.next() => event,
    }
}

/// Repeats a request until it gets another answer than this.
async fn until_not(
    sandbox: &SandboxProcess,
    refused: StatusCode,
    (method, path, body): (Method, &str, Option<Value>),
) -> anyhow::Result<Value> {
    loop {
        let (status, answer) = sandbox.ask(method.clone(), path, body.as_ref()).await?;
        if status == StatusCode::OK {
            return Ok(answer);
        }
        assert_eq!(status, refused, "{path}: {answer}");
        tokio::time::sleep(LOOK).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_abandons_neither_jobs_nor_the_clock() -> anyhow::Result<()> {
    let sandbox = start()?;
    let mut backend = SlowBackend::start(&sandbox).await?;
    leave(&sandbox, &mut backend, "/clock/advance", json!({ "by": "1mo" })).await?;
    let again = json!({ "by": "1min" });
    let (status, problem) = sandbox.ask(Method::POST, "/clock/advance", Some(&again)).await?;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::CONFLICT, &json!("busy")),
        "the clock goes on moving"
    );
    backend.go_on();
    let request = (Method::POST, "/clock/advance", Some(again));
    let moved = until_not(&sandbox, StatusCode::CONFLICT, request).await?;
    assert_eq!(moved["now"], "2027-02-28T09:01:00Z", "{moved}");
    let timeline = sandbox.control(Method::GET, "/timeline?type=event", None).await?;
    let told = entries(&timeline, "event", &["event_type", "status"]);
    for event in ["subscription.trial_ending", "subscription.trial_ended"] {
        assert!(told.contains(&vec![&json!(event), &json!(204)]), "{event}: {timeline}");
    }
    sandbox.stop()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_whose_client_leaves_is_finished() -> anyhow::Result<()> {
    let sandbox = start()?;
    let mut backend = SlowBackend::start(&sandbox).await?;
    assert_eq!(leave(&sandbox, &mut backend, "/reset", json!({})).await?, "install");
    let (status, problem) = sandbox.ask(Method::POST, "/reset", None).await?;
    let seen = (status, problem["code"].as_str());
    assert_eq!(seen, (StatusCode::SERVICE_UNAVAILABLE, Some("starting")), "{problem}");
    backend.go_on();
    let request = (Method::POST, "/reset", None);
    let state = until_not(&sandbox, StatusCode::SERVICE_UNAVAILABLE, request).await?;
    let seen = (&state["ready"], &state["accounts"][0]["status"], &state["clock"]["now"]);
    assert_eq!(seen, (&json!(true), &json!("active"), &json!(START)), "{state}");
    sandbox.stop()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_that_failed_is_repeated() -> anyhow::Result<()> {
    let options = Options::with_fixtures(0.0)?;
    let name = format!("sandbox_test_{:016x}", rand::random::<u64>());
    let sandbox = SandboxProcess::start(&options, &["--starts-at", START, "--database", &name])?;
    let mut url: url::Url = options.database_url.parse()?;
    url.set_path(&name);
    let pool = flysk_store::connect(url.as_str(), 1).await?;
    // Its name is a word of SQL: the sandbox cannot empty it.
    sqlx::query("CREATE TABLE `select` (id INT)").execute(&pool).await?;
    let (status, problem) = sandbox.ask(Method::POST, "/reset", None).await?;
    let seen = (status, problem["code"].as_str());
    assert_eq!(seen, (StatusCode::INTERNAL_SERVER_ERROR, Some("internal")), "{problem}");
    let (status, problem) = sandbox.ask(Method::GET, "/state", None).await?;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{problem}");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("/_sandbox/reset")), "{problem}");
    sqlx::query("DROP TABLE `select`").execute(&pool).await?;
    let state = post(&sandbox, "/reset", json!({ "starts_at": "2028-05-01T00:00:00Z" })).await?;
    let seen = (&state["ready"], &state["accounts"][0]["status"], &state["clock"]["now"]);
    assert_eq!(seen, (&json!(true), &json!("active"), &json!("2028-05-01T00:00:00Z")), "{state}");
    post(&sandbox, "/clock/advance", json!({ "by": "1d" })).await?;
    pool.close().await;
    sandbox.stop()
}

#[tokio::test(flavor = "multi_thread")]
async fn acts_say_whether_what_follows_has_happened() -> anyhow::Result<()> {
    let sandbox = start()?;
    let mut backend = SlowBackend::start(&sandbox).await?;
    let opening = post(&sandbox, "/accounts", json!({ "subdomain": "second" }));
    let meanwhile = async {
        assert_eq!(backend.next().await?, "install");
        let purchase = sandbox.order_coins(ACCOUNT, ADMIN, "order-1").await?;
        let pay = format!("/payments/{purchase}/pay");
        let note = format!("/accounts/{ACCOUNT}/notes");
        let (paid, noted) =
            tokio::join!(sandbox.ask(Method::POST, &pay, None), post(&sandbox, &note, json!({})));
        let ((status, problem), noted) = (paid?, noted?);
        assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("busy")), "{problem}");
        assert_eq!(noted["settled"], false, "{noted}");
        backend.go_on();
        anyhow::Ok(pay)
    };
    let (opened, pay) = tokio::try_join!(opening, meanwhile)?;
    assert!(opened["settled"].is_boolean(), "{opened}");
    let request = (Method::POST, pay.as_str(), None);
    let paid = until_not(&sandbox, StatusCode::CONFLICT, request).await?;
    assert_eq!(paid["payment"]["outcome"], "paid", "{paid}");
    let noted = post(&sandbox, &format!("/accounts/{ACCOUNT}/notes"), json!({})).await?;
    assert_eq!(noted["settled"], true, "nobody waits any more: {noted}");
    sandbox.stop()
}

/// On a busy machine jobs take longer than acts wait for a backend. An act does not answer before its effect then.
#[tokio::test(flavor = "multi_thread")]
async fn acts_wait_for_jobs_that_take_their_time() -> anyhow::Result<()> {
    let sandbox = start()?;
    let amocrm = format!("{}/_sim/scripts", sandbox.text("/simulators/amocrm"));
    let slow = json!({ "path": "/oauth2/access_token", "delay_ms": 3_000, "act": { "do": "serve" } });
    let http = reqwest::Client::builder().no_proxy().build()?;
    http.post(amocrm).json(&slow).send().await?.error_for_status()?;
    let (one, other) = tokio::try_join!(
        post(&sandbox, "/accounts", json!({ "subdomain": "one" })),
        post(&sandbox, "/accounts", json!({ "subdomain": "other" })),
    )?;
    for opened in [one, other] {
        let seen = (&opened["settled"], &opened["account"]["status"]);
        assert_eq!(seen, (&json!(true), &json!("active")), "{opened}");
    }
    sandbox.stop()
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_somebody_else_change_nothing() -> anyhow::Result<()> {
    let sandbox = start()?;
    let http = reqwest::Client::builder().no_proxy().build()?;
    let url = sandbox.text("/control_url");
    let own = sandbox.text("/url");
    // What a page can send without asking first: an empty body of any type.
    for (method, path) in [
        (Method::POST, "/reset"),
        (Method::POST, "/clock/advance"),
        (Method::POST, "/console/reset"),
        (Method::DELETE, "/accounts/31234567"),
        (Method::GET, "/state"),
    ] {
        let ask =
            || http.request(method.clone(), format!("{url}{path}")).header("Content-Type", "text/plain");
        for (name, value, code) in [
            ("Origin", "https://evil.example", "foreign_origin"),
            ("Origin", "null", "foreign_origin"),
            ("Host", "evil.example", "foreign_host"),
        ] {
            let answer = ask().header(name, value).send().await?;
            assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{method} {path} {name}: {value}");
            let problem: Value = answer.json().await?;
            assert_eq!(problem["code"], code, "{method} {path} {name}: {value}");
        }
    }
    let state = sandbox.control(Method::GET, "/state", None).await?;
    assert_eq!(state["project_token"], sandbox.text("/project_token"), "it was not reset");
    for (name, value) in [("Origin", own), ("Host", "sandbox:8080"), ("Host", "localhost:8090")] {
        let answer = http.get(format!("{url}/clock")).header(name, value).send().await?;
        assert_eq!(answer.status(), StatusCode::OK, "{name}: {value}");
    }
    sandbox.stop()
}
