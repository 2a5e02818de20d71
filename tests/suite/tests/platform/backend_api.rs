//! Lists for backends: installs, events, delivery log, transactions, revenue; test events and replays of a period.

use chrono::TimeDelta;
use flysk_domain::Clock as _;
use flysk_simulators::{Act, Script};
use flysk_store::platform::widgets::{self, Changes};
use flysk_suite::environment::{ACCOUNT, CLIENT_ID, another_account};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::MySqlPool;

use super::authentication::{OTHER_CLIENT_ID, add_other_widget};
use super::charging::WalletClient;
use super::harness::{TestApp, as_conn};

/// Another account.
const NEIGHBOUR: u64 = 31_299_999;

fn ill() -> Act {
    Act::Answer { status: 500, headers: Vec::new(), body: "the vendor is ill".to_owned() }
}

async fn get(app: &TestApp, path: &str) -> Value {
    let (status, body) = app.backend(Method::GET, path, None).await;
    assert_eq!(status, StatusCode::OK, "{path}: {body}");
    body
}

async fn install_neighbour(app: &TestApp) {
    app.amocrm.state.add_account(another_account(NEIGHBOUR, "neighbours", 701)).unwrap();
    app.amocrm.state.install(CLIENT_ID, NEIGHBOUR, None).await.unwrap();
    app.run_due_jobs().await;
}

