//! Delivery of events to vendors' backends.

use std::time::Duration;

use chrono::TimeDelta;
use flysk_crypto::aad;
use flysk_domain::Clock;
use flysk_domain::platform::signature;
use flysk_jobs::platform::lifecycle::DeliverEvent;
use flysk_queue::JobHandler as _;
use flysk_queue::limits::ConcurrencyLimit;
use flysk_services::replay::{ReplayError, ReplayOutcome, replay};
use flysk_simulators::{Act, Script, vendor};
use flysk_store::jobs::{JobRow, JobState};
use flysk_store::platform::widgets::{self, Changes};
use flysk_suite::environment::{ACCOUNT, CLIENT_ID, another_account};
use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret;
use serde_json::json;
use sqlx::MySqlPool;

use super::harness::{TestApp, as_conn, trace};

/// Another account.
const NEIGHBOUR: u64 = 31_299_999;

fn status(status: u16) -> Act {
    Act::Answer { status, headers: Vec::new(), body: "the vendor is ill".to_owned() }
}

/// Seconds between deliveries by the shared clock, rounded.
fn pauses(app: &TestApp) -> Vec<i64> {
    let calls = app.vendor.control.calls_to("POST", "/events");
    calls.windows(2).map(|pair| (pair[1].at - pair[0].at).num_seconds()).collect()
}

async fn pass(app: &TestApp, seconds: i64) {
    for _ in 0..seconds {
        app.run_due_jobs().await;
        app.advance(TimeDelta::seconds(1));
    }
}

