//! Every recording of the fixtures ends as its manifest says.

use std::time::Duration;

use anyhow::Context as _;
use flysk_suite::environment::{Environment, RECORDINGS, Transcription};
use serde_json::Value;

use crate::charging::everything_is_paid;
use crate::start_env;

const WAIT_TIMEOUT: Duration = Duration::from_mins(5);

/// Valid files are transcribed and charged, invalid ones fail with their error codes, silence is free. In stereo
/// files, at least 80 % of each turn is covered by utterances of the right speaker. Nothing stays in the bucket.
#[tokio::test(flavor = "multi_thread")]
async fn every_recording_ends_as_its_manifest_says() -> anyhow::Result<()> {
    let env = start_env().await?;
    let client = env.client()?;
    let manifest = manifest()?;
    let mut notes = Vec::new();
    for name in manifest.as_object().context("an object")?.keys() {
        notes.push((name, env.simulators.call_arrives(Some(env.simulators.recording_url(name)), 60)?));
    }
    let mut paid = Vec::new();
    for (name, note) in notes {
        let call = client.wait_for_end(note, WAIT_TIMEOUT).await?;
        check(name, manifest.get(name).context("its entry")?, &call).with_context(|| name.clone())?;
        if call.state == "done" {
            paid.push(call.id);
        } else {
            client.wait_for_payment(&call.id, "free", WAIT_TIMEOUT).await?;
        }
    }
    everything_is_paid(&env, &client, &paid).await?;
    bucket_gets_empty(&env).await
}

fn manifest() -> anyhow::Result<Value> {
    let path =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(RECORDINGS).join("manifest.json");
    Ok(serde_json::from_str(&std::fs::read_to_string(path)?)?)
}

fn check(name: &str, entry: &Value, call: &Transcription) -> anyhow::Result<()> {
    let billed = call.raw.get("seconds_billed").and_then(Value::as_u64).unwrap_or_default();
    if let Some(error) = entry.get("error").and_then(Value::as_str) {
        let code = error.replace(' ', "_");
        anyhow::ensure!(
            call.state == "failed" && call.failure_code.as_deref() == Some(&code),
            "{}",
            call.raw
        );
        anyhow::ensure!(billed == 0, "a failed call costs {billed} s");
        return Ok(());
    }
    let turns = entry.get("turns").and_then(Value::as_array).cloned().unwrap_or_default();
    if entry.get("turns").is_some() && turns.is_empty() {
        anyhow::ensure!(call.state == "no_speech" && billed == 0, "{}", call.raw);
        return Ok(());
    }
    anyhow::ensure!(call.state == "done", "{}", call.raw);
    if let Some(duration) = entry.get("duration_ms").and_then(Value::as_u64) {
        let measured = call.raw.get("duration_ms").and_then(Value::as_u64).context("duration")?;
        anyhow::ensure!(measured.abs_diff(duration) <= 50, "{measured} ms instead of {duration}");
        anyhow::ensure!(billed == measured.div_ceil(1_000).max(15), "{billed} s to pay for");
        anyhow::ensure!(call.raw.get("channels") == entry.get("channels"), "channels of {name}");
    }
    if entry.get("channels").and_then(Value::as_u64) == Some(2) {
        for turn in &turns {
            covered(turn, call)?;
        }
    }
    Ok(())
}

/// Checks that at least 80 % of a turn of 1 s or more is covered by utterances of its speaker.
fn covered(turn: &Value, call: &Transcription) -> anyhow::Result<()> {
    let ms = |value: &Value, name: &str| value.get(name).and_then(Value::as_u64).unwrap_or_default();
    let (start, end) = (ms(turn, "start_ms"), ms(turn, "end_ms"));
    if end - start < 1_000 {
        return Ok(());
    }
    let utterances = call.raw.get("utterances").and_then(Value::as_array).context("utterances")?;
    let covered: u64 = utterances
        .iter()
        .filter(|utterance| utterance.get("speaker") == turn.get("speaker"))
        .map(|utterance| {
            ms(utterance, "end_ms").min(end).saturating_sub(ms(utterance, "start_ms").max(start))
        })
        .sum();
    anyhow::ensure!(covered * 100 >= (end - start) * 80, "{turn} is covered for {covered} ms");
    Ok(())
}

/// Waits until the bucket is empty. The search for lost webhooks runs for minutes but stores nothing there.
pub(crate) async fn bucket_gets_empty(env: &Environment) -> anyhow::Result<()> {
    const IDLE_QUERY: &str = "SELECT IF(COUNT(*) = 0, 1, 0) FROM jobs
         WHERE state IN ('queued', 'running') AND kind LIKE 'calls.%' AND kind NOT LIKE 'calls.reconcile%'";
    env.wait_for(IDLE_QUERY, 1).await?;
    let left = env.simulators.s3.state.objects()?;
    anyhow::ensure!(left.is_empty(), "left in the bucket: {left:?}");
    Ok(())
}
