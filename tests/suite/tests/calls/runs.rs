//! How often a call may be started, and who pays for what was ordered.

use anyhow::Context as _;
use flysk_domain::flysense::run_limit::RunCount;
use flysk_domain::id::{AccountId, NoteId};
use flysk_store::StoreError;
use flysk_store::flysense::transcriptions;
use flysk_suite::stand::{ACCOUNT, Client, LEAD, Options, Stand, USUAL_BONUS};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::till::{PATIENCE, checked_receipt, everything_is_paid};

const FILE: &str = "sales-stereo-44k.mp3";
const SUBMIT: &str = "/stt/v3/recognizeFileAsync";

async fn stand_with_runs(runs: u32) -> anyhow::Result<Stand> {
    let mut options = Options::with_fixtures(0.02)?;
    options.more.insert("FLYSENSE_RUNS_PER_DAY".to_owned(), runs.to_string());
    let stand = Stand::start(options).await?;
    stand.install().await?;
    Ok(stand)
}

async fn cancel(client: &Client, id: &str) -> anyhow::Result<(StatusCode, Value)> {
    client.request(Method::POST, &format!("/v1/flysense/transcriptions/{id}/cancel"), None).await
}

fn never_ends(stand: &Stand) -> anyhow::Result<()> {
    let slow = json!({ "pace": 0.02, "extra_ms": 600_000 });
    stand.outside.speechkit.state.behave(serde_json::from_value(slow)?);
    Ok(())
}

/// A recognition that was ordered is paid for, its summary is not, and the receipt says why; before the order it is free.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_stopped_while_it_is_recognised_pays_for_its_recognition() -> anyhow::Result<()> {
    let stand = stand_with_runs(5).await?;
    let client = stand.client()?;
    never_ends(&stand)?;
    let note = stand.outside.call_arrives(Some(stand.outside.recording_url(FILE)), 42)?;
    let id = client.wait_for_state(note, "recognizing", PATIENCE).await?.id;
    let (status, view) = cancel(&client, &id).await?;
    assert_eq!((status, &view["state"]), (StatusCode::OK, &"cancelled".into()), "{view}");
    assert_eq!(view["seconds_billed"], 43);
    let paid = client.wait_for_payment(&id, "paid", PATIENCE).await.with_context(|| stand.logs())?;
    checked_receipt(&paid)?;
    let receipt = paid.payment("receipt").as_array().context("a receipt")?;
    assert_eq!(receipt.len(), 1, "{}", paid.raw);
    assert!(paid.payment("charge_reason").as_str().is_some_and(|why| why.contains("заказано")));
    everything_is_paid(&stand, &client, &[id]).await?;
    assert!(stand.coins().await?.available < USUAL_BONUS);
    Ok(())
}

/// Stopping and asking again orders as many recognitions as are paid for, and no more than a day allows.
#[tokio::test(flavor = "multi_thread")]
async fn stopping_and_asking_again_is_bounded_by_the_day_and_never_free() -> anyhow::Result<()> {
    let stand = stand_with_runs(2).await?;
    let client = stand.client()?;
    never_ends(&stand)?;
    let note = stand.outside.call_arrives(Some(stand.outside.recording_url(FILE)), 42)?;
    for run in 1..=2 {
        let id = client.wait_for_state(note, "recognizing", PATIENCE).await?.id;
        assert_eq!(cancel(&client, &id).await?.0, StatusCode::OK);
        client.wait_for_payment(&id, "paid", PATIENCE).await.with_context(|| stand.logs())?;
        assert_eq!(stand.taken().await?.0, run, "a recognition for nothing");
        if run == 1 {
            assert_eq!(client.transcribe(note).await?, id);
        }
    }
    let body = json!({ "note_id": note, "entity_type": "leads", "entity_id": LEAD });
    let url = format!("{}/v1/flysense/transcriptions", stand.api_url);
    let http = reqwest::Client::builder().build()?;
    for _ in 0..3 {
        let refused = http.post(&url).header("X-Auth-Token", client.token()?).json(&body).send().await?;
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        let seconds: u32 = refused.headers()["retry-after"].to_str()?.parse()?;
        assert!((80_000..=86_400).contains(&seconds), "{seconds}");
        assert_eq!(refused.json::<Value>().await?["code"], "too_many_runs");
    }
    assert_eq!(stand.outside.speechkit.control.calls_to("POST", SUBMIT).len(), 2);
    // A day later it may be asked for again.
    sqlx::query("UPDATE transcriptions SET runs_since = runs_since - INTERVAL 1 DAY")
        .execute(&stand.pool)
        .await?;
    client.transcribe(note).await?;
    client.wait_for_state(note, "recognizing", PATIENCE).await?;
    Ok(())
}

/// Failures that cost us a recognition each are bounded, too, though they cost the account nothing.
#[tokio::test(flavor = "multi_thread")]
async fn asking_again_after_failures_is_bounded_by_the_day() -> anyhow::Result<()> {
    let stand = stand_with_runs(2).await?;
    let client = stand.client()?;
    let failing =
        json!({ "pace": 0.02, "failure": { "code": "INVALID_ARGUMENT", "message": "as it should" } });
    stand.outside.speechkit.state.behave(serde_json::from_value(failing)?);
    let note = stand.outside.call_arrives(Some(stand.outside.recording_url(FILE)), 42)?;
    assert_eq!(client.wait_for_end(note, PATIENCE).await?.state, "failed");
    client.transcribe(note).await?;
    stand.wait_for("SELECT COUNT(*) FROM transcriptions WHERE run = 2 AND state = 'failed'", 1).await?;
    let body = json!({ "note_id": note, "entity_type": "leads", "entity_id": LEAD });
    let (status, problem) = client.request(Method::POST, "/v1/flysense/transcriptions", Some(&body)).await?;
    assert_eq!((status, &problem["code"]), (StatusCode::TOO_MANY_REQUESTS, &"too_many_runs".into()));
    Ok(())
}

/// The bound is a write that says what it counted from: of two that counted from the same, one is told so.
#[tokio::test(flavor = "multi_thread")]
async fn two_who_counted_from_the_same_do_not_both_start_a_run() -> anyhow::Result<()> {
    let stand = stand_with_runs(5).await?;
    let note = stand.outside.call_arrives(Some(stand.outside.recording_url("silence-5s.wav")), 5)?;
    stand.client()?.wait_for_end(note, PATIENCE).await?;
    let mut conn = stand.pool.acquire().await?;
    let call = transcriptions::find_by_note(&mut conn, AccountId(ACCOUNT), NoteId(note)).await?;
    let call = call.context("the call")?;
    let counted: RunCount = call.run_count();
    assert_eq!(counted.runs, 1);
    let next = counted.add(call.created_at, 5).expect("one more");
    transcriptions::count_run(&mut conn, call.id, counted, next).await?;
    let late = transcriptions::count_run(&mut conn, call.id, counted, next).await;
    assert!(matches!(late, Err(StoreError::Stale { .. })), "{late:?}");
    Ok(())
}
