//! What happens in an account, and beginning again.

use anyhow::Context as _;
use flysk_suite::environment::{ACCOUNT, ADMIN};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{START, entries, post, start};

#[tokio::test(flavor = "multi_thread")]
async fn payers_pay_and_are_declined_and_calls_and_names_come_and_go() -> anyhow::Result<()> {
    let sandbox = start()?;
    let declined = sandbox.order_coins(ACCOUNT, ADMIN, "order-1").await?;
    let answer =
        post(&sandbox, &format!("/payments/{declined}/decline"), json!({ "reason": "expired" })).await?;
    let told = entries(&answer, "payment", &["outcome", "error_code", "account_id"]);
    assert_eq!(told, [[&json!("expired"), &json!(1033), &json!(ACCOUNT)]], "{answer}");
    let paid = sandbox.order_coins(ACCOUNT, ADMIN, "order-2").await?;
    let answer = post(&sandbox, &format!("/payments/{paid}/pay"), json!({ "card": "sbp" })).await?;
    assert_eq!(entries(&answer, "payment", &["outcome"]), [[&json!("paid")]], "{answer}");
    assert_eq!(entries(&answer, "flycoins", &["available_micro"]), [[&json!(500_000_000)]], "{answer}");
    let (status, problem) = sandbox.ask(Method::POST, &format!("/payments/{paid}/pay"), None).await?;
    assert_eq!(
        (status, &problem["code"]),
        (StatusCode::CONFLICT, &json!("conflict")),
        "paid once: {problem}"
    );

    let renamed =
        post(&sandbox, &format!("/accounts/{ACCOUNT}/rename"), json!({ "subdomain": "new-name" })).await?;
    assert_eq!(renamed["account"]["base_domain"], "new-name.amocrm.ru");
    post(&sandbox, &format!("/accounts/{ACCOUNT}/users"), json!({ "id": 777, "name": "Вера" })).await?;
    let token = sandbox.token(ACCOUNT, 777).await?;
    let (status, shaken) =
        sandbox.api(Method::POST, "/v1/handshake", &[("X-Auth-Token", &token)], None).await?;
    assert_eq!((status, &shaken["status"]), (StatusCode::OK, &json!("active")), "{shaken}");
    let note = post(&sandbox, &format!("/accounts/{ACCOUNT}/notes"), json!({ "duration": 42 })).await?;
    assert!(note["note_id"].is_u64() && note["event_id"].is_string(), "{note}");
    sandbox.stop()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_begins_again_with_other_credentials() -> anyhow::Result<()> {
    let sandbox = start()?;
    post(&sandbox, "/accounts", json!({})).await?;
    post(&sandbox, "/clock/advance", json!({ "by": "1d" })).await?;
    let former = sandbox.text("/project_token").to_owned();
    let began = sandbox.control(Method::GET, "/timeline", None).await?;
    assert!(began["items"][0]["seq"] == 1 && began["items"][0]["at"] == START, "{began}");
    let state = post(&sandbox, "/reset", json!({ "starts_at": "2028-05-01T00:00:00Z" })).await?;
    assert_eq!(state["clock"]["now"], "2028-05-01T00:00:00Z");
    assert_eq!(state["accounts"].as_array().map(Vec::len), Some(1), "the account of the start: {state}");
    assert_eq!(state["accounts"][0]["status"], "active");
    let timeline = sandbox.control(Method::GET, "/timeline?type=event", None).await?;
    let told = entries(&timeline, "event", &["event_type", "at"]);
    assert_eq!(told.first().map(|entry| entry[1]), Some(&json!("2028-05-01T00:00:00Z")), "{timeline}");
    let installs = async |token: &str| {
        let headers = [("X-Project-Token", token)];
        anyhow::Ok(sandbox.api(Method::GET, "/v1/backend/installs", &headers, None).await?.0)
    };
    assert_eq!(installs(&former).await?, StatusCode::UNAUTHORIZED);
    let now = state["project_token"].as_str().context("a token")?;
    assert_eq!(installs(now).await?, StatusCode::OK);
    let same: Value = sandbox.control(Method::GET, "/state", None).await?;
    assert_eq!(same, state);
    sandbox.stop()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_cannot_be_installed_is_not_created() -> anyhow::Result<()> {
    let sandbox = start()?;
    let account = |is_admin: bool| {
        let users = json!([{ "id": 901, "name": "Глеб", "is_admin": is_admin }]);
        json!({ "id": 41_000_001, "subdomain": "lone", "users": users })
    };
    let (status, problem) = sandbox.ask(Method::POST, "/accounts", Some(&account(false))).await?;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("conflict")), "{problem}");
    let known = sandbox.control(Method::GET, "/accounts", None).await?;
    assert_eq!(known["items"].as_array().map(Vec::len), Some(1), "{known}");
    let added = post(&sandbox, "/accounts", account(true)).await?;
    let seen = (&added["account"]["status"], &added["account"]["subdomain"]);
    assert_eq!(seen, (&json!("active"), &json!("lone")), "{added}");
    sandbox.stop()
}
