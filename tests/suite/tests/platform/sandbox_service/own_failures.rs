//! Flysk's own API that fails as it is told, and the widget's secrets that are replaced.

use anyhow::Context as _;
use flysk_simulators::{Control, SimClock, vendor};
use flysk_suite::environment::{ACCOUNT, SandboxProcess};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{entries, post, start};

/// Charges one request under an idempotency key; the error if there is no answer.
async fn charge(sandbox: &SandboxProcess, key: &str) -> anyhow::Result<(StatusCode, Value)> {
    let headers = [("X-Project-Token", sandbox.text("/project_token")), ("Idempotency-Key", key)];
    let lines = json!([{ "service": "my-widget.request", "quantity": 1 }]);
    let body = json!({ "account_id": ACCOUNT, "lines": lines });
    sandbox.api(Method::POST, "/v1/backend/flycoins/charges", &headers, Some(&body)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn flysks_refusals_and_lost_answers_are_made_to_happen() -> anyhow::Result<()> {
    let sandbox = start()?;
    let charges = "/v1/backend/flycoins/charges";
    let told =
        post(&sandbox, "/api/fail", json!({ "status": 429, "retry_after_s": 7, "path": charges })).await?;
    assert_eq!(told, json!({ "failing": 1 }));
    let (status, problem) = charge(&sandbox, "one").await?;
    assert_eq!((status, &problem["code"]), (StatusCode::TOO_MANY_REQUESTS, &json!("too_many_requests")));
    assert_eq!(charge(&sandbox, "one").await?.0, StatusCode::CREATED);
    // The others are not met.
    post(&sandbox, "/api/fail", json!({ "next": 2, "method": "POST" })).await?;
    let token = [("X-Project-Token", sandbox.text("/project_token"))];
    let (status, _) = sandbox.api(Method::GET, "/v1/backend/installs", &token, None).await?;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(charge(&sandbox, "two").await?.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(sandbox.control(Method::GET, "/api", None).await?, json!({ "failing": 1 }));
    assert_eq!(post(&sandbox, "/api/fail", json!({ "next": 0 })).await?, json!({ "failing": 0 }));
    // Nothing is executed, then all of it, and nobody hears of either.
    for (lost, executed) in [("request", 0), ("answer", 1)] {
        let before = sandbox.control(Method::GET, "/timeline", None).await?["next"].clone();
        post(&sandbox, "/api/fail", json!({ "lose": lost })).await?;
        assert!(charge(&sandbox, lost).await.is_err(), "no answer to the {lost}");
        let path = format!("/timeline?type=flycoins&after={before}");
        let told = sandbox.control(Method::GET, &path, None).await?;
        assert_eq!(entries(&told, "flycoins", &["available_micro"]).len(), executed, "{lost}: {told}");
        assert_eq!(charge(&sandbox, lost).await?.0, StatusCode::CREATED, "the same key, one charge");
        let told = sandbox.control(Method::GET, &path, None).await?;
        assert_eq!(entries(&told, "flycoins", &["available_micro"]).len(), 1, "{lost}: {told}");
    }
    let refused = sandbox.control(Method::GET, "/timeline?type=refusal", None).await?;
    assert_eq!(entries(&refused, "refusal", &["status"]), [[&json!(429)], [&json!(503)]], "{refused}");
    sandbox.stop()
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_are_replaced_with_an_overlap() -> anyhow::Result<()> {
    let sandbox = start()?;
    let backend = vendor::start(None, None, Control::with_clock(SimClock::default())).await?;
    let url = json!({ "url": format!("{}/events", backend.url) });
    sandbox.control(Method::PUT, "/event-url", Some(&url)).await?;
    let rotate = async |secret: &str, keep: Option<&str>| {
        let told = post(&sandbox, "/secrets/rotate", json!({ "secret": secret, "keep": keep })).await?;
        let new = told[secret].as_str().context("the new secret")?.to_owned();
        anyhow::Ok((new, told["former_until"].clone()))
    };
    let first = sandbox.text("/event_secret").to_owned();
    let (second, until) = rotate("event_secret", Some("1d")).await?;
    assert_eq!(until, "2027-02-01T09:00:00Z");
    let state = sandbox.control(Method::GET, "/state", None).await?;
    assert_eq!(state["event_secret"], json!(second));
    let mut account = 41_000_000;
    let mut arrives = async |secret: &str| {
        // An install is an event.
        account += 1;
        backend.state.expect_signature(Some(secret.to_owned()));
        let added = post(&sandbox, "/accounts", json!({ "id": account })).await?;
        let told = entries(&added, "event", &["status"]);
        anyhow::Ok(told.first().is_some_and(|entry| *entry[0] == json!(204)))
    };
    assert!(arrives(&second).await? && arrives(&first).await?, "both are valid");
    post(&sandbox, "/clock/advance", json!({ "by": "2d" })).await?;
    assert!(arrives(&second).await?);
    assert!(!arrives(&first).await?, "the former one has ended");
    let installs = async |token: &str| {
        let headers = [("X-Project-Token", token)];
        anyhow::Ok(sandbox.api(Method::GET, "/v1/backend/installs", &headers, None).await?.0)
    };
    let former = sandbox.text("/project_token").to_owned();
    let (token, until) = rotate("project_token", Some("1h")).await?;
    assert!(until.is_string());
    assert_eq!([installs(&former).await?, installs(&token).await?], [StatusCode::OK; 2]);
    let (last, until) = rotate("project_token", None).await?;
    assert_eq!(until, Value::Null);
    assert_eq!(installs(&token).await?, StatusCode::UNAUTHORIZED);
    assert_eq!(installs(&last).await?, StatusCode::OK);
    sandbox.stop()
}
