//! amoCRM in the sandbox: its API through the gateway, its refusals, the end of access, blocked users, records and their webhooks.

use std::io::Write as _;

use anyhow::Context as _;
use flysk_simulators::{Act, Control, Running, Script, vendor};
use flysk_suite::environment::{ACCOUNT, ADMIN, Options, SandboxProcess};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{START, ask_for_access, entries, post, start};

/// More than amoCRM takes in a second.
const BURST: usize = 60;
/// A card that pays, on the form and later.
const PAYING_CARD: &str = "2200000000000004";

/// Sends a request to amoCRM's API through the gateway.
async fn amocrm(
    sandbox: &SandboxProcess,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> anyhow::Result<(StatusCode, Value)> {
    let account = ACCOUNT.to_string();
    let headers = [("X-Project-Token", sandbox.text("/project_token")), ("X-Account-Id", account.as_str())];
    sandbox.api(method, &format!("/v1/amocrm/api/v4/{path}"), &headers, body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standing_clock_takes_any_number_of_requests() -> anyhow::Result<()> {
    let sandbox = start()?;
    for number in 1..=BURST {
        let (status, account) = amocrm(&sandbox, Method::GET, "account", None).await?;
        assert_eq!(
            (status, &account["id"]),
            (StatusCode::OK, &json!(ACCOUNT)),
            "request {number}: {account}"
        );
    }
    sandbox.stop()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_requests_to_amocrm_fail() -> anyhow::Result<()> {
    let sandbox = start()?;
    let told = post(&sandbox, "/amocrm/fail", json!({ "next": 2, "method": "GET" })).await?;
    assert_eq!(told, json!({ "failing": 2 }));
    for wanted in [503, 503, 200] {
        let (status, answer) = amocrm(&sandbox, Method::GET, "leads/pipelines", None).await?;
        assert_eq!(status.as_u16(), wanted, "{answer}");
    }
    // The gateway repeats what amoCRM refused as too much.
    post(&sandbox, "/amocrm/fail", json!({ "status": 429 })).await?;
    assert_eq!(amocrm(&sandbox, Method::GET, "account", None).await?.0, StatusCode::OK);
    // amoCRM has added the lead, and nobody hears of it.
    post(&sandbox, "/amocrm/fail", json!({ "lose": "answer", "path": "/api/v4/leads" })).await?;
    let leads = json!([{ "name": "Сделка" }]);
    let (status, answer) = amocrm(&sandbox, Method::POST, "leads", Some(&leads)).await?;
    assert_eq!((status, &answer["code"]), (StatusCode::BAD_GATEWAY, &json!("upstream_unavailable")));
    let (_, list) = amocrm(&sandbox, Method::GET, "leads", None).await?;
    assert_eq!(list.pointer("/_embedded/leads/0/name"), Some(&json!("Сделка")), "{list}");
    let refusals = sandbox.control(Method::GET, "/timeline?type=refusal", None).await?;
    assert_eq!(
        entries(&refusals, "refusal", &["status"]),
        [[&json!(503)], [&json!(503)], [&json!(502)]],
        "{refusals}"
    );
    post(&sandbox, "/amocrm/fail", json!({ "next": 9 })).await?;
    assert_eq!(sandbox.control(Method::GET, "/amocrm", None).await?, json!({ "failing": 9 }));
    assert_eq!(post(&sandbox, "/amocrm/fail", json!({ "next": 0 })).await?, json!({ "failing": 0 }));
    let unpaid = format!("/accounts/{ACCOUNT}/unpaid");
    post(&sandbox, &unpaid, json!({})).await?;
    let (status, _) = amocrm(&sandbox, Method::POST, "leads", Some(&leads)).await?;
    assert_eq!(status, StatusCode::PAYMENT_REQUIRED);
    post(&sandbox, &unpaid, json!({ "unpaid": false })).await?;
    assert_eq!(amocrm(&sandbox, Method::POST, "leads", Some(&leads)).await?.0, StatusCode::OK);
    sandbox.stop()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_amocrm_is_told_with_its_account_and_its_complaints() -> anyhow::Result<()> {
    let sandbox = start()?;
    let (_, added) = amocrm(&sandbox, Method::POST, "leads", Some(&json!([{ "name": "Сделка" }]))).await?;
    let id = added.pointer("/_embedded/leads/0/id").context("no id")?;
    let wrong = json!([{ "id": id, "status_id": 1 }]);
    let (status, answer) = amocrm(&sandbox, Method::PATCH, "leads", Some(&wrong)).await?;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{answer}");
    let path = format!("/timeline?type=refusal&account_id={ACCOUNT}");
    let refusals = sandbox.control(Method::GET, &path, None).await?;
    let fields = ["account_id", "status", "code", "validation_errors"];
    let complaints = &answer["validation-errors"];
    let code = &complaints[0]["errors"][0]["code"];
    assert!(code.is_string(), "{answer}");
    let wanted = [[&json!(ACCOUNT), &json!(400), code, complaints]];
    assert_eq!(entries(&refusals, "refusal", &fields), wanted, "{refusals}");
    sandbox.stop()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_whose_access_ended_reconnects() -> anyhow::Result<()> {
    let sandbox = start()?;
    post(&sandbox, &format!("/accounts/{ACCOUNT}/revoke"), json!({})).await?;
    // amoCRM tells nobody: the next token has to be renewed, and is refused.
    post(&sandbox, "/clock/advance", json!({ "by": "1d" })).await?;
    let (status, problem) = ask_for_access(&sandbox).await?;
    let seen = (status, problem["code"].as_str());
    assert_eq!(seen, (StatusCode::FORBIDDEN, Some("reconnect_required")), "{problem}");
    let again = post(&sandbox, "/accounts", json!({ "id": ACCOUNT })).await?;
    assert_eq!(again["account"]["status"], "active", "{again}");
    let timeline = sandbox.control(Method::GET, "/timeline?type=event", None).await?;
    let told = entries(&timeline, "event", &["event_type", "body"]);
    let reasons: Vec<(&str, &str)> = told
        .iter()
        .map(|entry| {
            let reason = entry[1]["data"]["reason"].as_str();
            (entry[0].as_str().unwrap_or_default(), reason.unwrap_or_default())
        })
        .collect();
    assert!(reasons.contains(&("deactivate", "access_lost")), "{timeline}");
    assert_eq!(reasons.last().map(|last| last.0), Some("activate"), "{timeline}");
    sandbox.stop()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_renames_itself_is_called_at_its_new_address() -> anyhow::Result<()> {
    let sandbox = start()?;
    let rename = async |subdomain: &str| {
        let path = format!("/accounts/{ACCOUNT}/rename");
        post(&sandbox, &path, json!({ "subdomain": subdomain })).await
    };
    rename("second").await?;
    let (status, account) = amocrm(&sandbox, Method::GET, "account", None).await?;
    assert_eq!((status, &account["subdomain"]), (StatusCode::OK, &json!("second")), "{account}");
    let (_, access) = ask_for_access(&sandbox).await?;
    assert_eq!(access["base_domain"], "second.amocrm.ru", "{access}");
    // Flysk asks for the address once in five minutes, and the clock stands.
    rename("third").await?;
    let (status, answer) = amocrm(&sandbox, Method::GET, "account", None).await?;
    assert_eq!(status, StatusCode::NOT_FOUND, "{answer}");
    post(&sandbox, "/clock/advance", json!({ "by": "5min" })).await?;
    let (status, account) = amocrm(&sandbox, Method::GET, "account", None).await?;
    assert_eq!((status, &account["subdomain"]), (StatusCode::OK, &json!("third")), "{account}");
    sandbox.stop()
}

#[tokio::test(flavor = "multi_thread")]
async fn users_are_blocked_promoted_and_removed() -> anyhow::Result<()> {
    let sandbox = start()?;
    let users = format!("/accounts/{ACCOUNT}/users");
    let user = format!("{users}/502");
    let told = sandbox.control(Method::PATCH, &user, Some(&json!({ "is_active": false }))).await?;
    let of_user = |told: &Value| told["account"]["users"][1].clone();
    assert_eq!(of_user(&told)["is_active"], false, "{told}");
    let (status, problem) = sandbox.ask(Method::POST, &format!("{user}/token"), None).await?;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("conflict")), "{problem}");
    let change = json!({ "is_active": true, "is_admin": true, "name": "Вера" });
    let told = sandbox.control(Method::PATCH, &user, Some(&change)).await?;
    assert_eq!(of_user(&told)["name"], "Вера", "{told}");
    let token = sandbox.token(ACCOUNT, 502).await?;
    let (_, shaken) = sandbox.api(Method::POST, "/v1/handshake", &[("X-Auth-Token", &token)], None).await?;
    assert_eq!((&shaken["user_id"], &shaken["is_admin"]), (&json!(502), &json!(true)), "{shaken}");
    // Nobody is left who could install it.
    let lone =
        post(&sandbox, "/accounts", json!({ "users": [{ "id": 901, "name": "Глеб" }], "installed": false }))
            .await?;
    let again = json!({ "id": lone["account"]["id"] });
    let (status, problem) = sandbox.ask(Method::POST, "/accounts", Some(&again)).await?;
    assert_eq!(status, StatusCode::CONFLICT, "{problem}");
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("administrator")), "{problem}");
    // What the API of amoCRM tells is the same.
    let (_, listed) = amocrm(&sandbox, Method::GET, "users", None).await?;
    let name = listed.pointer("/_embedded/users/1/name");
    assert_eq!((name, &listed["_total_items"]), (Some(&json!("Вера")), &json!(2)), "{listed}");
    let told = sandbox.control(Method::DELETE, &user, None).await?;
    assert_eq!(told["account"]["users"].as_array().map(Vec::len), Some(1), "{told}");
    let (status, _) = sandbox.ask(Method::DELETE, &format!("{users}/{ADMIN}"), None).await?;
    assert_eq!(status, StatusCode::CONFLICT, "an account keeps one user");
    sandbox.stop()
}

/// The subscription in the handshake of a user.
async fn shake(sandbox: &SandboxProcess, user: u64) -> anyhow::Result<Value> {
    let token = sandbox.token(ACCOUNT, user).await?;
    let (status, shaken) =
        sandbox.api(Method::POST, "/v1/handshake", &[("X-Auth-Token", &token)], None).await?;
    assert_eq!(status, StatusCode::OK, "{shaken}");
    Ok(shaken["subscription"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_seat_of_a_blocked_user_becomes_free() -> anyhow::Result<()> {
    let mut widget = tempfile::NamedTempFile::new()?;
    let billing = json!({ "billing": { "subscriptions": { "seats_per_user": true } } });
    widget.write_all(billing.to_string().as_bytes())?;
    let path = widget.path().to_str().context("a path")?;
    let options = Options::with_fixtures(0.0)?;
    let sandbox = SandboxProcess::start(&options, &["--starts-at", START, "--widget", path])?;
    let users = format!("/accounts/{ACCOUNT}/users");
    for id in [503, 504] {
        post(&sandbox, &users, json!({ "id": id, "name": "Вера" })).await?;
    }
    sandbox.subscribe(ACCOUNT, ADMIN, PAYING_CARD).await?;
    for user in [502, 503, 504] {
        assert_eq!(shake(&sandbox, user).await?["has_seat"], true, "user {user}");
    }
    assert_eq!(shake(&sandbox, ADMIN).await?["access"]["reason"], "no_seat");
    let block = json!({ "is_active": false });
    sandbox.control(Method::PATCH, &format!("{users}/502"), Some(&block)).await?;
    post(&sandbox, "/clock/advance", json!({ "by": "2d" })).await?;
    assert_eq!(shake(&sandbox, ADMIN).await?["access"]["reason"], "no_seat");
    post(&sandbox, "/clock/advance", json!({ "by": "10min" })).await?;
    let told = shake(&sandbox, ADMIN).await?;
    assert_eq!(told["has_seat"], true, "{told}");
    sandbox.stop()
}

/// A backend that takes webhooks of amoCRM.
async fn listener() -> anyhow::Result<Running<vendor::Vendor>> {
    let backend = vendor::start(None, None, Control::default()).await?;
    let good = Act::Answer { status: 204, headers: vec![], body: String::new() };
    backend.control.script(Script::next("/amocrm", good).times(u32::MAX));
    Ok(backend)
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_users_are_told_to_subscribers_and_webhooks_get_lost() -> anyhow::Result<()> {
    let sandbox = start()?;
    let backend = listener().await?;
    let hook =
        json!({ "destination": format!("{}/amocrm", backend.url), "settings": ["add_lead", "status_lead"] });
    let (status, subscribed) = amocrm(&sandbox, Method::POST, "webhooks", Some(&hook)).await?;
    assert_eq!(status, StatusCode::CREATED, "{subscribed}");
    let records = format!("/accounts/{ACCOUNT}/records");
    let lead = json!({ "entity_type": "leads", "user": 502, "add": [{ "name": "Сделка", "price": 1000 }] });
    let added = post(&sandbox, &records, lead.clone()).await?;
    let id = added.pointer("/answer/_embedded/leads/0/id").and_then(Value::as_u64);
    assert!(id.is_some(), "{added}");
    let fields = ["event", "status", "lost", "account_id"];
    let told = entries(&added, "webhook", &fields);
    assert_eq!(told, [[&json!("add_lead"), &json!(204), &json!(false), &json!(ACCOUNT)]], "{added}");

    post(&sandbox, "/hooks/lose", json!({ "of": "amocrm" })).await?;
    let won = json!({ "entity_type": "leads", "edit": [{ "id": id, "status_id": 142 }] });
    let changed = post(&sandbox, &records, won).await?;
    let told = entries(&changed, "webhook", &fields);
    assert_eq!(told, [[&json!("status_lead"), &Value::Null, &json!(true), &json!(ACCOUNT)]], "{changed}");
    post(&sandbox, "/clock/advance", json!({ "by": "1d" })).await?;
    assert_eq!(backend.control.calls_to("POST", "/amocrm").len(), 1, "the lost one never comes");
    let of_account = format!("/timeline?type=webhook&account_id={ACCOUNT}");
    let timeline = sandbox.control(Method::GET, &of_account, None).await?;
    let events: Vec<&Value> = entries(&timeline, "webhook", &["event"]).into_iter().flatten().collect();
    assert_eq!(events, ["install", "add_lead", "status_lead"], "{timeline}");

    let wrong = json!({ "entity_type": "leads", "add": [{ "name": "x", "prize": 1 }] });
    let (status, problem) = sandbox.ask(Method::POST, &records, Some(&wrong)).await?;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(problem["detail"].as_str().is_some_and(|detail| detail.contains("prize")), "{problem}");
    sandbox.stop()
}
