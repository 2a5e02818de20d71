//! Replays of a period's events, and whose jobs the deliveries are.

use chrono::TimeDelta;
use flysk_domain::Clock as _;
use flysk_domain::id::{EventId, WidgetId};
use flysk_jobs::platform::lifecycle::{DeliverEvent, ReplayEvents};
use flysk_queue::executor::ExecutionResult;
use flysk_queue::{Job as _, JobOutcome};
use flysk_simulators::{Act, Script};
use flysk_store::jobs::{self, JobRow, JobState};
use flysk_store::platform::events::EventState;
use flysk_store::platform::widgets::{self, Changes};
use flysk_suite::environment::ACCOUNT;
use reqwest::{Method, StatusCode};
use serde_json::json;
use sqlx::MySqlPool;

use super::harness::{TestApp, as_conn, trace};
use super::stored_events::insert_event;

/// More than one job replays.
const EVENTS: usize = 1_100;

const QUEUED: &str = "SELECT COUNT(*) FROM jobs WHERE kind = 'lifecycle.deliver_event' AND state = 'queued'";

/// Inserts failed events of different installs of the widget.
async fn insert_failed_events(app: &TestApp, widget_id: WidgetId) {
    let mut unit = app.executor.outbox().begin(trace()).await.unwrap();
    for _ in 0..EVENTS {
        insert_event(app, &mut unit, widget_id, EventState::Failed).await;
    }
    unit.commit().await.unwrap();
    let settle = sqlx::query("UPDATE lifecycle_events SET settled_at = ? WHERE state = 'failed'");
    settle.bind(app.clock.now()).execute(&app.pool).await.unwrap();
}

async fn queued_replays(app: &TestApp) -> Vec<JobRow> {
    let mut conn = app.conn().await;
    jobs::list(as_conn(&mut conn), Some(JobState::Queued), Some(ReplayEvents::KIND), 10).await.unwrap()
}

async fn queued_deliveries(app: &TestApp) -> i64 {
    sqlx::query_scalar(QUEUED).fetch_one(&app.pool).await.unwrap()
}

/// Tenants of all deliveries, ended ones too.
async fn tenants(app: &TestApp) -> Vec<Option<String>> {
    sqlx::query_scalar("SELECT DISTINCT tenant FROM jobs WHERE kind = 'lifecycle.deliver_event'")
        .fetch_all(&app.pool)
        .await
        .unwrap()
}

async fn switch(app: &TestApp, on: bool) {
    app.advance(TimeDelta::milliseconds(10));
    let wanted = json!({ "account_id": ACCOUNT, "on": on });
    assert_eq!(app.backend(Method::PUT, "/v1/backend/switch", Some(wanted)).await.0, StatusCode::OK);
}

/// A job with all events would reach its time limit, and begin again.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_long_period_is_replayed_by_several_jobs(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let (widget_id, began) = (app.widget().await.id, app.clock.now());
    insert_failed_events(&app, widget_id).await;
    app.advance(TimeDelta::minutes(1));
    let replay = ReplayEvents {
        widget_id,
        install_id: None,
        kind: None,
        states: vec!["failed".to_owned()],
        from: began - TimeDelta::minutes(1),
        until: app.clock.now(),
        requested_at: app.clock.now(),
        after: 0,
    };
    let mut unit = app.executor.outbox().begin(trace()).await.unwrap();
    unit.enqueue(&replay).await.unwrap();
    unit.commit().await.unwrap();

    let mut queued = vec![queued_deliveries(&app).await];
    while let Some(job) = queued_replays(&app).await.pop() {
        let ended = app.executor.execute(job.id).await.unwrap();
        assert_eq!(ended, ExecutionResult::Finished(Ok(JobOutcome::Done)));
        assert!(queued_replays(&app).await.len() <= 1, "one job goes on");
        queued.push(queued_deliveries(&app).await);
    }
    assert!(queued.len() > 2, "one job has queued all events: {queued:?}");
    assert!(queued.is_sorted_by(|one, next| one < next), "each job goes on: {queued:?}");
    assert_eq!(queued.last().copied(), i64::try_from(EVENTS).ok());
    assert_eq!(tenants(&app).await, [Some(widget_id.to_string())]);
}

/// A vendor may register the URL after the first accounts have installed the widget.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn what_happened_before_the_widget_had_a_url_is_replayed(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let widget = app.widget().await;
    let point_to = async |url: Option<String>| {
        let changes = Changes { event_url: Some(url), ..Changes::default() };
        let now = app.clock.now();
        widgets::update(as_conn(&mut app.conn().await), widget.id, &changes, now).await.unwrap();
    };
    point_to(None).await;
    let from = app.clock.now();
    switch(&app, false).await;
    switch(&app, true).await;
    app.run_due_jobs().await;
    let told = app.vendor.state.received().len();
    point_to(widget.event_url.clone()).await;
    app.advance(TimeDelta::seconds(1));
    let wanted = json!({ "from": from.to_rfc3339() });
    let asked = app.backend(Method::POST, "/v1/backend/events/replay", Some(wanted)).await;
    assert_eq!(asked.0, StatusCode::ACCEPTED);
    app.run_due_jobs().await;
    let arrived = app.vendor.state.received().split_off(told);
    let kinds: Vec<_> = arrived.iter().map(|event| event.body["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["deactivate", "activate"]);
}

/// Otherwise each would be a tenant of its own, and a widget with many would delay all others.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn every_delivery_belongs_to_its_widget(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let widget = app.widget().await;
    let at_once = Changes { delivery_delays: Some(Some(vec![])), ..Changes::default() };
    widgets::update(as_conn(&mut app.conn().await), widget.id, &at_once, app.clock.now()).await.unwrap();
    for status in [204, 500] {
        let act = Act::Answer { status, headers: Vec::new(), body: String::new() };
        app.vendor.control.script(Script::next("/events", act));
        switch(&app, false).await;
        switch(&app, true).await;
        // The end of the first event queues the second one again.
        let gone = "DELETE FROM jobs WHERE kind = 'lifecycle.deliver_event' AND run_at > ?";
        let gone = sqlx::query(gone).bind(app.clock.now()).execute(&app.pool).await.unwrap();
        assert_eq!(gone.rows_affected(), 1);
        app.run_due_jobs().await;
        let waiting = "SELECT COUNT(*) FROM lifecycle_events WHERE state = 'waiting'";
        assert_eq!(sqlx::query_scalar::<_, i64>(waiting).fetch_one(&app.pool).await.unwrap(), 0);
    }
    assert_eq!(tenants(&app).await, [Some(widget.id.to_string())]);
}

#[test]
fn jobs_of_earlier_releases_are_read() {
    let event_id: EventId = "evt_00000000000000000000000001".parse().unwrap();
    let delivery: DeliverEvent = serde_json::from_value(json!({ "event_id": event_id })).unwrap();
    assert_eq!((delivery.event_id, delivery.tenant()), (event_id, None));
    let replay = json!({
        "widget_id": "wgt_00000000000000000000000002",
        "install_id": null,
        "kind": null,
        "states": ["failed"],
        "from": "2026-12-01T00:00:00Z",
        "until": "2026-12-02T00:00:00Z",
        "requested_at": "2026-12-02T00:00:00Z",
    });
    assert_eq!(serde_json::from_value::<ReplayEvents>(replay).unwrap().after, 0);
}
