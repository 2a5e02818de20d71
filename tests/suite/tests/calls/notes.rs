//! Notes other than calls, notes with unusable times, and one call on two entities.

use std::time::Duration;

use chrono::TimeDelta;
use flysk_domain::flysense::automatic::MAX_AUTOMATIC_PER_DAY;
use flysk_jobs::flysense::calls::IngestNote;
use flysk_queue::Job as _;
use flysk_simulators::amocrm::{EntityType, NewCall};
use flysk_store::jobs::JobState;
use flysk_suite::environment::{ACCOUNT, Environment, LEAD, PUBLIC_ORIGIN, call_of_lead};
use flysk_suite::statement_log::StatementLog;
use reqwest::{Method, StatusCode};
use serde_json::json;
use sqlx::MySqlPool;

use crate::harness::TestApp;
use crate::start_env;

const WAIT_TIMEOUT: Duration = Duration::from_mins(5);

/// Delivers a webhook to the account's address as amoCRM does, and runs its jobs.
async fn deliver(app: &TestApp, form: &[(&str, &str)]) {
    post(&reqwest::Client::builder().build().unwrap(), app, form).await;
    app.run_due_jobs().await;
}

async fn post(http: &reqwest::Client, app: &TestApp, form: &[(&str, &str)]) {
    let there = app.hooks()[0].destination.replace(PUBLIC_ORIGIN, &app.api_url);
    let answer = http.post(there).form(form).send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.status());
}

/// A service message, as our own integration may write, and a plain text: they arrive through the same webhook as
/// calls and must have no effect.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn notes_other_than_calls_start_nothing(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    for kind in ["25", "4"] {
        let note = |field: &'static str| format!("leads[note][0][note][{field}]");
        let (id, kind_of, card, card_type, text) =
            (note("id"), note("note_type"), note("element_id"), note("element_type"), note("text"));
        let account = ACCOUNT.to_string();
        let form = [
            ("account[id]", account.as_str()),
            (id.as_str(), "920001"),
            (kind_of.as_str(), kind),
            (card.as_str(), "700001"),
            (card_type.as_str(), "2"),
            (
                text.as_str(),
                r#"{"service":"FlySense","text":"Итог звонка","DURATION":42,"LINK":"https://pbx.example.com/1.mp3"}"#,
            ),
        ];
        deliver(&app, &form).await;
    }
    assert_eq!(app.requested().await.0, Vec::<u64>::new());
    let read = app.jobs(JobState::Done).await.iter().filter(|job| job.kind == "calls.ingest_note").count();
    assert_eq!(read, 2, "the hooks were read");
}

/// Dates in a webhook are local and have no time zone, so they are ignored.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn local_dates_of_a_webhook_are_ignored(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    for (index, date) in ["2031-01-01 00:00:00", "15.06.2025 18:26", ""].into_iter().enumerate() {
        let note = app.silent_call(EntityType::Leads, 42).to_string();
        let (account, card) = (ACCOUNT.to_string(), LEAD.to_string());
        let form = [
            ("account[id]", account.as_str()),
            ("leads[note][0][note][id]", note.as_str()),
            ("leads[note][0][note][note_type]", "10"),
            ("leads[note][0][note][element_id]", card.as_str()),
            ("leads[note][0][note][element_type]", "2"),
            ("leads[note][0][note][date_create]", date),
            ("leads[note][0][note][timestamp_x]", date),
        ];
        deliver(&app, &form).await;
        assert_eq!(app.requested().await.0.len(), index + 1, "{date}");
    }
    let told: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM transcriptions WHERE called_at IS NOT NULL")
        .fetch_one(&app.pool)
        .await
        .unwrap();
    assert_eq!(told, 0, "when a call was is read from the note, in unix seconds");
}

fn hook_fields(note: &str) -> [(String, String); 5] {
    let field = |name: &str, value: &str| (format!("leads[note][0][note][{name}]"), value.to_owned());
    [
        ("account[id]".to_owned(), ACCOUNT.to_string()),
        field("id", note),
        field("note_type", "10"),
        field("element_id", &LEAD.to_string()),
        field("element_type", "2"),
    ]
}

async fn deliver_note(app: &TestApp, note: u64) {
    let fields = hook_fields(&note.to_string());
    let form: Vec<(&str, &str)> =
        fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    deliver(app, &form).await;
}

