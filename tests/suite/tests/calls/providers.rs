//! Recognition and language models that fail, return wrong data or lose responses.

use std::time::Duration;

use flysk_simulators::speechkit::Behaviour;
use flysk_simulators::{Act, Script};
use flysk_suite::environment::Environment;
use serde_json::Value;

use crate::charging::everything_is_paid;
use crate::recordings::bucket_gets_empty;
use crate::start_env;

const WAIT_TIMEOUT: Duration = Duration::from_mins(5);
const FILE: &str = "sales-stereo-44k.mp3";

fn arrive(env: &Environment) -> anyhow::Result<u64> {
    env.simulators.call_arrives(Some(env.simulators.recording_url(FILE)), 42)
}

/// A submission without a response, or that failed inside SpeechKit, is repeated, counted, and made at most three times.
#[tokio::test(flavor = "multi_thread")]
async fn lost_submissions_are_counted() -> anyhow::Result<()> {
    let env = start_env().await?;
    let client = env.client()?;
    let submit = "/stt/v3/recognizeFileAsync";
    env.simulators.speechkit.control.script(Script::next(submit, Act::ServeThenCut));
    let _hurry = env.hurry("calls.start_recognition");
    let call = client.wait_for_end(arrive(&env)?, WAIT_TIMEOUT).await?;
    anyhow::ensure!(call.state == "done", "{}", call.raw);
    assert_eq!(env.simulators.speechkit.control.calls_to("POST", submit).len(), 2);

    let answer = |status| Act::Answer { status, headers: Vec::new(), body: String::new() };
    for act in [Act::ServeThenCut, answer(500), answer(502)] {
        env.simulators.speechkit.control.clear_calls();
        env.simulators.speechkit.control.script(Script::next(submit, act).times(50));
        let call = client.wait_for_end(arrive(&env)?, WAIT_TIMEOUT).await?;
        assert_eq!(call.failure_code.as_deref(), Some("recognition_failed"));
        assert_eq!(env.simulators.speechkit.control.calls_to("POST", submit).len(), 3);
        env.simulators.speechkit.control.clear_scripts();
    }
    bucket_gets_empty(&env).await
}

/// An operation that fails three times fails the call. A single huge utterance and a late result cause no
/// failure.
#[tokio::test(flavor = "multi_thread")]
async fn failed_operations_fail_the_call_and_late_results_do_not() -> anyhow::Result<()> {
    let env = start_env().await?;
    let client = env.client()?;
    let usual = env.simulators.speechkit.state.behaviour();
    let odd: Behaviour = serde_json::from_value(
        serde_json::json!({ "pace": 0.02, "result_lag_ms": 1500, "utterances": "single" }),
    )?;
    env.simulators.speechkit.state.behave(odd);
    let call = client.wait_for_end(arrive(&env)?, WAIT_TIMEOUT).await?;
    anyhow::ensure!(call.state == "done", "{}", call.raw);
    let utterances = call.raw.get("utterances").and_then(Value::as_array).map_or(0, Vec::len);
    anyhow::ensure!(utterances >= 4, "a giant utterance was not cut: {utterances}");

    env.simulators.speechkit.control.clear_calls();
    let failing: Behaviour = serde_json::from_value(
        serde_json::json!({ "failure": { "code": "INTERNAL", "message": "as it should" } }),
    )?;
    env.simulators.speechkit.state.behave(Behaviour { pace: 0.02, ..failing });
    let _hurry = env.hurry("calls.start_recognition");
    let call = client.wait_for_end(arrive(&env)?, WAIT_TIMEOUT).await?;
    assert_eq!(call.failure_code.as_deref(), Some("recognition_failed"));
    let submits = env.simulators.speechkit.control.calls_to("POST", "/stt/v3/recognizeFileAsync").len();
    assert_eq!(submits, 3, "a fault of the recogniser's is worth two more orders");
    env.simulators.speechkit.state.behave(usual);
    // A manager may request the call again, and then it succeeds.
    client.wait_for_payment(&call.id, "free", WAIT_TIMEOUT).await?;
    let (charges_before, _) = env.taken().await?;
    client.transcribe(call.note_id).await?;
    let call = client.wait_for_end(call.note_id, WAIT_TIMEOUT).await?;
    anyhow::ensure!(call.state == "done", "{}", call.raw);
    client.wait_for_payment(&call.id, "paid", WAIT_TIMEOUT).await?;
    assert_eq!(env.taken().await?.0, charges_before + 1, "the result was not paid for exactly once");
    bucket_gets_empty(&env).await
}

/// While SpeechKit's key is being replaced, calls wait. None fails, and a result that was paid for is fetched later.
#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_key_fails_no_call() -> anyhow::Result<()> {
    let env = start_env().await?;
    let client = env.client()?;
    for (path, status, code) in [("/stt/v3/recognizeFileAsync", 401, 16), ("/stt/v3/getRecognition", 403, 7)]
    {
        let body = serde_json::json!({ "code": code, "message": "unknown api key", "details": [] });
        let rejected = Act::Answer { status, headers: Vec::new(), body: body.to_string() };
        env.simulators.speechkit.control.script(Script::next(path, rejected).times(4));
    }
    let _hurry = [env.hurry("calls.start_recognition"), env.hurry("calls.store_transcript")];
    let call = client.wait_for_end(arrive(&env)?, WAIT_TIMEOUT).await?;
    anyhow::ensure!(call.state == "done", "{}\n{}", call.raw, env.logs());
    let submits = env.simulators.speechkit.control.calls_to("POST", "/stt/v3/recognizeFileAsync");
    assert_eq!(submits.len(), 5, "a rejected submission counts as one that may run");
    client.wait_for_payment(&call.id, "paid", WAIT_TIMEOUT).await?;
    bucket_gets_empty(&env).await
}

/// Without the model's summary the transcript is still delivered, with the reason and the sentiment from
/// classifiers.
#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_summary_affects_the_summary_only() -> anyhow::Result<()> {
    let env = start_env().await?;
    let client = env.client()?;
    let refusing = serde_json::from_value(serde_json::json!({ "outcome": "content_filter" }))?;
    env.simulators.yandexgpt.state.behave(refusing);
    let call = client.wait_for_end(arrive(&env)?, WAIT_TIMEOUT).await?;
    anyhow::ensure!(call.state == "done", "{}", call.raw);
    assert_eq!(call.raw.pointer("/summary_absence/code").and_then(Value::as_str), Some("refused"));
    assert!(call.raw.get("summary").is_none_or(Value::is_null));
    assert_eq!(call.raw.pointer("/sentiment/code").and_then(Value::as_str), Some("neutral"));
    // The summary was included in the hold and is not charged.
    let call = client.wait_for_payment(&call.id, "paid", WAIT_TIMEOUT).await?;
    let services = |lines: &Value| -> Vec<String> {
        let lines = lines.as_array().cloned().unwrap_or_default();
        lines.iter().map(|line| line["service"].as_str().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(services(call.payment("estimate")), ["flysense.recognition", "flysense.summary"]);
    assert_eq!(services(call.payment("receipt")), ["flysense.recognition"]);
    everything_is_paid(&env, &client, std::slice::from_ref(&call.id)).await?;
    Ok(())
}
