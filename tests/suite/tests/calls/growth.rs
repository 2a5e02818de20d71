//! Bounds of webhooks, and of requests for notes that amoCRM does not have.

use chrono::TimeDelta;
use flysk_domain::Clock as _;
use flysk_domain::flysense::record::{AmocrmEventId, RecordId};
use flysk_domain::flysense::run_limit::MAX_UNSEEN_NOTES;
use flysk_domain::flysense::state::TranscriptionState;
use flysk_domain::id::AccountId;
use flysk_domain::trace::Trace;
use flysk_jobs::platform::upkeep::PruneHistory;
use flysk_services::calls::records::{MAX_ABSENT_EVENTS, enqueue_resolution};
use flysk_simulators::amocrm::WidgetTokenShape;
use flysk_store::Pool;
use flysk_store::flysense::events;
use flysk_suite::environment::{ACCOUNT, ADMIN, CLIENT_ID, LEAD};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::harness::TestApp;

/// Sends a webhook of the account to the API at `api_url`.
async fn send_hook(app: &TestApp, api_url: &str, body: String) -> reqwest::Response {
    let destination: url::Url = app.hooks()[0].destination.parse().unwrap();
    let url = format!("{api_url}{}", destination.path());
    let http = reqwest::Client::builder().build().unwrap();
    http.post(url).body(body).send().await.unwrap()
}

async fn stored_hooks(app: &TestApp) -> i64 {
    sqlx::query_scalar("SELECT COUNT(*) FROM flysense_hooks").fetch_one(&app.pool).await.unwrap()
}

/// Inserts transcriptions of notes that no one has seen, created `age` ago.
async fn insert_unseen(
    app: &TestApp,
    notes: std::ops::Range<u64>,
    state: TranscriptionState,
    age: TimeDelta,
) {
    let at = app.clock.now() - age;
    for note in notes {
        sqlx::query(
            "INSERT INTO transcriptions (id, account_id, install_id, entity_type, entity_id, note_id, state, requested_by,
                                         left_channel, tags, correlation_id, created_at, updated_at)
             VALUES (?, ?, 'ins_test', 'leads', 1, ?, ?, ?, 'operator', '[]', 'test', ?, ?)",
        )
        .bind(format!("tr_{note:026}"))
        .bind(ACCOUNT)
        .bind(note)
        .bind(state.code())
        .bind(ADMIN)
        .bind(at)
        .bind(at)
        .execute(&app.pool)
        .await
        .unwrap();
    }
}