/// Those that come while a transaction is written share the next one, and its statements.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn webhooks_that_come_together_share_the_statement_of_their_jobs(pool: MySqlPool) {
    const WEBHOOKS: usize = 32;
    let app = TestApp::installed(pool).await;
    let http = reqwest::Client::builder().build().unwrap();
    let account = ACCOUNT.to_string();
    let log = StatementLog::default();
    let listening = log.listen();
    let form = [("account[id]", account.as_str())];
    futures::future::join_all((0..WEBHOOKS).map(|_| post(&http, &app, &form))).await;
    let made = log.take_statements();
    drop(listening);
    let jobs = app.jobs(JobState::Queued).await.into_iter().filter(|job| job.kind == IngestNote::KIND);
    assert_eq!(jobs.count(), WEBHOOKS, "one for each webhook");
    let inserted = made.iter().filter(|text| text.starts_with("INSERT INTO jobs")).count();
    assert!((1..=8).contains(&inserted), "{inserted} statements for {WEBHOOKS} jobs: {made:#?}");
}

async fn state_of(app: &TestApp, note: u64) -> String {
    sqlx::query_scalar("SELECT state FROM transcriptions WHERE note_id = ?")
        .bind(note)
        .fetch_one(&app.pool)
        .await
        .unwrap()
}

/// Other widgets of the account can read the hook's address and name any note: an old call is not transcribed for it.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_hook_does_not_start_old_calls(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let old = app.silent_call(EntityType::Leads, 42);
    app.advance(TimeDelta::days(8));
    let young = app.silent_call(EntityType::Leads, 42);
    for note in [old, young] {
        deliver_note(&app, note).await;
    }
    for job in app.jobs(JobState::Queued).await.into_iter().filter(|job| job.kind == "calls.fetch_recording")
    {
        app.executor.execute(job.id).await.unwrap();
    }
    assert_eq!(state_of(&app, old).await, "cancelled");
    assert_ne!(state_of(&app, young).await, "cancelled");
}

/// A forged hook cannot start calls without limit. A day later the account has its calls again.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn automatic_calls_of_an_account_are_bounded_per_day(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    deliver_note(&app, app.silent_call(EntityType::Leads, 42)).await;
    let mut known = 1_u32;
    while known < MAX_AUTOMATIC_PER_DAY {
        let more = known.min(MAX_AUTOMATIC_PER_DAY - known);
        let columns =
            "account_id, install_id, entity_type, entity_id, state, left_channel, tags, correlation_id,
            created_at, updated_at";
        let copies = format!(
            "INSERT INTO transcriptions (id, note_id, {columns})
             SELECT CONCAT('tr_', LPAD(note_id + ?, 26, '0')), note_id + ?, {columns} FROM transcriptions LIMIT ?"
        );
        let distance = u64::from(known) * 10_000_000;
        let query = sqlx::query(sqlx::AssertSqlSafe(copies)).bind(distance).bind(distance).bind(more);
        query.execute(&app.pool).await.unwrap();
        known += more;
    }
    let late = app.silent_call(EntityType::Leads, 42);
    deliver_note(&app, late).await;
    assert!(!app.requested().await.0.contains(&late), "the limit is reached");
    app.advance(TimeDelta::hours(25));
    let next = app.silent_call(EntityType::Leads, 42);
    deliver_note(&app, next).await;
    assert!(app.requested().await.0.contains(&next), "a day later");
}

/// A telephony provider writes a call on the lead and on its contact: it is transcribed and charged once. A
/// manager can request it on the other entity, too. Another call of the same number is a separate call.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_on_two_entities_is_transcribed_once() -> anyhow::Result<()> {
    let env = start_env().await?;
    let client = env.client()?;
    let first = arrives(&env, EntityType::Leads, "pbx-1")?;
    let first = client.wait_for_end(first, WAIT_TIMEOUT).await?;
    assert_eq!(first.state, "done");
    let twin = arrives(&env, EntityType::Contacts, "pbx-1")?;
    env.wait_for("SELECT COUNT(*) FROM transcriptions WHERE failure_code = 'same_call'", 1).await?;
    let another = arrives(&env, EntityType::Leads, "pbx-2")?;
    assert_eq!(client.wait_for_end(another, WAIT_TIMEOUT).await?.state, "done");
    let held: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM flysense_payments").fetch_one(&env.pool).await?;
    assert_eq!(held, 2, "the twin was paid for");

    let wanted = json!({ "note_id": twin, "entity_type": "contacts", "entity_id": LEAD });
    let (status, told) = client.request(Method::POST, "/v1/flysense/transcriptions", Some(&wanted)).await?;
    assert_eq!(status, StatusCode::ACCEPTED, "{told}");
    env.wait_for("SELECT COUNT(*) FROM transcriptions WHERE state = 'done'", 3).await?;
    env.stop()
}

/// Adds a note to an entity for the call with the telephony provider's id `uniq`.
fn arrives(env: &Environment, entity_type: EntityType, uniq: &str) -> anyhow::Result<u64> {
    let link = env.simulators.recording_url("support-mono-opus.ogg");
    let call = NewCall { entity_type, uniq: Some(uniq.to_owned()), ..call_of_lead(Some(link), 42) };
    Ok(env.simulators.amocrm.state.call(call)?)
}
