//! Webhooks of the messengers.

use chrono::TimeDelta;
use flysk_simulators::telegram::Device;
use flysk_simulators::{Act, Script};
use flysk_store::jobs::JobState;
use serde_json::{Value, json};
use sqlx::MySqlPool;

use crate::harness::{ANNA, TestApp};

const STORED: &str = "SELECT COUNT(*) FROM bot_updates";

async fn post(app: &TestApp, path: &str, header: &str, secret: &str, body: String) -> u16 {
    let request = app.http.post(format!("{}{path}", app.api_url)).header(header, secret);
    request.header("content-type", "application/json").body(body).send().await.unwrap().status().as_u16()
}

fn start(update_id: u64) -> String {
    json!({ "update_id": update_id, "message": { "message_id": 1, "date": 1, "text": "/start",
        "chat": { "id": ANNA, "type": "private" }, "from": { "id": ANNA, "is_bot": false, "first_name": "Анна" } } })
    .to_string()
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_update_without_the_secret_is_refused(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let (telegram, max) = ("X-Telegram-Bot-Api-Secret-Token", "X-Max-Bot-Api-Secret");
    for (path, header, secret) in [
        ("/hooks/telegram", telegram, ""),
        ("/hooks/telegram", telegram, "telegram-secret_2"),
        ("/hooks/telegram", max, "telegram-secret_1"),
        ("/hooks/telegram", telegram, "max-secret_1"),
        ("/hooks/max", max, "telegram-secret_1"),
        ("/hooks/max", telegram, "max-secret_1"),
    ] {
        assert_eq!(post(&app, path, header, secret, start(1)).await, 401, "{path} {header} {secret}");
    }
    assert_eq!(app.count(STORED).await, 0);
    assert_eq!(post(&app, "/hooks/telegram", telegram, "telegram-secret_1", start(1)).await, 200);
    assert_eq!(app.count(STORED).await, 1);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_update_that_arrives_several_times_is_answered_once(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let link = app.link().await;
    app.telegram.state.deliver_copies(3);
    app.max.state.deliver_copies(2);
    app.telegram.state.open_link(ANNA, &link.telegram, Device::Phone).unwrap();
    app.max.state.start(ANNA, None).unwrap();
    app.run_until_idle().await;
    assert_eq!(app.telegram.state.deliveries().len() + app.max.state.deliveries().len(), 5);
    assert_eq!((app.told(ANNA).len(), app.told_in_max(ANNA).len(), app.count(STORED).await), (1, 1, 2));
}

/// Updates that no parser knows are acknowledged, and the next ones are handled.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_unreadable_update_stops_nothing(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.telegram.state.deliver("message", json!({ "message": { "chat": "?" } }));
    app.telegram.state.deliver("my_chat_member", json!({ "my_chat_member": [] }));
    app.max.state.deliver("message_created", json!({ "update_type": "message_created", "timestamp": 1 }));
    app.max.state.deliver("bot_started", json!({ "no": "type" }));
    app.telegram.state.write(ANNA, "/start").unwrap();
    app.max.state.start(ANNA, None).unwrap();
    app.run_until_idle().await;
    let answers: Vec<Option<u16>> = [app.telegram.state.deliveries(), app.max.state.deliveries()]
        .concat()
        .iter()
        .map(|delivery| delivery.answer)
        .collect();
    assert_eq!(answers, [Some(200); 6]);
    assert_eq!((app.told(ANNA).len(), app.told_in_max(ANNA).len()), (1, 1));
    assert!(app.jobs(JobState::Dead).await.is_empty());
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_update_that_is_too_long_is_refused(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let long = json!({ "update_id": 1, "message": { "text": "x".repeat(300_000) } }).to_string();
    let header = "X-Telegram-Bot-Api-Secret-Token";
    assert_eq!(post(&app, "/hooks/telegram", header, "telegram-secret_1", long).await, 413);
}

/// Telegram and MAX have each dropped the bot's webhook; the next check sets it again.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_lost_webhook_is_set_again_and_a_present_one_is_left_alone(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let set = |app: &TestApp| {
        app.telegram
            .control
            .calls_to("POST", "/*")
            .iter()
            .filter(|call| call.path.ends_with("/setWebhook"))
            .count()
    };
    assert_eq!(set(&app), 1);
    app.check_webhooks().await;
    assert_eq!(set(&app), 1);
    app.telegram.state.drop_webhook();
    app.check_webhooks().await;
    assert_eq!(set(&app), 2);
    // MAX drops a webhook that failed for eight hours.
    app.max.control.clear_calls();
    let gone = json!({ "subscriptions": [] }).to_string();
    let answer = Act::Answer {
        status: 200,
        headers: vec![("content-type".into(), "application/json".into())],
        body: gone,
    };
    app.max.control.script(Script::next("/subscriptions", answer));
    app.check_webhooks().await;
    assert_eq!(app.max.control.calls_to("POST", "/subscriptions").len(), 1);
    let bots: Vec<(String, String)> =
        sqlx::query_as("SELECT CAST(messenger AS CHAR), CAST(username AS CHAR) FROM bots ORDER BY messenger")
            .fetch_all(&app.pool)
            .await
            .unwrap();
    let known =
        [("max", "id7700_bot"), ("telegram", "flysense_bot")].map(|(a, b)| (a.to_owned(), b.to_owned()));
    assert_eq!(bots, known);
}

/// One messenger is away: activation works through the other, and the first bot answers again when it is back.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn one_bot_works_while_the_other_is_away(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let down = Act::Answer { status: 503, headers: Vec::new(), body: String::new() };
    app.telegram.control.script(Script::next("/*", down).times(1_000));
    let link = app.link().await;
    app.max.state.open_link(ANNA, &link.max).unwrap();
    app.run_until_idle().await;
    app.max.state.share_contact(ANNA).unwrap();
    app.run_until_idle().await;
    assert_eq!(app.activation().await["install_status"], "active");
    app.check_webhooks().await;
    assert_eq!(
        app.activation().await["messengers"],
        json!(["max", "telegram"]),
        "a short absence hides no bot"
    );
    app.telegram.control.clear_scripts();
    app.telegram.state.write(ANNA, "/start").unwrap();
    app.clock.advance(TimeDelta::minutes(1));
    app.run_until_idle().await;
    assert_eq!(app.told(ANNA).len(), 1);
}

/// A deployment without bots says so, and nothing else of FlySense depends on them.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn without_a_bot_that_has_answered_there_are_no_links(pool: MySqlPool) {
    let app = TestApp::build(pool, true).await;
    let outcome = app.amocrm.state.install(
        flysk_suite::environment::CLIENT_ID,
        flysk_suite::environment::ACCOUNT,
        None,
    );
    assert_eq!(outcome.await.unwrap().status, Some(200));
    app.run_due_jobs().await;
    let admin = flysk_suite::environment::ADMIN;
    let (status, problem) = app.ask(admin, reqwest::Method::POST, "/v1/flysense/activation").await;
    assert_eq!((status.as_u16(), &problem["code"]), (409, &json!("activation_unavailable")));
    assert_eq!(app.activation().await["messengers"], Value::Array(Vec::new()));
}
