//! Limits on runs of a call, and charges for submitted recognitions.

use anyhow::Context as _;
use flysk_domain::flysense::run_limit::RunCount;
use flysk_domain::id::{AccountId, NoteId};
use flysk_simulators::amocrm::WidgetTokenShape;
use flysk_store::flysense::transcriptions;
use flysk_store::{Pool, StoreError};
use flysk_suite::environment::{
    ACCOUNT, ADMIN, CLIENT_ID, Client, DEFAULT_WELCOME_BONUS, Environment, LEAD, Options,
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::charging::{WAIT_TIMEOUT, checked_receipt, everything_is_paid};
use crate::harness::TestApp;

const FILE: &str = "sales-stereo-44k.mp3";
const SUBMIT: &str = "/stt/v3/recognizeFileAsync";

async fn start_env_with_runs(runs: u32) -> anyhow::Result<Environment> {
    let mut options = Options::with_fixtures(0.02)?;
    options.more.insert("FLYSENSE_RUNS_PER_DAY".to_owned(), runs.to_string());
    let env = Environment::start(options).await?;
    env.install().await?;
    Ok(env)
}

async fn cancel(client: &Client, id: &str) -> anyhow::Result<(StatusCode, Value)> {
    client.request(Method::POST, &format!("/v1/flysense/transcriptions/{id}/cancel"), None).await
}

fn never_ends(env: &Environment) -> anyhow::Result<()> {
    let slow = json!({ "pace": 0.02, "extra_ms": 600_000 });
    env.simulators.speechkit.state.behave(serde_json::from_value(slow)?);
    Ok(())
}

/// A submitted recognition is charged, its summary is not, and the receipt says why; before the submission it is
/// free.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_cancelled_during_recognition_is_charged_for_it() -> anyhow::Result<()> {
    let env = start_env_with_runs(5).await?;
    let client = env.client()?;
    never_ends(&env)?;
    let note = env.simulators.call_arrives(Some(env.simulators.recording_url(FILE)), 42)?;
    let id = client.wait_for_state(note, "recognizing", WAIT_TIMEOUT).await?.id;
    let (status, view) = cancel(&client, &id).await?;
    assert_eq!((status, &view["state"]), (StatusCode::OK, &"cancelled".into()), "{view}");
    assert_eq!(view["seconds_billed"], 43);
    let paid = client.wait_for_payment(&id, "paid", WAIT_TIMEOUT).await.with_context(|| env.logs())?;
    checked_receipt(&paid)?;
    let receipt = paid.payment("receipt").as_array().context("a receipt")?;
    assert_eq!(receipt.len(), 1, "{}", paid.raw);
    assert!(paid.payment("charge_reason").as_str().is_some_and(|why| why.contains("заказано")));
    everything_is_paid(&env, &client, &[id]).await?;
    assert!(env.coins().await?.available < DEFAULT_WELCOME_BONUS);
    Ok(())
}

/// Cancelling and requesting again submits only recognitions that are charged, and at most the daily limit.
#[tokio::test(flavor = "multi_thread")]
async fn repeated_cancelled_runs_are_charged_and_limited_per_day() -> anyhow::Result<()> {
    let env = start_env_with_runs(2).await?;
    let client = env.client()?;
    never_ends(&env)?;
    let note = env.simulators.call_arrives(Some(env.simulators.recording_url(FILE)), 42)?;
    for run in 1..=2 {
        let id = client.wait_for_state(note, "recognizing", WAIT_TIMEOUT).await?.id;
        assert_eq!(cancel(&client, &id).await?.0, StatusCode::OK);
        client.wait_for_payment(&id, "paid", WAIT_TIMEOUT).await.with_context(|| env.logs())?;
        assert_eq!(env.taken().await?.0, run, "a recognition for nothing");
        if run == 1 {
            assert_eq!(client.transcribe(note).await?, id);
        }
    }
    let body = json!({ "note_id": note, "entity_type": "leads", "entity_id": LEAD });
    let url = format!("{}/v1/flysense/transcriptions", env.api_url);
    let http = reqwest::Client::builder().build()?;
    for _ in 0..3 {
        let refused = http.post(&url).header("X-Auth-Token", client.token()?).json(&body).send().await?;
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        let seconds: u32 = refused.headers()["retry-after"].to_str()?.parse()?;
        assert!((80_000..=86_400).contains(&seconds), "{seconds}");
        assert_eq!(refused.json::<Value>().await?["code"], "too_many_runs");
    }
    assert_eq!(env.simulators.speechkit.control.calls_to("POST", SUBMIT).len(), 2);
    // A day later it may be requested again.
    sqlx::query("UPDATE transcriptions SET runs_since = runs_since - INTERVAL 1 DAY")
        .execute(&env.pool)
        .await?;
    client.transcribe(note).await?;
    client.wait_for_state(note, "recognizing", WAIT_TIMEOUT).await?;
    Ok(())
}

