//! Order of an install's events, their data, interrupted attempts and replays.

use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::Clock as _;
use flysk_domain::platform::events::EventKind;
use flysk_jobs::platform::lifecycle::DeliverEvent;
use flysk_queue::Job as _;
use flysk_services::cancel::cancel;
use flysk_simulators::{Act, Script};
use flysk_store::jobs::{JobRow, JobState};
use flysk_store::platform::widgets::{self, Changes};
use flysk_suite::environment::{ACCOUNT, ADMIN, CLIENT_ID};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::MySqlPool;

use super::harness::{TestApp, as_conn, trace};

fn ill() -> Act {
    Act::Answer { status: 500, headers: Vec::new(), body: String::new() }
}

/// Types of all requests to the backend, accepted or not, in the order of arrival.
fn arrivals(app: &TestApp) -> Vec<String> {
    let calls = app.vendor.control.calls_to("POST", "/events");
    let kind = |body: &str| serde_json::from_str::<Value>(body).unwrap()["type"].as_str().unwrap().to_owned();
    calls.iter().map(|call| kind(&call.body)).collect()
}

/// Data of the last event that the backend accepted.
fn last_change(app: &TestApp) -> Value {
    app.vendor.state.received().last().unwrap().body["data"].clone()
}

async fn pass(app: &TestApp, seconds: i64) {
    for _ in 0..seconds {
        app.run_due_jobs().await;
        app.advance(TimeDelta::seconds(1));
    }
}

async fn deliveries(app: &TestApp) -> Vec<JobRow> {
    app.jobs(JobState::Queued).await.into_iter().filter(|job| job.kind == DeliverEvent::KIND).collect()
}

async fn choose(app: &TestApp, changes: Changes) {
    let widget = app.widget().await;
    widgets::update(as_conn(&mut app.conn().await), widget.id, &changes, app.clock.now()).await.unwrap();
}