/// Delivers `install` only, so that its attempts are not mixed with others.
async fn only_install(app: &TestApp) {
    let mut conn = app.conn().await;
    let urls = [("install".to_owned(), format!("{}/events", app.vendor.url))].into_iter().collect();
    let changes = Changes { event_url: Some(None), event_urls: Some(Some(urls)), ..Changes::default() };
    let widget = app.widget().await;
    widgets::update(as_conn(&mut conn), widget.id, &changes, app.clock.now()).await.unwrap();
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_failed_delivery_is_retried_after_10_60_and_300_seconds(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    only_install(&app).await;
    app.vendor.control.script(Script::next("/events", status(500)).times(99));
    app.install().await;
    pass(&app, 375).await;
    let pauses = pauses(&app);
    assert_eq!(pauses.len(), 3, "{pauses:?}");
    for (pause, promised) in pauses.iter().zip([10, 60, 300]) {
        assert!((promised..=promised + 2).contains(pause), "{pauses:?}");
    }
    assert_eq!(app.jobs(JobState::Dead).await.len(), 1);
    let (_, page) = app.backend(Method::GET, "/v1/backend/events", None).await;
    let event = &page["items"][0];
    assert_eq!(event["state"], "failed");
    let attempts = format!("/v1/backend/events/{}/attempts", event["id"].as_str().unwrap());
    let (_, attempts) = app.backend(Method::GET, &attempts, None).await;
    let attempts = attempts["items"].as_array().unwrap();
    assert_eq!(attempts.len(), 4);
    assert_eq!(
        (&attempts[0]["status"], &attempts[0]["answer_head"]),
        (&500.into(), &"the vendor is ill".into())
    );
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_failed_event_can_be_sent_again(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    only_install(&app).await;
    app.vendor.control.script(Script::next("/events", status(500)).times(4));
    app.install().await;
    pass(&app, 375).await;
    assert!(app.delivered_events().is_empty());
    let (_, page) = app.backend(Method::GET, "/v1/backend/events", None).await;
    let id = page["items"][0]["id"].as_str().unwrap().to_owned();
    let replay = format!("/v1/backend/events/{id}/replay");
    for _ in 0..2 {
        assert_eq!(app.backend(Method::POST, &replay, None).await.0, StatusCode::ACCEPTED);
    }
    app.run_due_jobs().await;
    let received = app.vendor.state.received();
    assert_eq!((received.len(), received[0].body["id"].as_str()), (1, Some(id.as_str())));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_backend_that_answers_410_gets_no_retries(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    only_install(&app).await;
    app.vendor.control.script(Script::next("/events", status(410)).times(99));
    app.install().await;
    pass(&app, 90).await;
    assert_eq!(app.vendor.control.calls_to("POST", "/events").len(), 1);
    let (_, page) = app.backend(Method::GET, "/v1/backend/events", None).await;
    assert_eq!(page["items"][0]["state"], "refused");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_widget_may_have_a_longer_retry_schedule(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    only_install(&app).await;
    let changes = Changes { delivery_delays: Some(Some(vec![5; 7])), ..Changes::default() };
    let widget = app.widget().await;
    widgets::update(as_conn(&mut app.conn().await), widget.id, &changes, app.clock.now()).await.unwrap();
    app.vendor.control.script(Script::next("/events", status(503)).times(7));
    app.install().await;
    pass(&app, 60).await;
    assert_eq!(app.vendor.control.calls_to("POST", "/events").len(), 8);
    assert_eq!(app.delivered_events(), ["install"]);
}

/// Ten consecutive failures open the circuit breaker. Waiting events lose no attempt and are delivered in the
/// end.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_circuit_breaker_spares_a_dead_backend_and_loses_nothing(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    let changes = Changes { delivery_delays: Some(Some(vec![1; 20])), ..Changes::default() };
    let widget = app.widget().await;
    widgets::update(as_conn(&mut app.conn().await), widget.id, &changes, app.clock.now()).await.unwrap();
    app.vendor.control.script(Script::next("/events", status(500)).times(10));
    app.install().await;
    pass(&app, 30).await;
    assert_eq!(app.vendor.control.calls_to("POST", "/events").len(), 10, "left alone for a minute");
    assert!(app.delivered_events().is_empty());
    pass(&app, 60).await;
    let mut told = app.delivered_events();
    told.sort();
    assert_eq!(told, ["activate", "install"]);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_event_has_token_signature_and_all_documented_fields(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let calls = app.vendor.control.calls_to("POST", "/events");
    let call = calls.iter().find(|call| call.body.contains("\"install\"")).unwrap();
    assert_eq!(call.header("x-project-token"), Some(app.project_token.as_str()));
    let widget = app.widget().await;
    let sealed = widget.event_secret_sealed.clone().unwrap();
    let secret = app.vault.keyring().open(&sealed, &aad::event_secret(widget.id)).unwrap();
    let (id, at) = (call.header("webhook-id").unwrap(), call.header("webhook-timestamp").unwrap());
    let expected = signature::sign(secret.expose_secret(), id, at.parse().unwrap(), &call.body).unwrap();
    assert_eq!(call.header("webhook-signature"), Some(expected.as_str()));
    let body: serde_json::Value = serde_json::from_str(&call.body).unwrap();
    assert_eq!((body["id"].as_str(), body["type"].as_str()), (Some(id), Some("install")));
    assert_eq!(
        (body["subdomain"].as_str(), body["base_domain"].as_str()),
        (Some("demo"), Some("demo.amocrm.ru"))
    );
    for field in ["account_id", "install_id", "sequence", "number", "time"] {
        assert!(!body[field].is_null(), "{field}");
    }
}

/// Local addresses are rejected before anything is sent.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_local_address_is_never_called(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    let changes =
        Changes { event_url: Some(Some("http://127.0.0.1:1/events".to_owned())), ..Changes::default() };
    let widget = app.widget().await;
    widgets::update(as_conn(&mut app.conn().await), widget.id, &changes, app.clock.now()).await.unwrap();
    app.install().await;
    let (_, page) = app.backend(Method::GET, "/v1/backend/events", None).await;
    assert_eq!(page["items"][0]["state"], "failed");
}

/// Deliveries to a hanging backend keep their permits; later deliveries do not join the waiting ones.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_hanging_backend_blocks_no_further_deliveries(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    let limits = &app.executor.app().limits;
    let room = ConcurrencyLimit {
        name: "events.test".to_owned(),
        permits: 8,
        permit_ttl: Duration::from_mins(10),
        close_when_held_longer_than: Some(Duration::from_millis(200)),
    };
    // A busy machine asks later than it wants to.
    let soon = ConcurrencyLimit { close_when_held_longer_than: Some(Duration::from_mins(9)), ..room.clone() };
    assert!(limits.acquire_permit(&room, "first").await.unwrap());
    assert!(limits.acquire_permit(&soon, "second").await.unwrap(), "the first may be about to be answered");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!limits.acquire_permit(&room, "third").await.unwrap(), "the first hangs");
    assert!(limits.acquire_permit(&room, "first").await.unwrap(), "who is inside may say so again");
    limits.release_permit(&room, "first").await;
    limits.release_permit(&room, "second").await;
    assert!(limits.acquire_permit(&room, "third").await.unwrap());
}

/// Gives the widget a separate address for `deactivate`, and a retry every second.
async fn deactivate_goes_to(app: &TestApp, path: &str) {
    let urls = [("deactivate".to_owned(), format!("{}{path}", app.vendor.url))].into_iter().collect();
    let changes = Changes {
        event_urls: Some(Some(urls)),
        delivery_delays: Some(Some(vec![1; 20])),
        ..Changes::default()
    };
    let widget = app.widget().await;
    widgets::update(as_conn(&mut app.conn().await), widget.id, &changes, app.clock.now()).await.unwrap();
}

/// The backend switches the widget off and on, which causes two events.
async fn switch_off_and_on(app: &TestApp) {
    for on in [false, true] {
        app.advance(TimeDelta::milliseconds(10));
        let wanted = json!({ "account_id": ACCOUNT, "on": on });
        assert_eq!(app.backend(Method::PUT, "/v1/backend/switch", Some(wanted)).await.0, StatusCode::OK);
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_dead_address_of_one_event_does_not_affect_others(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    deactivate_goes_to(&app, "/gone-astray").await;
    app.vendor.control.script(Script::next("/gone-astray", status(500)).times(99));
    switch_off_and_on(&app).await;
    pass(&app, 30).await;
    assert_eq!(app.vendor.control.calls_to("POST", "/gone-astray").len(), 10, "left alone for a minute");
    app.amocrm.state.add_account(another_account(NEIGHBOUR, "neighbours", 701)).unwrap();
    app.amocrm.state.install(CLIENT_ID, NEIGHBOUR, None).await.unwrap();
    app.run_due_jobs().await;
    let of_neighbour = |event: &&vendor::Received| event.body["account_id"] == NEIGHBOUR;
    let received = app.vendor.state.received();
    assert_eq!(received.iter().filter(of_neighbour).count(), 2, "they go to an address that works");
}

/// When the circuit breaker of an address lets deliveries through again, the waiting ones resume at different
/// times.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn deliveries_to_a_dead_address_resume_at_different_times(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    deactivate_goes_to(&app, "/gone-astray").await;
    app.vendor.control.script(Script::next("/gone-astray", status(500)).times(99));
    switch_off_and_on(&app).await;
    pass(&app, 30).await;
    for _ in 0..8 {
        switch_off_and_on(&app).await;
    }
    // Events that wait for others look at the address after a while, too.
    app.advance(TimeDelta::seconds(10));
    app.run_due_jobs().await;
    let spared = |job: &JobRow| job.last_error.as_ref().is_some_and(|why| why.contains("circuit breaker"));
    let waiting: Vec<JobRow> = app.jobs(JobState::Queued).await.into_iter().filter(spared).collect();
    let again = sqlx::query_scalar("SELECT open_until FROM event_endpoints").fetch_one(&app.pool).await;
    let again: chrono::DateTime<chrono::Utc> = again.unwrap();
    assert!(waiting.len() >= 8 && waiting.iter().all(|job| job.run_at >= again), "{again} {waiting:?}");
    let moments: std::collections::BTreeSet<_> = waiting.iter().map(|job| job.run_at).collect();
    assert!(moments.len() > 4, "{moments:?}");
}

/// A 410 response and an address that is not called do not count as failures of a backend.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn gone_responses_and_forbidden_addresses_do_not_count_as_failures(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    app.vendor.control.script(Script::next("/events", status(410)).times(12));
    for _ in 0..6 {
        switch_off_and_on(&app).await;
        app.run_due_jobs().await;
    }
    assert_eq!(app.vendor.control.calls_to("POST", "/events").len(), 14, "each was tried");
    let changes = Changes { event_url: Some(Some("http://127.0.0.1:1/".to_owned())), ..Changes::default() };
    let widget = app.widget().await;
    widgets::update(as_conn(&mut app.conn().await), widget.id, &changes, app.clock.now()).await.unwrap();
    switch_off_and_on(&app).await;
    app.run_due_jobs().await;
    let failing: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM event_endpoints").fetch_one(&app.pool).await.unwrap();
    assert_eq!(failing, 0);
}

/// A job that dies does not change an event that was already delivered.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_late_dead_job_does_not_change_a_delivered_event(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let (_, page) = app.backend(Method::GET, "/v1/backend/events", None).await;
    let event_id = page["items"][0]["id"].as_str().unwrap().parse().unwrap();
    let mut unit = app.executor.outbox().begin(trace()).await.unwrap();
    DeliverEvent { event_id, widget_id: None }.on_dead(&mut unit, "late", app.executor.app()).await.unwrap();
    unit.commit().await.unwrap();
    let (_, page) = app.backend(Method::GET, "/v1/backend/events", None).await;
    assert_eq!(page["items"][0]["state"], "delivered");
}

/// An operator replays the job, and the delivery starts again.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_operator_replays_a_failed_event(pool: MySqlPool) {
    let app = TestApp::build(pool).await;
    only_install(&app).await;
    app.vendor.control.script(Script::next("/events", status(500)).times(4));
    app.install().await;
    pass(&app, 375).await;
    let dead = app.jobs(JobState::Dead).await;
    assert_eq!((dead.len(), app.delivered_events().len()), (1, 0));
    let again = async || {
        let mut unit = app.executor.outbox().begin(trace()).await.unwrap();
        let replayed = replay(&mut unit, dead[0].id).await;
        unit.commit().await.unwrap();
        replayed
    };
    assert_eq!(again().await.unwrap(), ReplayOutcome::Queued);
    app.run_due_jobs().await;
    assert_eq!(app.delivered_events(), ["install"]);
    sqlx::query("UPDATE jobs SET state = 'dead'").execute(&app.pool).await.unwrap();
    assert!(matches!(again().await, Err(ReplayError::EventDelivered(_))));
}