/// Failures that cost us a recognition each are limited as well, although they are free for the account.
#[tokio::test(flavor = "multi_thread")]
async fn runs_after_failures_are_limited_per_day() -> anyhow::Result<()> {
    let env = start_env_with_runs(2).await?;
    let client = env.client()?;
    let failing =
        json!({ "pace": 0.02, "failure": { "code": "INVALID_ARGUMENT", "message": "as it should" } });
    env.simulators.speechkit.state.behave(serde_json::from_value(failing)?);
    let note = env.simulators.call_arrives(Some(env.simulators.recording_url(FILE)), 42)?;
    assert_eq!(client.wait_for_end(note, WAIT_TIMEOUT).await?.state, "failed");
    client.transcribe(note).await?;
    env.wait_for("SELECT COUNT(*) FROM transcriptions WHERE run = 2 AND state = 'failed'", 1).await?;
    let body = json!({ "note_id": note, "entity_type": "leads", "entity_id": LEAD });
    let (status, problem) = client.request(Method::POST, "/v1/flysense/transcriptions", Some(&body)).await?;
    assert_eq!((status, &problem["code"]), (StatusCode::TOO_MANY_REQUESTS, &"too_many_runs".into()));
    Ok(())
}

/// The limit is enforced by a conditional write on the counted value: of two concurrent requests with the same
/// count, one fails.
#[tokio::test(flavor = "multi_thread")]
async fn two_concurrent_requests_do_not_both_start_a_run() -> anyhow::Result<()> {
    let env = start_env_with_runs(5).await?;
    let note = env.simulators.call_arrives(Some(env.simulators.recording_url("silence-5s.wav")), 5)?;
    env.client()?.wait_for_end(note, WAIT_TIMEOUT).await?;
    let mut conn = env.pool.acquire().await?;
    let call = transcriptions::find_by_note(&mut conn, AccountId(ACCOUNT), NoteId(note)).await?;
    let call = call.context("the call")?;
    let counted: RunCount = call.run_count();
    assert_eq!(counted.runs, 1);
    let next = counted.add(call.created_at, 5).expect("one more");
    transcriptions::count_run(&mut conn, call.id, counted, next).await?;
    let late = transcriptions::count_run(&mut conn, call.id, counted, next).await;
    assert!(matches!(late, Err(StoreError::WrongState { .. })), "{late:?}");
    Ok(())
}

/// A call that is requested again follows the present preference about channels, not the one of its first request.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn another_run_follows_the_present_preferences(pool: Pool) {
    let app = TestApp::installed(pool).await;
    let note = app.call_without_link();
    let shape = WidgetTokenShape::default();
    let http = reqwest::Client::builder().build().unwrap();
    let send = async |method: Method, path: &str, body: Value| {
        let token = app.amocrm.state.widget_token(CLIENT_ID, ACCOUNT, ADMIN, &shape).unwrap();
        let request = http.request(method, format!("{}/v1/flysense/{path}", app.api_url));
        request.header("X-Auth-Token", token).json(&body).send().await.unwrap().status()
    };
    let call = json!({ "note_id": note, "entity_type": "leads", "entity_id": LEAD });
    assert_eq!(send(Method::POST, "transcriptions", call.clone()).await, StatusCode::ACCEPTED);
    let failed = "UPDATE transcriptions SET state = 'failed', failure_code = 'internal'";
    sqlx::query(failed).execute(&app.pool).await.unwrap();
    let preferences = json!({ "auto": true, "left_channel": "client" });
    assert_eq!(send(Method::PUT, "preferences", preferences).await, StatusCode::OK);
    assert_eq!(send(Method::POST, "transcriptions", call).await, StatusCode::ACCEPTED);
    let run: (u32, String) =
        sqlx::query_as("SELECT run, left_channel FROM transcriptions").fetch_one(&app.pool).await.unwrap();
    assert_eq!(run, (2, "client".to_owned()));
}