async fn request(app: &TestApp, note: u64) -> reqwest::Response {
    let token =
        app.amocrm.state.widget_token(CLIENT_ID, ACCOUNT, ADMIN, &WidgetTokenShape::default()).unwrap();
    let http = reqwest::Client::builder().build().unwrap();
    http.post(format!("{}/v1/flysense/transcriptions", app.api_url))
        .header("X-Auth-Token", token)
        .json(&json!({ "note_id": note, "entity_type": "leads", "entity_id": LEAD }))
        .send()
        .await
        .unwrap()
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_large_webhook_is_refused_and_a_long_note_is_not(pool: Pool) {
    let app = TestApp::installed(pool).await;
    let account = format!("account[id]={ACCOUNT}&text=");
    let long = format!("{account}{}", "%D0%B6".repeat(20_000));
    assert_eq!(send_hook(&app, &app.api_url, long).await.status(), StatusCode::NO_CONTENT);
    let refused = send_hook(&app, &app.api_url, format!("{account}{}", "x".repeat(128 << 10))).await;
    assert_eq!(refused.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(refused.json::<Value>().await.unwrap()["code"], "too_large");
    assert_eq!(stored_hooks(&app).await, 1);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn webhooks_of_an_install_are_limited_per_hour(pool: Pool) {
    let app = TestApp::installed(pool).await;
    let limited = app.api_in(|env| env.with("FLYSK_HOOKS_PER_HOUR", "2")).await;
    let body = format!("account[id]={ACCOUNT}");
    for _ in 0..2 {
        assert_eq!(send_hook(&app, &limited, body.clone()).await.status(), StatusCode::NO_CONTENT);
    }
    let refused = send_hook(&app, &limited, body.clone()).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    let seconds: u32 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=3_600).contains(&seconds), "{seconds}");
    assert_eq!(refused.json::<Value>().await.unwrap()["code"], "too_many_requests");
    assert_eq!(stored_hooks(&app).await, 2);
    app.advance(TimeDelta::seconds(i64::from(seconds)));
    assert_eq!(send_hook(&app, &limited, body).await.status(), StatusCode::NO_CONTENT);
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn notes_that_amocrm_never_showed_are_requested_a_limited_number_of_times_a_day(pool: Pool) {
    let app = TestApp::installed(pool).await;
    let notes = u64::from(MAX_UNSEEN_NOTES);
    insert_unseen(&app, 1..notes, TranscriptionState::Failed, TimeDelta::hours(1)).await;
    assert_eq!(request(&app, 800_001).await.status(), StatusCode::ACCEPTED, "the last one");
    let refused = request(&app, 800_002).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers()["retry-after"], "3600");
    assert_eq!(refused.json::<Value>().await.unwrap()["code"], "too_many_requests");
    assert_eq!(request(&app, 800_001).await.status(), StatusCode::ACCEPTED, "a known note");
    // A call whose note was read does not count.
    sqlx::query("UPDATE transcriptions SET called_at = created_at WHERE note_id = 1")
        .execute(&app.pool)
        .await
        .unwrap();
    assert_eq!(request(&app, 800_002).await.status(), StatusCode::ACCEPTED);
    assert_eq!(request(&app, 800_003).await.status(), StatusCode::TOO_MANY_REQUESTS);
    app.advance(TimeDelta::days(1));
    assert_eq!(request(&app, 800_003).await.status(), StatusCode::ACCEPTED);
}

/// A page that makes ids up neither fills the table nor keeps amoCRM's API busy.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn an_account_has_a_limited_number_of_events_that_amocrm_does_not_know(pool: Pool) {
    let app = TestApp::installed(pool).await;
    let ids: Vec<AmocrmEventId> =
        (1..MAX_ABSENT_EVENTS).map(|number| format!("zz{number:024}").parse().unwrap()).collect();
    let mut conn = app.pool.acquire().await.unwrap();
    events::insert_pending(&mut conn, AccountId(ACCOUNT), &ids, app.clock.now()).await.unwrap();
    drop(conn);
    sqlx::query("UPDATE flysense_events SET state = 'absent'").execute(&app.pool).await.unwrap();
    let records: Vec<RecordId> = (1..=3).map(|number| format!("yy{number:024}").parse().unwrap()).collect();
    let trace = Trace { correlation_id: "calls-test".to_owned(), traceparent: None };
    for _ in 0..2 {
        let mut unit = app.executor.outbox().begin(trace.clone()).await.unwrap();
        enqueue_resolution(&mut unit, AccountId(ACCOUNT), &records).await.unwrap();
        unit.commit().await.unwrap();
        let stored: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM flysense_events").fetch_one(&app.pool).await.unwrap();
        assert_eq!(stored, i64::from(MAX_ABSENT_EVENTS), "there was room for one");
        sqlx::query("UPDATE flysense_events SET state = 'absent'").execute(&app.pool).await.unwrap();
    }
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn failed_calls_whose_note_was_never_seen_are_deleted_after_a_month(pool: Pool) {
    let app = TestApp::installed(pool).await;
    insert_unseen(&app, 1..3, TranscriptionState::Failed, TimeDelta::days(31)).await;
    insert_unseen(&app, 3..4, TranscriptionState::Cancelled, TimeDelta::days(31)).await;
    insert_unseen(&app, 4..5, TranscriptionState::Failed, TimeDelta::days(29)).await;
    insert_unseen(&app, 5..6, TranscriptionState::Queued, TimeDelta::days(31)).await;
    sqlx::query("UPDATE transcriptions SET called_at = created_at WHERE note_id = 2")
        .execute(&app.pool)
        .await
        .unwrap();
    app.run(&PruneHistory {}).await;
    assert_eq!(app.requested().await.0, [2, 4, 5]);
}