async fn switch(app: &TestApp, on: bool) {
    app.advance(TimeDelta::milliseconds(10));
    let wanted = json!({ "account_id": ACCOUNT, "on": on });
    assert_eq!(app.backend(Method::PUT, "/v1/backend/switch", Some(wanted)).await.0, StatusCode::OK);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_vendor_lists_where_its_widget_is_installed(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    install_neighbour(&app).await;
    switch(&app, false).await;
    let first = get(&app, "/v1/backend/installs?limit=1").await;
    assert_eq!(first["items"][0]["account_id"], ACCOUNT);
    assert_eq!(first["items"][0]["status"], "inactive");
    assert_eq!(first["items"][0]["base_domain"], "demo.amocrm.ru");
    assert_eq!(first["items"][0]["last_event_sequence"], 3);
    let cursor = first["next"].as_str().unwrap();
    let second = get(&app, &format!("/v1/backend/installs?limit=1&cursor={cursor}")).await;
    assert_eq!((&second["items"][0]["account_id"], &second["next"]), (&json!(NEIGHBOUR), &Value::Null));
    let active = get(&app, "/v1/backend/installs?status=active").await;
    assert_eq!(active["items"].as_array().unwrap().len(), 1);
    let one = get(&app, &format!("/v1/backend/installs?account_id={NEIGHBOUR}")).await;
    let id = one["items"][0]["id"].as_str().unwrap();
    assert_eq!(get(&app, &format!("/v1/backend/installs/{id}")).await, one["items"][0]);
    for (query, wanted) in [
        ("status=activ", "the parameter `status`: must be one of `installing`, `active`"),
        ("limit=0", "the parameter `limit`: must be at least 1"),
        ("limit=ten", "the parameter `limit`: must be a whole number, in digits"),
    ] {
        let (status, problem) =
            app.backend(Method::GET, &format!("/v1/backend/installs?{query}"), None).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.starts_with(wanted) && !detail.contains("InstallStatus"), "{problem}");
    }
    let (status, problem) = app.backend(Method::GET, "/v1/backend/installs?account_id=1", None).await;
    assert_eq!((status, &problem["code"]), (StatusCode::NOT_FOUND, &"install_not_found".into()));
    // A neighbour's backend sees none of them.
    add_other_widget(&app);
    let other = app.register("neighbour", OTHER_CLIENT_ID).await;
    let authority = ("X-Project-Token", other.as_str());
    let (_, theirs) = app.ask(Method::GET, "/v1/backend/installs", authority, None).await;
    assert_eq!(theirs["items"], json!([]));
    let (status, _) = app.ask(Method::GET, &format!("/v1/backend/installs/{id}"), authority, None).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn events_are_filtered_and_paged(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    install_neighbour(&app).await;
    let all = get(&app, "/v1/backend/events").await;
    assert_eq!(all["items"].as_array().unwrap().len(), 4);
    let number = |event: &Value| event["number"].as_u64().unwrap();
    let mut seen = Vec::new();
    let mut path = "/v1/backend/events?limit=1&type=activate".to_owned();
    loop {
        let page = get(&app, &path).await;
        seen.extend(page["items"].as_array().unwrap().iter().map(number));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/backend/events?limit=1&type=activate&cursor={next}");
    }
    assert_eq!(seen, [2, 4]);
    let of_neighbour = get(&app, &format!("/v1/backend/events?account_id={NEIGHBOUR}&state=delivered")).await;
    assert_eq!(of_neighbour["items"].as_array().unwrap().len(), 2);
    let newer = get(&app, "/v1/backend/events?after_number=3").await;
    assert_eq!(newer["items"].as_array().unwrap().iter().map(number).collect::<Vec<_>>(), [4]);
    let id = newer["items"][0]["id"].as_str().unwrap();
    assert_eq!(get(&app, &format!("/v1/backend/events/{id}")).await, newer["items"][0]);
    let refused = app.backend(Method::GET, "/v1/backend/events?account_id=1", None).await;
    assert_eq!((refused.0, &refused.1["code"]), (StatusCode::NOT_FOUND, &"install_not_found".into()));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_delivery_log_holds_the_attempts_of_all_events(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.vendor.control.script(Script::next("/events", ill()));
    switch(&app, false).await;
    app.run_due_jobs().await;
    app.advance(TimeDelta::seconds(11));
    app.run_due_jobs().await;
    let log = get(&app, "/v1/backend/deliveries").await;
    let told: Vec<(&str, &str)> = log["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry["type"].as_str().unwrap(), entry["outcome"].as_str().unwrap()))
        .collect();
    let expected = [
        ("deactivate", "delivered"),
        ("deactivate", "failed"),
        ("activate", "delivered"),
        ("install", "delivered"),
    ];
    assert_eq!(told, expected);
    let failed = get(&app, "/v1/backend/deliveries?outcome=failed").await;
    assert_eq!(failed["items"].as_array().unwrap().len(), 1);
    assert_eq!(failed["items"][0]["answer_head"], "the vendor is ill");
    let page = get(&app, "/v1/backend/deliveries?limit=3").await;
    let cursor = page["next"].as_str().unwrap();
    let rest = get(&app, &format!("/v1/backend/deliveries?limit=3&cursor={cursor}")).await;
    assert_eq!((rest["items"].as_array().unwrap().len(), &rest["next"]), (1, &Value::Null));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_test_event_is_delivered_as_every_other(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    let path = "/v1/backend/events/test";
    let (status, problem) = app.backend(Method::POST, path, Some(json!({}))).await;
    assert_eq!((status, &problem["code"]), (StatusCode::NOT_FOUND, &"install_not_found".into()));
    app.install().await;
    let (status, sent) = app.backend(Method::POST, path, Some(json!({}))).await;
    assert_eq!(
        (status, &sent["type"], &sent["state"]),
        (StatusCode::ACCEPTED, &"test".into(), &"waiting".into())
    );
    app.run_due_jobs().await;
    let told = app.vendor.state.received().pop().unwrap().body;
    assert_eq!((&told["id"], &told["account_id"]), (&sent["id"], &json!(ACCOUNT)));
    assert!(told["data"]["message"].as_str().unwrap().contains("test"), "{told}");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_failed_events_of_a_period_are_replayed_in_order(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let widget = app.widget().await;
    let changes = Changes { delivery_delays: Some(Some(vec![])), ..Changes::default() };
    widgets::update(as_conn(&mut app.conn().await), widget.id, &changes, app.clock.now()).await.unwrap();
    app.advance(TimeDelta::minutes(1));
    let from = app.clock.now();
    app.vendor.control.script(Script::next("/events", ill()).times(3));
    for on in [false, true, false] {
        switch(&app, on).await;
        app.run_due_jobs().await;
    }
    let failed = get(&app, "/v1/backend/events?state=failed").await;
    assert_eq!(failed["items"].as_array().unwrap().len(), 3);
    assert_eq!(app.delivered_events(), ["install", "activate"]);
    app.advance(TimeDelta::seconds(1));
    let wanted = json!({ "from": from.to_rfc3339() });
    let path = "/v1/backend/events/replay";
    assert_eq!(app.backend(Method::POST, path, Some(wanted)).await.0, StatusCode::ACCEPTED);
    app.run_due_jobs().await;
    let arrived: Vec<String> = app
        .vendor
        .state
        .received()
        .iter()
        .map(|event| event.body["type"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(arrived, ["install", "activate", "deactivate", "activate", "deactivate"]);
    for (body, named) in [
        (json!({ "from": from.to_rfc3339(), "states": ["waiting"] }), "being delivered already"),
        (json!({ "from": from.to_rfc3339(), "until": from.to_rfc3339() }), "before `until`"),
    ] {
        let (status, problem) = app.backend(Method::POST, path, Some(body)).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
        assert!(problem["detail"].as_str().unwrap().contains(named), "{problem}");
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_vendor_lists_transactions_and_revenue_of_all_accounts(pool: MySqlPool) {
    let client = WalletClient::open(pool).await;
    install_neighbour(&client.app).await;
    let charged = client.charge(60).await;
    let id = charged.text("transaction_id");
    let all = get(&client.app, "/v1/backend/flycoins/transactions").await;
    let kinds: Vec<(u64, &str)> = all["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry["account_id"].as_u64().unwrap(), entry["kind"].as_str().unwrap()))
        .collect();
    assert_eq!(kinds, [(ACCOUNT, "charge"), (NEIGHBOUR, "credit"), (ACCOUNT, "credit")]);
    assert_eq!(all["items"][0]["id"], id);
    let path = format!("/v1/backend/flycoins/transactions?account_id={ACCOUNT}&kinds=charge&limit=1");
    assert_eq!(get(&client.app, &path).await["items"][0]["amount_micro"], -2_500_000);
    let refund = json!({ "account_id": ACCOUNT, "transaction_id": id, "amount_micro": 1_000_000 });
    assert_eq!(client.write("/refunds", refund).await.status, StatusCode::CREATED);
    let revenue = get(&client.app, "/v1/backend/revenue?period=month").await;
    assert_eq!(revenue["items"].as_array().unwrap().len(), 1, "{revenue}");
    assert_eq!(revenue["items"][0]["charged_micro"], 2_500_000);
    assert_eq!(revenue["items"][0]["returned_micro"], 1_000_000);
    assert_eq!(revenue["items"][0]["charges"], 1);
    assert_eq!(revenue["services"][0]["service"], "flysense.recognition");
    client.close().await;
}