async fn switch(app: &TestApp, on: bool) {
    app.advance(TimeDelta::milliseconds(10));
    let wanted = json!({ "account_id": ACCOUNT, "on": on });
    assert_eq!(app.backend(Method::PUT, "/v1/backend/switch", Some(wanted)).await.0, StatusCode::OK);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn activate_waits_until_install_is_delivered(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    app.vendor.control.script(Script::next("/events", ill()));
    app.install().await;
    assert_eq!(arrivals(&app), ["install"], "the first attempt failed");
    let waiting = deliveries(&app).await;
    assert!(waiting.iter().all(|job| job.run_at > app.clock.now()), "a waiting job holds no slot");
    pass(&app, 12).await;
    assert_eq!(arrivals(&app), ["install", "install", "activate"]);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_event_that_is_given_up_lets_the_next_one_go(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    app.vendor.control.script(Script::next("/events", ill()).times(4));
    app.install().await;
    pass(&app, 340).await;
    assert_eq!(arrivals(&app), ["install", "install", "install"]);
    pass(&app, 60).await;
    assert_eq!(arrivals(&app), ["install", "install", "install", "install", "activate"]);
    assert_eq!(app.delivered_events(), ["activate"]);
}

/// Also when many events wait, each is sent as soon as the one before has ended.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_line_of_waiting_events_is_delivered_in_one_go(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.vendor.control.clear_calls();
    app.vendor.control.script(Script::next("/events", ill()));
    for on in [false, true, false, true] {
        switch(&app, on).await;
    }
    app.run_due_jobs().await;
    assert_eq!(arrivals(&app), ["deactivate"]);
    app.advance(TimeDelta::seconds(10));
    app.run_due_jobs().await;
    assert_eq!(arrivals(&app), ["deactivate", "deactivate", "activate", "deactivate", "activate"]);
}

/// A second job of an event, for example one of an earlier release, does not break the order.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_job_that_comes_too_early_waits(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    app.vendor.control.script(Script::next("/events", ill()));
    app.install().await;
    sqlx::query("UPDATE jobs SET run_at = ? WHERE state = 'queued' AND attempt = 0")
        .bind(app.clock.now())
        .execute(&app.pool)
        .await
        .unwrap();
    app.run_due_jobs().await;
    assert_eq!(arrivals(&app), ["install"]);
    let early = deliveries(&app).await.into_iter().find(|job| job.attempt == 0).unwrap();
    assert!(early.last_error.unwrap().contains("1 earlier events"), "it says what it waits for");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_cancelled_delivery_fails_its_event_and_the_next_one_goes(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    app.vendor.control.script(Script::next("/events", ill()));
    app.install().await;
    let tried = deliveries(&app).await.into_iter().find(|job| job.attempt == 1).unwrap();
    let mut unit = app.executor.outbox().begin(trace()).await.unwrap();
    cancel(&mut unit, tried.id, "cancelled by an operator").await.unwrap();
    unit.commit().await.unwrap();
    app.run_due_jobs().await;
    assert_eq!(arrivals(&app), ["install", "activate"]);
    let (_, page) = app.backend(Method::GET, "/v1/backend/events", None).await;
    assert!(page.to_string().contains("\"failed\""), "{page}");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn events_say_status_and_reason(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    switch(&app, false).await;
    switch(&app, true).await;
    app.advance(TimeDelta::minutes(1));
    app.amocrm.state.disable(CLIENT_ID, ACCOUNT, false).await.unwrap();
    for _ in 0..6 {
        app.run_due_jobs().await;
        app.advance(TimeDelta::minutes(1));
    }
    let told: Vec<Value> = app.vendor.state.received().into_iter().map(|event| event.body).collect();
    let data: Vec<(&str, Value)> =
        told.iter().map(|body| (body["type"].as_str().unwrap(), body["data"].clone())).collect();
    let changed = |status, reason| json!({ "status": status, "reason": reason });
    assert_eq!(
        data,
        [
            ("install", changed("active", "access_granted")),
            ("activate", changed("active", "access_granted")),
            ("deactivate", changed("inactive", "switched_off")),
            ("activate", changed("active", "switched_on")),
            ("deactivate", changed("uninstalled", "uninstalled")),
        ]
    );
    assert_eq!(app.status().await, "uninstalled");
}

/// A request of the widget finds the grant refused before amoCRM's hook arrives.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_lost_access_that_turns_out_to_be_an_uninstallation_is_told_too(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.advance(TimeDelta::hours(24));
    let silent = app.amocrm.state.disable(CLIENT_ID, ACCOUNT, true).await.unwrap();
    assert_eq!(silent.url, None);
    assert_eq!(app.pauth().await.0, StatusCode::FORBIDDEN);
    app.run_due_jobs().await;
    assert_eq!(last_change(&app), json!({ "status": "reconnect", "reason": "access_lost" }));
    app.advance(TimeDelta::minutes(1));
    app.amocrm.state.disable(CLIENT_ID, ACCOUNT, false).await.unwrap();
    app.run_due_jobs().await;
    assert_eq!(last_change(&app), json!({ "status": "uninstalled", "reason": "uninstalled" }));
    assert_eq!(app.delivered_events(), ["install", "activate", "deactivate", "deactivate"]);
}

/// Nothing but the hook says that the integration was disabled.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_refused_grant_without_a_hook_is_a_lost_access(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.advance(TimeDelta::hours(24));
    app.amocrm.state.disable(CLIENT_ID, ACCOUNT, true).await.unwrap();
    app.pauth().await;
    for _ in 0..6 {
        app.run_due_jobs().await;
        app.advance(TimeDelta::minutes(1));
    }
    assert_eq!(last_change(&app), json!({ "status": "reconnect", "reason": "access_lost" }));
    assert_eq!(app.delivered_events(), ["install", "activate", "deactivate"]);
}

