//! Cancelled calls.

use std::time::Duration;

use flysk_suite::environment::{ACCOUNT, Client};
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::recordings::bucket_gets_empty;
use crate::start_env;

async fn cancel(client: &Client, id: &str) -> anyhow::Result<(StatusCode, Value)> {
    client.request(Method::POST, &format!("/v1/flysense/transcriptions/{id}/cancel"), None).await
}

/// Cancelled during the download: processing stops, nothing is left or charged. A new request completes the call,
/// whatever the first run was still doing.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_call_stays_cancelled_until_a_new_request() -> anyhow::Result<()> {
    let env = start_env().await?;
    let client = env.client()?;
    let url = env.simulators.recording_url("sales-mono-8k.mp3");
    let note = env.simulators.call_arrives(Some(format!("{url}?bytes_per_s=15000")), 42)?;
    let id = client.transcribe(note).await?;
    env.wait_for("SELECT COUNT(*) FROM transcriptions WHERE state = 'fetching'", 1).await?;
    let (status, view) = cancel(&client, &id).await?;
    assert_eq!((status, view["state"].as_str()), (StatusCode::OK, Some("cancelled")), "{view}");
    assert_eq!(view["seconds_billed"], 0);
    // The download continues until it tries to store its result.
    env.wait_for("SELECT COUNT(*) FROM jobs WHERE kind = 'calls.fetch_recording' AND state = 'done'", 1)
        .await?;
    assert_eq!(client.transcription(&id).await?.state, "cancelled");
    bucket_gets_empty(&env).await?;

    let (status, problem) = cancel(&client, &id).await?;
    assert_eq!((status, problem["code"].as_str()), (StatusCode::CONFLICT, Some("wrong_state")));
    env.simulators.amocrm.state.set_link(ACCOUNT, note, Some(&url))?;
    assert_eq!(client.transcribe(note).await?, id);
    let done = client.wait_for_end(note, Duration::from_mins(5)).await?;
    assert_eq!(done.state, "done", "{}", done.raw);
    assert_eq!(cancel(&client, &id).await?.0, StatusCode::CONFLICT);
    bucket_gets_empty(&env).await
}

/// Cancelled while it waits for its link, and requested again when there is one: the next run does not wait for
/// the first run's poll.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_cancelled_while_waiting_restarts_at_once() -> anyhow::Result<()> {
    let env = start_env().await?;
    let client = env.client()?;
    let note = env.simulators.call_arrives(None, 42)?;
    let id = client.transcribe(note).await?;
    env.wait_for("SELECT COUNT(*) FROM transcriptions WHERE state = 'waiting_for_link'", 1).await?;
    env.wait_for("SELECT COUNT(*) FROM jobs WHERE kind = 'calls.fetch_recording' AND state = 'queued'", 1)
        .await?;
    // Postpones the next poll.
    sqlx::query("UPDATE jobs SET run_at = run_at + INTERVAL 1 HOUR, push_at = push_at + INTERVAL 1 HOUR, attempt = 11 WHERE kind = 'calls.fetch_recording'")
        .execute(&env.pool)
        .await?;
    assert_eq!(cancel(&client, &id).await?.0, StatusCode::OK);
    let url = env.simulators.recording_url("sales-mono-8k.mp3");
    env.simulators.amocrm.state.set_link(ACCOUNT, note, Some(&url))?;
    assert_eq!(client.transcribe(note).await?, id);
    let done = client.wait_for_end(note, Duration::from_mins(5)).await?;
    assert_eq!(done.state, "done", "{}", done.raw);
    bucket_gets_empty(&env).await
}

/// Cancelled and requested again while the first run still downloads: the two runs do not mix.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_run_does_not_write_into_the_next() -> anyhow::Result<()> {
    let env = start_env().await?;
    let client = env.client()?;
    let url = env.simulators.recording_url("sales-mono-8k.mp3");
    let note = env.simulators.call_arrives(Some(format!("{url}?bytes_per_s=25000")), 42)?;
    let id = client.transcribe(note).await?;
    env.wait_for("SELECT COUNT(*) FROM transcriptions WHERE state = 'fetching'", 1).await?;
    assert_eq!(cancel(&client, &id).await?.0, StatusCode::OK);
    assert_eq!(client.transcribe(note).await?, id);
    let done = client.wait_for_end(note, Duration::from_mins(5)).await?;
    assert_eq!(done.state, "done", "{}\n{}", done.raw, env.logs());
    let submits = env.simulators.speechkit.control.calls_to("POST", "/stt/v3/recognizeFileAsync").len();
    assert_eq!(submits, 1, "both runs were recognised");
    bucket_gets_empty(&env).await
}
