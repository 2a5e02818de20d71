//! Recognisers and models that fail, lie and lose answers.

use std::time::Duration;

use flysk_simulators::speechkit::Behaviour;
use flysk_simulators::{Act, Script};
use flysk_suite::stand::Stand;
use serde_json::Value;

use crate::recordings::bucket_gets_empty;
use crate::stand;
use crate::till::everything_is_paid;

const PATIENCE: Duration = Duration::from_mins(2);
const FILE: &str = "sales-stereo-44k.mp3";

fn arrive(stand: &Stand) -> anyhow::Result<u64> {
    stand.outside.call_arrives(Some(stand.outside.recording_url(FILE)), 42)
}

/// A submit whose answer is lost is made again, counted, and never more than three times.
#[tokio::test(flavor = "multi_thread")]
async fn lost_submits_are_counted() -> anyhow::Result<()> {
    let stand = stand().await?;
    let client = stand.client()?;
    let submit = "/stt/v3/recognizeFileAsync";
    stand.outside.speechkit.control.script(Script::next(submit, Act::ServeThenCut));
    let call = client.wait_for_end(arrive(&stand)?, PATIENCE).await?;
    anyhow::ensure!(call.state == "done", "{}", call.raw);
    assert_eq!(stand.outside.speechkit.control.calls_to("POST", submit).len(), 2);

    stand.outside.speechkit.control.clear_calls();
    stand.outside.speechkit.control.script(Script::next(submit, Act::ServeThenCut).times(50));
    let call = client.wait_for_end(arrive(&stand)?, PATIENCE).await?;
    assert_eq!(call.failure_code.as_deref(), Some("recognition_failed"));
    assert_eq!(stand.outside.speechkit.control.calls_to("POST", submit).len(), 3);
    stand.outside.speechkit.control.clear_scripts();
    bucket_gets_empty(&stand).await
}

/// An operation that fails three times ends the call; one giant utterance and a late result do not disturb it.
#[tokio::test(flavor = "multi_thread")]
async fn failed_operations_end_the_call_and_lateness_does_not() -> anyhow::Result<()> {
    let stand = stand().await?;
    let client = stand.client()?;
    let usual = stand.outside.speechkit.state.behaviour();
    let odd: Behaviour = serde_json::from_value(
        serde_json::json!({ "pace": 0.02, "result_lag_ms": 1500, "utterances": "single" }),
    )?;
    stand.outside.speechkit.state.behave(odd);
    let call = client.wait_for_end(arrive(&stand)?, PATIENCE).await?;
    anyhow::ensure!(call.state == "done", "{}", call.raw);
    let utterances = call.raw.get("utterances").and_then(Value::as_array).map_or(0, Vec::len);
    anyhow::ensure!(utterances >= 4, "a giant utterance was not cut: {utterances}");

    stand.outside.speechkit.control.clear_calls();
    let failing: Behaviour = serde_json::from_value(
        serde_json::json!({ "failure": { "code": "INTERNAL", "message": "as it should" } }),
    )?;
    stand.outside.speechkit.state.behave(Behaviour { pace: 0.02, ..failing });
    let call = client.wait_for_end(arrive(&stand)?, PATIENCE).await?;
    assert_eq!(call.failure_code.as_deref(), Some("recognition_failed"));
    let submits = stand.outside.speechkit.control.calls_to("POST", "/stt/v3/recognizeFileAsync").len();
    assert_eq!(submits, 3, "a fault of the recogniser's is worth two more orders");
    stand.outside.speechkit.state.behave(usual);
    // A person may ask again, and then it works.
    client.wait_for_payment(&call.id, "free", PATIENCE).await?;
    let (charges_before, _) = stand.taken().await?;
    client.transcribe(call.note_id).await?;
    let call = client.wait_for_end(call.note_id, PATIENCE).await?;
    anyhow::ensure!(call.state == "done", "{}", call.raw);
    client.wait_for_payment(&call.id, "paid", PATIENCE).await?;
    assert_eq!(stand.taken().await?.0, charges_before + 1, "the result was not paid for exactly once");
    bucket_gets_empty(&stand).await
}

/// Without a model's summary the transcript comes all the same, with the reason and the mood by classifiers.
#[tokio::test(flavor = "multi_thread")]
async fn refused_summary_costs_the_summary_alone() -> anyhow::Result<()> {
    let stand = stand().await?;
    let client = stand.client()?;
    let refusing = serde_json::from_value(serde_json::json!({ "outcome": "content_filter" }))?;
    stand.outside.yandexgpt.state.behave(refusing);
    let call = client.wait_for_end(arrive(&stand)?, PATIENCE).await?;
    anyhow::ensure!(call.state == "done", "{}", call.raw);
    assert_eq!(call.raw.pointer("/summary_absence/code").and_then(Value::as_str), Some("refused"));
    assert!(call.raw.get("summary").is_none_or(Value::is_null));
    assert_eq!(call.raw.pointer("/sentiment/code").and_then(Value::as_str), Some("neutral"));
    // The summary was counted on and is not paid for.
    let call = client.wait_for_payment(&call.id, "paid", PATIENCE).await?;
    let services = |lines: &Value| -> Vec<String> {
        let lines = lines.as_array().cloned().unwrap_or_default();
        lines.iter().map(|line| line["service"].as_str().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(services(call.payment("estimate")), ["flysense.recognition", "flysense.summary"]);
    assert_eq!(services(call.payment("receipt")), ["flysense.recognition"]);
    everything_is_paid(&stand, &client, std::slice::from_ref(&call.id)).await?;
    Ok(())
}
