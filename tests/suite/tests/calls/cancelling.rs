//! Cancelled calls.

use std::time::Duration;

use anyhow::Context as _;
use flysk_simulators::{Act, Script};
use flysk_suite::environment::{ACCOUNT, Client, DEFAULT_WELCOME_BONUS};
use reqwest::{Method, StatusCode};
use serde_json::Value;

use crate::charging::{WAIT_TIMEOUT, everything_is_paid, start_env_with_bonus};
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

/// Cancelled while its submission is under way: a recognition that SpeechKit refuses then costs nothing, and one whose answer
/// is lost is charged, because it may run.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_cancelled_during_its_submission_is_charged_unless_speechkit_refuses_it() -> anyhow::Result<()>
{
    let (env, _proxy) = start_env_with_bonus(Some(DEFAULT_WELCOME_BONUS)).await?;
    let client = env.client()?;
    let body = r#"{"code":3,"message":"as it should"}"#.to_owned();
    let refusal = Act::Answer { status: 400, headers: Vec::new(), body };
    let _hurry = env.hurry("calls.start_recognition");
    let mut charged = Vec::new();
    for (ended, act, payment, seconds) in [(1, refusal, "free", 0), (2, Act::ServeThenCut, "paid", 43)] {
        env.simulators.speechkit.control.script(Script::next("/stt/v3/recognizeFileAsync", act).held());
        let note =
            env.simulators.call_arrives(Some(env.simulators.recording_url("sales-stereo-44k.mp3")), 42)?;
        env.wait_for("SELECT COUNT(*) FROM transcriptions WHERE state = 'submitting' AND submits = 1", 1)
            .await?;
        let id = client.wait_for_state(note, "submitting", WAIT_TIMEOUT).await?.id;
        let (status, view) = cancel(&client, &id).await?;
        assert_eq!((status, &view["seconds_billed"]), (StatusCode::OK, &43.into()), "{view}");
        env.simulators.speechkit.control.release();
        env.wait_for(
            "SELECT COUNT(*) FROM jobs WHERE kind = 'calls.start_recognition' AND state = 'done'",
            ended,
        )
        .await?;
        let _hurry = env.hurry("calls.capture_payment");
        let call = client.wait_for_payment(&id, payment, WAIT_TIMEOUT).await.with_context(|| env.logs())?;
        assert_eq!((call.state.as_str(), &call.raw["seconds_billed"]), ("cancelled", &seconds.into()));
        if payment == "paid" {
            charged.push(id);
        }
    }
    everything_is_paid(&env, &client, &charged).await?;
    bucket_gets_empty(&env).await
}
