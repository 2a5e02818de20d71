//! Records of a card's feed: many at once, by the ids that the page shows.

use std::time::Duration;

use chrono::TimeDelta;
use flysk_domain::Clock as _;
use flysk_domain::flysense::record::RecordId;
use flysk_domain::id::{AccountId, UserId};
use flysk_simulators::amocrm::{EntityType, WidgetTokenShape};
use flysk_simulators::{Act, Script};
use flysk_store::Pool;
use flysk_suite::environment::{ACCOUNT, ADMIN, CLIENT_ID, LEAD};
use serde_json::{Value, json};

use crate::harness::TestApp;

const UNKNOWN: &str = "01drbfj5a8k9zd60bgg907a6w9";

impl TestApp {
    async fn ask(&self, path: &str, body: &Value) -> (u16, Value) {
        let token =
            self.amocrm.state.widget_token(CLIENT_ID, ACCOUNT, ADMIN, &WidgetTokenShape::default()).unwrap();
        let url = format!("{}/v1/flysense/transcriptions/{path}", self.api_url);
        let request = reqwest::Client::builder()
            .timeout(Duration::from_secs(30))
            .build()
            .unwrap()
            .post(url)
            .header("X-Auth-Token", token)
            .json(body);
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.json().await.unwrap())
    }

    async fn look_up(&self, ids: &[&str]) -> Value {
        let (status, found) = self.ask("lookup", &json!({ "record_ids": ids })).await;
        assert_eq!(status, 200, "{found}");
        found
    }

    async fn request(&self, ids: &[&str]) -> Value {
        let body = json!({ "entity_type": "leads", "entity_id": LEAD, "record_ids": ids });
        let (status, asked) = self.ask("batch", &body).await;
        assert_eq!(status, 202, "{asked}");
        asked
    }

    fn event_of(&self, note: u64) -> String {
        self.amocrm.state.event_of_note(ACCOUNT, note).unwrap()
    }

    fn events_asked(&self) -> usize {
        self.asked("GET", "/api/v4/events/*")
    }
}

