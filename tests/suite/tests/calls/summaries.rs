//! Choice of the summary's model, and its concurrency limit.

use std::collections::BTreeSet;
use std::time::Duration;

use flysk_simulators::speechkit::Behaviour;
use flysk_simulators::{Act, Script};
use flysk_suite::environment::{Environment, Options, Transcription};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::recordings::bucket_gets_empty;

const WAIT_TIMEOUT: Duration = Duration::from_mins(5);
const MODEL: &str = "gpt://b1gsimulator/yandexgpt-lite/latest";
const SUBMIT: &str = "/stt/v3/recognizeFileAsync";
const COMPLETION: &str = "/foundationModels/v1/completion";
/// Enables summaries by SpeechKit.
const BY_SPEECHKIT: (&str, &str) = ("FLYSK_SPEECHKIT_SUMMARIZATION_MODEL_URI", MODEL);
/// Disables YandexGPT.
const NO_YANDEXGPT: [(&str, &str); 2] = [("FLYSK_YANDEXGPT_API_KEY", ""), ("FLYSK_YANDEXGPT_MODEL_URI", "")];

async fn start_env(more: &[(&str, &str)]) -> anyhow::Result<Environment> {
    let mut options = Options::with_fixtures(0.02)?;
    options.more.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let env = Environment::start(options).await?;
    env.install().await?;
    Ok(env)
}

fn arrive(env: &Environment, calls: usize) -> anyhow::Result<Vec<u64>> {
    let url = env.simulators.recording_url("sales-stereo-44k.mp3");
    (0..calls).map(|_| env.simulators.call_arrives(Some(url.clone()), 42)).collect()
}

async fn ends(env: &Environment, notes: Vec<u64>) -> anyhow::Result<Vec<Transcription>> {
    let client = env.client()?;
    let mut calls = Vec::new();
    for note in notes {
        calls.push(client.wait_for_end(note, WAIT_TIMEOUT).await?);
    }
    Ok(calls)
}

fn sources(calls: &[Transcription]) -> BTreeSet<&str> {
    calls.iter().map(|call| call.raw["summary_source"].as_str().unwrap_or("none")).collect()
}

/// Submissions rejected by SpeechKit, which allows two concurrent recognitions with a language model.
fn refused(env: &Environment) -> usize {
    let submits = env.simulators.speechkit.control.calls_to("POST", SUBMIT);
    submits.iter().filter(|call| call.status != Some(200)).count()
}

/// If SpeechKit alone writes summaries, every call gets one from it, at most two concurrently.
#[tokio::test(flavor = "multi_thread")]
async fn summaries_by_speechkit_run_at_most_two_at_once() -> anyhow::Result<()> {
    let mut env = start_env(&[BY_SPEECHKIT, NO_YANDEXGPT[0], NO_YANDEXGPT[1]]).await?;
    env.start_worker()?;
    env.simulators.speechkit.state.behave(Behaviour { pace: 0.02, extra_ms: 1_500, ..Behaviour::default() });
    let notes = arrive(&env, 5)?;
    let calls = ends(&env, notes).await?;
    assert_eq!(sources(&calls), BTreeSet::from(["speechkit"]), "{}", env.logs());
    assert!(calls.iter().all(|call| call.raw["summary"].as_str().is_some_and(|text| !text.is_empty())));
    assert_eq!((env.simulators.speechkit.control.calls_to("POST", SUBMIT).len(), refused(&env)), (5, 0));
    assert!(env.simulators.yandexgpt.control.calls().is_empty());
    bucket_gets_empty(&env).await?;
    env.stop()
}

/// If both are available, no call waits for SpeechKit: YandexGPT writes the summaries over its limit.
#[tokio::test(flavor = "multi_thread")]
async fn yandexgpt_writes_summaries_over_speechkits_limit() -> anyhow::Result<()> {
    let env = start_env(&[BY_SPEECHKIT]).await?;
    env.simulators.speechkit.state.behave(Behaviour { pace: 0.02, extra_ms: 6_000, ..Behaviour::default() });
    // Five calls at once may meet amoCRM's limit.
    let _hurry = env.hurry("calls.fetch_recording");
    let notes = arrive(&env, 5)?;
    let calls = ends(&env, notes).await?;
    assert_eq!(sources(&calls), BTreeSet::from(["speechkit", "yandexgpt"]), "{}", env.logs());
    assert_eq!(refused(&env), 0);
    bucket_gets_empty(&env).await?;
    env.stop()
}

