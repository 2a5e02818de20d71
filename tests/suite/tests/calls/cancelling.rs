//! Calls that somebody stops.

use std::time::Duration;

use flysk_suite::stand::{ACCOUNT, Client};
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::recordings::bucket_gets_empty;
use crate::stand;

async fn cancel(client: &Client, id: &str) -> anyhow::Result<(StatusCode, Value)> {
    client.request(Method::POST, &format!("/v1/flysense/transcriptions/{id}/cancel"), None).await
}

/// Stopped in the middle of its download: nothing goes on with it, nothing is left or paid, and asked for again it
/// is done, whatever the first run was still at.
#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_call_stays_cancelled_until_it_is_asked_for_again() -> anyhow::Result<()> {
    let stand = stand().await?;
    let client = stand.client()?;
    let url = stand.outside.recording_url("sales-mono-8k.mp3");
    let note = stand.outside.call_arrives(Some(format!("{url}?bytes_per_s=15000")), 42)?;
    let id = client.transcribe(note).await?;
    stand.wait_for("SELECT COUNT(*) FROM transcriptions WHERE state = 'fetching'", 1).await?;
    let (status, view) = cancel(&client, &id).await?;
    assert_eq!((status, view["state"].as_str()), (StatusCode::OK, Some("cancelled")), "{view}");
    assert_eq!(view["seconds_billed"], 0);
    // The download goes on until it wants to write what it has.
    stand
        .wait_for("SELECT COUNT(*) FROM jobs WHERE kind = 'calls.fetch_recording' AND state = 'done'", 1)
        .await?;
    assert_eq!(client.transcription(&id).await?.state, "cancelled");
    bucket_gets_empty(&stand).await?;

    let (status, problem) = cancel(&client, &id).await?;
    assert_eq!((status, problem["code"].as_str()), (StatusCode::CONFLICT, Some("wrong_state")));
    stand.outside.amocrm.state.set_link(ACCOUNT, note, Some(&url))?;
    assert_eq!(client.transcribe(note).await?, id);
    let done = client.wait_for_end(note, Duration::from_mins(1)).await?;
    assert_eq!(done.state, "done", "{}", done.raw);
    assert_eq!(cancel(&client, &id).await?.0, StatusCode::CONFLICT);
    bucket_gets_empty(&stand).await
}

/// Stopped while it waits for its link, and asked for again once there is one: the next run does not wait for the moment
/// that the first one would have looked again.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_was_cancelled_while_it_waited_starts_at_once() -> anyhow::Result<()> {
    let stand = stand().await?;
    let client = stand.client()?;
    let note = stand.outside.call_arrives(None, 42)?;
    let id = client.transcribe(note).await?;
    stand.wait_for("SELECT COUNT(*) FROM transcriptions WHERE state = 'waiting_for_link'", 1).await?;
    stand
        .wait_for("SELECT COUNT(*) FROM jobs WHERE kind = 'calls.fetch_recording' AND state = 'queued'", 1)
        .await?;
    // However far away the next look is.
    sqlx::query("UPDATE jobs SET run_at = run_at + INTERVAL 1 HOUR, push_at = push_at + INTERVAL 1 HOUR, attempt = 11 WHERE kind = 'calls.fetch_recording'")
        .execute(&stand.pool)
        .await?;
    assert_eq!(cancel(&client, &id).await?.0, StatusCode::OK);
    let url = stand.outside.recording_url("sales-mono-8k.mp3");
    stand.outside.amocrm.state.set_link(ACCOUNT, note, Some(&url))?;
    assert_eq!(client.transcribe(note).await?, id);
    let done = client.wait_for_end(note, Duration::from_mins(1)).await?;
    assert_eq!(done.state, "done", "{}", done.raw);
    bucket_gets_empty(&stand).await
}

/// Stopped and asked for again while the first run still downloads: the two do not mix.
#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_cancelled_does_not_write_into_the_next() -> anyhow::Result<()> {
    let stand = stand().await?;
    let client = stand.client()?;
    let url = stand.outside.recording_url("sales-mono-8k.mp3");
    let note = stand.outside.call_arrives(Some(format!("{url}?bytes_per_s=25000")), 42)?;
    let id = client.transcribe(note).await?;
    stand.wait_for("SELECT COUNT(*) FROM transcriptions WHERE state = 'fetching'", 1).await?;
    assert_eq!(cancel(&client, &id).await?.0, StatusCode::OK);
    assert_eq!(client.transcribe(note).await?, id);
    let done = client.wait_for_end(note, Duration::from_mins(2)).await?;
    assert_eq!(done.state, "done", "{}\n{}", done.raw, stand.logs());
    let submits = stand.outside.speechkit.control.calls_to("POST", "/stt/v3/recognizeFileAsync").len();
    assert_eq!(submits, 1, "both runs were recognised");
    bucket_gets_empty(&stand).await
}