/// A widget that is switched off is uninstalled: its backend hears of it.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_uninstallation_of_a_switched_off_widget_is_told(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    switch(&app, false).await;
    app.advance(TimeDelta::minutes(1));
    app.amocrm.state.disable(CLIENT_ID, ACCOUNT, false).await.unwrap();
    app.run_due_jobs().await;
    assert_eq!(last_change(&app), json!({ "status": "uninstalled", "reason": "uninstalled" }));
    assert_eq!(app.delivered_events(), ["install", "activate", "deactivate", "deactivate"]);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_replay_of_a_waiting_event_means_now(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    app.vendor.control.script(Script::next("/events", ill()).times(2));
    app.install().await;
    app.advance(TimeDelta::seconds(10));
    app.run_due_jobs().await;
    assert_eq!(arrivals(&app), ["install", "install"], "the next attempt is a minute away");
    let events: Vec<(String,)> =
        sqlx::query_as("SELECT id FROM lifecycle_events ORDER BY number").fetch_all(&app.pool).await.unwrap();
    // The replayed event waits for the one before it, which is tried now.
    let replay = format!("/v1/backend/events/{}/replay", events[1].0);
    assert_eq!(app.backend(Method::POST, &replay, None).await.0, StatusCode::ACCEPTED);
    app.run_due_jobs().await;
    assert_eq!(arrivals(&app), ["install", "install", "install", "activate"]);
    assert_eq!(app.delivered_events(), ["install", "activate"]);
}

/// The worker dies while the backend handles the request. Another worker takes the job over.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_attempt_cut_off_by_a_crash_is_in_the_log(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    switch(&app, false).await;
    let job = deliveries(&app).await.remove(0);
    let began = app.clock.now();
    assert!(app.executor.claim(job.id).await.unwrap().is_some(), "a worker has it, and dies");
    app.advance(TimeDelta::seconds(31));
    assert_eq!(app.executor.rescue_once().await.unwrap(), 1);
    app.advance(TimeDelta::seconds(10));
    app.run_due_jobs().await;
    let attempts: Vec<(u32, DateTime<Utc>, Option<u16>, bool)> = sqlx::query_as(
        "SELECT a.attempt, a.started_at, a.status, a.interrupted FROM lifecycle_attempts a
         JOIN lifecycle_events e ON e.id = a.event_id WHERE e.type = 'deactivate' ORDER BY a.id",
    )
    .fetch_all(&app.pool)
    .await
    .unwrap();
    assert_eq!(attempts.len(), 2, "{attempts:?}");
    assert_eq!((attempts[0].0, attempts[0].2, attempts[0].3), (1, None, true));
    assert!((attempts[0].1 - began).num_seconds() < 2, "the start of the run: {attempts:?}");
    assert_eq!((attempts[1].0, attempts[1].2, attempts[1].3), (2, Some(204), false));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_widget_receives_the_kinds_it_has_chosen(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let settings = |version: u32| json!({ "version": version, "settings": { "tone": version } });
    assert_eq!(app.admin(Method::PUT, "/v1/settings", Some(settings(0))).await.0, StatusCode::OK);
    app.run_due_jobs().await;
    assert_eq!(app.delivered_events(), ["install", "activate"], "not chosen");
    let kinds = vec![EventKind::SettingsChanged, EventKind::Deactivate];
    choose(&app, Changes { event_kinds: Some(Some(kinds)), ..Changes::default() }).await;
    assert_eq!(app.admin(Method::PUT, "/v1/settings", Some(settings(1))).await.0, StatusCode::OK);
    switch(&app, false).await;
    switch(&app, true).await;
    app.run_due_jobs().await;
    assert_eq!(app.delivered_events(), ["install", "activate", "settings.changed", "deactivate"]);
    let told = app.vendor.state.received();
    assert_eq!(told[2].body["data"], json!({ "version": 2, "changed_by": format!("user {ADMIN}") }));
}