fn states(found: &Value) -> Vec<&str> {
    found["items"].as_array().unwrap().iter().map(|item| item["state"].as_str().unwrap()).collect()
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn events_of_a_card_are_resolved_once_in_the_background(pool: Pool) {
    let app = TestApp::installed(pool).await;
    let notes: Vec<u64> = (0..3).map(|_| app.silent_call(EntityType::Leads, 60)).collect();
    let events: Vec<String> = notes.iter().map(|&note| app.event_of(note)).collect();
    let ids: Vec<&str> = events.iter().map(String::as_str).collect();
    let found = app.look_up(&ids).await;
    assert_eq!(states(&found), ["resolving"; 3]);
    assert!(found["items"][0]["is_pending"].as_bool().unwrap());
    assert_eq!(app.events_asked(), 0, "amoCRM is not asked while a page waits");
    app.run_due_jobs().await;
    let found = app.look_up(&ids).await;
    assert_eq!(states(&found), ["none"; 3]);
    assert_eq!(found["items"][2]["note_id"], json!(notes[2]));
    app.look_up(&ids).await;
    app.run_due_jobs().await;
    assert_eq!(app.events_asked(), 3, "each event is asked for once");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_unresolved_record_is_transcribed_as_soon_as_its_note_is_known(pool: Pool) {
    let app = TestApp::installed(pool).await;
    let (by_event, by_note) =
        (app.silent_call(EntityType::Contacts, 60), app.silent_call(EntityType::Leads, 60));
    let event = app.event_of(by_event);
    let asked = app.request(&[&event, &by_note.to_string()]).await;
    assert_eq!(states(&asked), ["resolving", "transcribed"]);
    assert!(asked["items"][0]["is_requested"].as_bool().unwrap());
    assert_eq!(asked["items"][1]["transcription"]["state"], json!("queued"));
    app.run_due_jobs().await;
    let found = app.look_up(&[&event]).await;
    let call = &found["items"][0]["transcription"];
    assert_eq!((&call["note_id"], &call["entity_type"]), (&json!(by_event), &json!("contacts")));
    assert_eq!(app.requested().await.0, [by_event, by_note]);
    // The same press again changes nothing.
    app.request(&[&event]).await;
    app.run_due_jobs().await;
    assert_eq!(app.requested().await.0, [by_event, by_note]);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_event_that_amocrm_does_not_know_is_absent_after_some_tries(pool: Pool) {
    let app = TestApp::installed(pool).await;
    app.request(&[UNKNOWN]).await;
    for _ in 0..3 {
        app.run_due_jobs().await;
        app.advance(TimeDelta::seconds(6));
    }
    let found = app.look_up(&[UNKNOWN]).await;
    assert_eq!(states(&found), ["unknown"]);
    assert!(!found["items"][0]["is_pending"].as_bool().unwrap());
    app.run_due_jobs().await;
    assert_eq!(app.events_asked(), 3);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_failing_amocrm_costs_no_record_and_no_second_transcription(pool: Pool) {
    let app = TestApp::installed(pool).await;
    let note = app.silent_call(EntityType::Leads, 60);
    let event = app.event_of(note);
    let failure = Act::Answer { status: 500, headers: vec![], body: String::new() };
    app.amocrm.control.script(Script::next("/api/v4/events/*", failure));
    app.request(&[&event]).await;
    app.run_due_jobs().await;
    assert_eq!(states(&app.look_up(&[&event]).await), ["resolving"]);
    app.advance(TimeDelta::seconds(10));
    app.run_due_jobs().await;
    assert_eq!(states(&app.look_up(&[&event]).await), ["transcribed"]);
    assert_eq!(app.requested().await.0, [note]);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_unchanged_answer_is_not_sent_again(pool: Pool) {
    let app = TestApp::installed(pool).await;
    let note = app.silent_call(EntityType::Leads, 60).to_string();
    app.request(&[&note]).await;
    let first = app.look_up(&[&note]).await;
    let again = json!({ "record_ids": [note], "version": first["version"] });
    let (_, second) = app.ask("lookup", &again).await;
    assert_eq!((&second["unchanged"], &second["items"]), (&json!(true), &json!([])));
    sqlx::query("UPDATE transcriptions SET state = 'failed', failure_code = 'empty', updated_at = ?")
        .bind(app.clock.now())
        .execute(&app.pool)
        .await
        .unwrap();
    let (_, third) = app.ask("lookup", &again).await;
    assert_eq!((&third["unchanged"], &third["items"][0]["is_pending"]), (&json!(false), &json!(false)));
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn records_are_refused_by_their_form_and_number(pool: Pool) {
    let app = TestApp::installed(pool).await;
    let many: Vec<String> = (1..=301).map(|id: u64| id.to_string()).collect();
    for ids in [json!([]), json!(["../x"]), json!([UNKNOWN.to_uppercase()]), json!(many)] {
        let (status, refused) = app.ask("lookup", &json!({ "record_ids": ids })).await;
        assert_eq!((status, &refused["code"]), (422, &json!("invalid")), "{ids}");
    }
    let body = json!({ "entity_type": "leads", "entity_id": LEAD, "record_ids": many[..51] });
    assert_eq!(app.ask("batch", &body).await.0, 422);
}

/// A page that names ids at random cannot occupy the account's API for hours.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_account_has_a_limited_number_of_pending_events(pool: Pool) {
    use flysk_services::calls::records::{MAX_PENDING_EVENTS, RecordOutcome, RecordRequest, request_record};
    let app = TestApp::installed(pool).await;
    let ids: Vec<_> =
        (0..MAX_PENDING_EVENTS).map(|number| format!("zz{number:024}").parse().unwrap()).collect();
    let mut conn = app.pool.acquire().await.unwrap();
    flysk_store::flysense::events::insert_pending(&mut conn, AccountId(ACCOUNT), &ids, app.clock.now())
        .await
        .unwrap();
    drop(conn);
    let found = app.look_up(&[UNKNOWN]).await;
    assert_eq!(states(&found), ["resolving"]);
    let pending: i64 =
        sqlx::query_scalar("SELECT COUNT(*) FROM flysense_events").fetch_one(&app.pool).await.unwrap();
    assert_eq!(pending, i64::from(MAX_PENDING_EVENTS));
    let account = app.account().await;
    let request = RecordRequest {
        account_id: account.account_id,
        install_id: account.install_id,
        card: (flysk_domain::flysense::call::EntityType::Lead, flysk_domain::id::EntityId(LEAD)),
        requested_by: UserId(ADMIN),
        left_channel: account.left_channel,
        max_runs: 1,
    };
    let trace = flysk_domain::trace::Trace { correlation_id: "records-test".to_owned(), traceparent: None };
    let mut unit = app.executor.outbox().begin(trace).await.unwrap();
    let record: RecordId = UNKNOWN.parse().unwrap();
    let outcome = request_record(&mut unit, &request, &record, &app.clock).await.unwrap();
    assert_eq!(outcome, RecordOutcome::TooManyPending);
}