/// However a recognition ends, its permit is released for the next call.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_recognition_releases_its_permit() -> anyhow::Result<()> {
    let env = start_env(&[BY_SPEECHKIT, NO_YANDEXGPT[0], NO_YANDEXGPT[1]]).await?;
    let usual = env.simulators.speechkit.state.behaviour();
    let failing: Behaviour =
        serde_json::from_value(json!({ "failure": { "code": "INVALID_ARGUMENT", "message": "bad" } }))?;
    env.simulators.speechkit.state.behave(Behaviour { pace: usual.pace, ..failing });
    let notes = arrive(&env, 3)?;
    for call in ends(&env, notes).await? {
        assert_eq!(call.failure_code.as_deref(), Some("recognition_failed"), "{}", call.raw);
    }
    assert_eq!(env.simulators.speechkit.control.calls_to("POST", SUBMIT).len(), 3, "it was ordered again");
    env.simulators.speechkit.state.behave(usual);
    let notes = arrive(&env, 1)?;
    let calls = ends(&env, notes).await?;
    assert_eq!(sources(&calls), BTreeSet::from(["speechkit"]), "{}", env.logs());
    env.stop()
}

/// A long call is summarized in parts. It keeps its permit from the first part to the last, so that no part is
/// requested and paid again because another call intervened.
#[tokio::test(flavor = "multi_thread")]
async fn each_part_of_a_long_call_is_summarized_once() -> anyhow::Result<()> {
    let env = start_env(&[("FLYSK_YANDEXGPT_CONCURRENCY", "1")]).await?;
    let away = Act::Answer { status: 503, headers: Vec::new(), body: String::new() };
    env.simulators.yandexgpt.control.script(Script::next(COMPLETION, away).times(1_000));
    let notes = arrive(&env, 2)?;
    env.wait_for("SELECT COUNT(*) FROM transcriptions WHERE state = 'settling'", 2).await?;
    // About 75,000 tokens: three parts, and a final request about them.
    let said = "слово ".repeat(170);
    let long: Vec<Value> = (0..150_u64)
        .map(|turn| json!({ "channel": "0", "start_ms": turn * 1_000, "end_ms": turn * 1_000 + 900, "text": said }))
        .collect();
    let long = serde_json::to_string(&long)?;
    sqlx::query("UPDATE transcripts SET utterances = ?").bind(long).execute(&env.pool).await?;
    env.simulators.yandexgpt.control.clear_scripts();
    let calls = ends(&env, notes).await?;
    assert_eq!(sources(&calls), BTreeSet::from(["yandexgpt"]), "{}", env.logs());
    let asked = env.simulators.yandexgpt.control.calls_to("POST", COMPLETION);
    assert_eq!(asked.iter().filter(|call| call.status == Some(200)).count(), 2 * (3 + 1));
    env.stop()
}

/// While the model is away, the text is shown and a user may write the summary. The model's later answer does not replace
/// the user's words.
#[tokio::test(flavor = "multi_thread")]
async fn a_summary_that_a_user_wrote_first_is_kept() -> anyhow::Result<()> {
    let env = start_env(&[]).await?;
    let client = env.client()?;
    let away = Act::Answer { status: 503, headers: Vec::new(), body: String::new() };
    env.simulators.yandexgpt.control.script(Script::next(COMPLETION, away).times(1_000));
    let notes = arrive(&env, 1)?;
    env.wait_for("SELECT COUNT(*) FROM transcriptions WHERE state = 'settling'", 1).await?;
    let id: String = sqlx::query_scalar("SELECT id FROM transcriptions").fetch_one(&env.pool).await?;
    let path = format!("/v1/flysense/transcriptions/{id}");
    let (_, shown) = client.request(Method::GET, &path, None).await?;
    let own = json!({ "version": shown["version"], "summary": "Просил перезвонить" });
    let (status, edited) = client.request(Method::PATCH, &path, Some(&own)).await?;
    assert_eq!((status, &edited["state"]), (StatusCode::OK, &json!("settling")), "{edited}");
    env.simulators.yandexgpt.control.clear_scripts();
    let _hurry = env.hurry("calls.summarize");
    let calls = ends(&env, notes).await?;
    assert_eq!(sources(&calls), BTreeSet::from(["yandexgpt"]), "{}", env.logs());
    let call = &calls[0].raw;
    assert_eq!(call["summary"], json!("Просил перезвонить"), "the user's summary was replaced");
    assert!(call["summary_edited_by"].is_u64(), "{call}");
    assert!(call["summary_written"].as_str().is_some_and(|text| !text.is_empty()), "{call}");
    env.stop()
}
