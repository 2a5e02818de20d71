//! Hooks that get lost, and how they are found again.

use flysk_simulators::{Control, Running, SimClock, vendor};
use flysk_suite::environment::ACCOUNT;
use flysk_suite::ports::quiet_port;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{ask_for_access, entries, post, start};

fn types(backend: &Running<vendor::Vendor>) -> Vec<Value> {
    backend.state.received().iter().map(|event| event.body["type"].clone()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_events_are_repeated_unless_flysk_believes_that_they_arrived() -> anyhow::Result<()> {
    let sandbox = start()?;
    // A backend that compares signatures with the time of the machine.
    let backend = vendor::start(None, None, Control::with_clock(SimClock::default())).await?;
    backend.state.expect_signature(Some(sandbox.text("/event_secret").to_owned()));
    let url = json!({ "url": format!("{}/events", backend.url) });
    sandbox.control(Method::PUT, "/event-url", Some(&url)).await?;
    // Months ahead of the machine: the sandbox signs with the machine's time.
    post(&sandbox, "/clock/advance", json!({ "by": "3mo" })).await?;
    let before = types(&backend).len();

    post(&sandbox, "/hooks/lose", json!({ "of": "events" })).await?;
    let added = post(&sandbox, "/accounts", json!({ "subdomain": "second" })).await?;
    let account = added["account"]["id"].as_u64().expect("an id");
    let first = entries(&added, "event", &["event_type", "lost", "status"]);
    assert_eq!(first, [[&json!("install"), &json!(true), &Value::Null]], "the next waits for it: {added}");
    let moved = post(&sandbox, "/clock/advance", json!({ "by": "1min" })).await?;
    let told = entries(&moved, "event", &["event_type", "lost", "status"]);
    let [lost, arrived] = [json!(false), json!(204)];
    let wanted = [[&json!("install"), &lost, &arrived], [&json!("activate"), &lost, &arrived]];
    assert_eq!(told, wanted, "{moved}");
    assert_eq!(types(&backend)[before..], [json!("install"), json!("activate")]);

    let body = json!({ "of": "events", "next": 1, "answered": true });
    let left = post(&sandbox, "/hooks/lose", body).await?;
    assert_eq!((&left["events"], &left["answered"]), (&json!(1), &json!(true)));
    sandbox.control(Method::DELETE, &format!("/accounts/{account}"), None).await?;
    post(&sandbox, "/clock/advance", json!({ "by": "1d" })).await?;
    let of_account = |events: &Value| {
        let items = events["items"].as_array().expect("items");
        let own =
            items.iter().filter(|event| event["account_id"] == account && event["type"] == "deactivate");
        own.map(|event| event["state"].clone()).collect::<Vec<_>>()
    };
    let token = [("X-Project-Token", sandbox.text("/project_token"))];
    let (_, known) =
        sandbox.api(Method::GET, "/v1/backend/events?after_number=0&limit=100", &token, None).await?;
    assert_eq!(of_account(&known), [json!("delivered")], "{known}");
    assert!(!types(&backend).contains(&json!("deactivate")), "the backend must ask for it");
    sandbox.stop()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_delivery_tells_what_the_backend_did_and_not_the_proxys_answer() -> anyhow::Result<()> {
    let sandbox = start()?;
    let url = json!({ "url": format!("http://127.0.0.1:{}/events", quiet_port()?) });
    sandbox.control(Method::PUT, "/event-url", Some(&url)).await?;
    let added = post(&sandbox, "/accounts", json!({ "subdomain": "second" })).await?;
    assert_eq!(entries(&added, "event", &["event_type", "status"]), [[&json!("install"), &Value::Null]]);
    let moved = post(&sandbox, "/clock/advance", json!({ "by": "1h" })).await?;
    let failed = entries(&moved, "failed_job", &["kind", "reason"]);
    let [kind, reason] = failed.first().expect("a failed job")[..] else { panic!("{failed:?}") };
    assert_eq!(kind, "lifecycle.deliver_event", "{moved}");
    let reason = reason.as_str().unwrap_or_default();
    assert!(reason.starts_with("attempt 4 was the last: ") && reason.contains("refused"), "{reason}");
    assert!(!reason.contains("502"), "{reason}");
    sandbox.stop()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_redirect_installs_nothing_and_the_bank_is_asked_when_it_does_not_tell() -> anyhow::Result<()>
{
    let sandbox = start()?;
    post(&sandbox, "/hooks/lose", json!({ "of": "amocrm", "next": 1 })).await?;
    let added = post(&sandbox, "/accounts", json!({ "subdomain": "second" })).await?;
    assert_eq!(added["account"]["status"], Value::Null, "{added}");
    assert_eq!(entries(&added, "webhook", &["event", "lost"]), [[&json!("install"), &json!(true)]]);
    let account = &added["account"];
    let again = post(&sandbox, "/accounts", json!({ "id": account["id"] })).await?;
    assert_eq!(again["account"]["status"], "active", "{again}");

    let (account, admin) = (account["id"].as_u64().unwrap(), account["users"][0]["id"].as_u64().unwrap());
    let purchase = sandbox.order_coins(account, admin, "order-1").await?;
    post(&sandbox, "/hooks/lose", json!({ "of": "bank", "next": 1 })).await?;
    let paid = post(&sandbox, &format!("/payments/{purchase}/pay"), json!({})).await?;
    assert_eq!(paid["payment"]["outcome"], "paid", "{paid}");
    assert!(entries(&paid, "flycoins", &["kind"]).is_empty(), "nobody told Flysk: {paid}");
    let moved = post(&sandbox, "/clock/advance", json!({ "by": "1h" })).await?;
    let credited = entries(&moved, "flycoins", &["available_micro"]);
    assert_eq!(credited, [[&json!(500_000_000)]], "Flysk has asked the bank: {moved}");
    sandbox.stop()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_uninstall_is_found_as_the_end_of_access() -> anyhow::Result<()> {
    let sandbox = start()?;
    post(&sandbox, "/hooks/lose", json!({ "of": "amocrm" })).await?;
    let left = sandbox.control(Method::DELETE, &format!("/accounts/{ACCOUNT}"), None).await?;
    assert_eq!(left["account"]["status"], "active", "nobody told Flysk: {left}");
    assert_eq!(entries(&left, "webhook", &["event", "lost"]), [[&json!("uninstall"), &json!(true)]]);
    post(&sandbox, "/clock/advance", json!({ "by": "1d" })).await?;
    let (status, problem) = ask_for_access(&sandbox).await?;
    let seen = (status, problem["code"].as_str());
    assert_eq!(seen, (StatusCode::FORBIDDEN, Some("reconnect_required")), "{problem}");
    // Answers when no job is due any more: the event has been sent.
    post(&sandbox, "/clock/advance", json!({ "by": "0s" })).await?;
    let timeline = sandbox.control(Method::GET, "/timeline?type=event", None).await?;
    let told = entries(&timeline, "event", &["event_type", "body"]);
    let [kind, body] = told.last().expect("events")[..] else { panic!("{timeline}") };
    let reason = (kind.as_str(), body["data"]["reason"].as_str());
    assert_eq!(reason, (Some("deactivate"), Some("access_lost")), "{timeline}");
    sandbox.stop()
}
