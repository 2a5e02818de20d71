//! Who writes the summary of a call, and how many may at once.

use std::collections::BTreeSet;
use std::time::Duration;

use flysk_simulators::speechkit::Behaviour;
use flysk_simulators::{Act, Script};
use flysk_suite::stand::{Options, Stand, Transcription};
use serde_json::{Value, json};

use crate::recordings::bucket_gets_empty;

const PATIENCE: Duration = Duration::from_mins(2);
const MODEL: &str = "gpt://b1gsimulator/yandexgpt-lite/latest";
const SUBMIT: &str = "/stt/v3/recognizeFileAsync";
const COMPLETION: &str = "/foundationModels/v1/completion";
/// SpeechKit writes summaries.
const BY_SPEECHKIT: (&str, &str) = ("FLYSK_SPEECHKIT_SUMMARIZATION_MODEL_URI", MODEL);
/// YandexGPT does not.
const NO_YANDEXGPT: [(&str, &str); 2] = [("FLYSK_YANDEXGPT_API_KEY", ""), ("FLYSK_YANDEXGPT_MODEL_URI", "")];

async fn stand(more: &[(&str, &str)]) -> anyhow::Result<Stand> {
    let mut options = Options::with_fixtures(0.02)?;
    options.more.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let stand = Stand::start(options).await?;
    stand.install().await?;
    Ok(stand)
}

fn arrive(stand: &Stand, calls: usize) -> anyhow::Result<Vec<u64>> {
    let url = stand.outside.recording_url("sales-stereo-44k.mp3");
    (0..calls).map(|_| stand.outside.call_arrives(Some(url.clone()), 42)).collect()
}

async fn ends(stand: &Stand, notes: Vec<u64>) -> anyhow::Result<Vec<Transcription>> {
    let client = stand.client()?;
    let mut calls = Vec::new();
    for note in notes {
        calls.push(client.wait_for_end(note, PATIENCE).await?);
    }
    Ok(calls)
}

fn sources(calls: &[Transcription]) -> BTreeSet<&str> {
    calls.iter().map(|call| call.raw["summary_source"].as_str().unwrap_or("none")).collect()
}

/// Submits that SpeechKit refused: it lets two recognitions with a language model run at once.
fn refused(stand: &Stand) -> usize {
    let submits = stand.outside.speechkit.control.calls_to("POST", SUBMIT);
    submits.iter().filter(|call| call.status != Some(200)).count()
}

/// Where SpeechKit alone writes summaries, every call gets its own from there, two at once and never a third.
#[tokio::test(flavor = "multi_thread")]
async fn summaries_come_with_the_recognition_two_at_once() -> anyhow::Result<()> {
    let mut stand = stand(&[BY_SPEECHKIT, NO_YANDEXGPT[0], NO_YANDEXGPT[1]]).await?;
    stand.start_worker()?;
    stand.outside.speechkit.state.behave(Behaviour { pace: 0.02, extra_ms: 1_500, ..Behaviour::default() });
    let notes = arrive(&stand, 5)?;
    let calls = ends(&stand, notes).await?;
    assert_eq!(sources(&calls), BTreeSet::from(["speechkit"]), "{}", stand.logs());
    assert!(calls.iter().all(|call| call.raw["summary"].as_str().is_some_and(|text| !text.is_empty())));
    assert_eq!((stand.outside.speechkit.control.calls_to("POST", SUBMIT).len(), refused(&stand)), (5, 0));
    assert!(stand.outside.yandexgpt.control.calls().is_empty());
    bucket_gets_empty(&stand).await?;
    stand.stop()
}

/// Where both could, no call waits for a place at SpeechKit: YandexGPT writes what SpeechKit has no place for.
#[tokio::test(flavor = "multi_thread")]
async fn yandexgpt_writes_what_speechkit_has_no_place_for() -> anyhow::Result<()> {
    let stand = stand(&[BY_SPEECHKIT]).await?;
    stand.outside.speechkit.state.behave(Behaviour { pace: 0.02, extra_ms: 6_000, ..Behaviour::default() });
    let notes = arrive(&stand, 5)?;
    let calls = ends(&stand, notes).await?;
    assert_eq!(sources(&calls), BTreeSet::from(["speechkit", "yandexgpt"]), "{}", stand.logs());
    assert_eq!(refused(&stand), 0);
    bucket_gets_empty(&stand).await?;
    stand.stop()
}

/// However a recognition ends, its place is free for the next call.
#[tokio::test(flavor = "multi_thread")]
async fn a_recognition_that_failed_gives_its_place_back() -> anyhow::Result<()> {
    let stand = stand(&[BY_SPEECHKIT, NO_YANDEXGPT[0], NO_YANDEXGPT[1]]).await?;
    let usual = stand.outside.speechkit.state.behaviour();
    let failing: Behaviour =
        serde_json::from_value(json!({ "failure": { "code": "INVALID_ARGUMENT", "message": "bad" } }))?;
    stand.outside.speechkit.state.behave(Behaviour { pace: usual.pace, ..failing });
    let notes = arrive(&stand, 3)?;
    for call in ends(&stand, notes).await? {
        assert_eq!(call.failure_code.as_deref(), Some("recognition_failed"), "{}", call.raw);
    }
    assert_eq!(stand.outside.speechkit.control.calls_to("POST", SUBMIT).len(), 3, "it was ordered again");
    stand.outside.speechkit.state.behave(usual);
    let notes = arrive(&stand, 1)?;
    let calls = ends(&stand, notes).await?;
    assert_eq!(sources(&calls), BTreeSet::from(["speechkit"]), "{}", stand.logs());
    stand.stop()
}

/// A long call is asked about in parts. It keeps its place from the first to the last, so that no part is asked, and
/// paid, again because another call came between.
#[tokio::test(flavor = "multi_thread")]
async fn parts_of_a_long_call_are_asked_about_once() -> anyhow::Result<()> {
    let stand = stand(&[("FLYSK_YANDEXGPT_AT_ONCE", "1")]).await?;
    let away = Act::Answer { status: 503, headers: Vec::new(), body: String::new() };
    stand.outside.yandexgpt.control.script(Script::next(COMPLETION, away).times(1_000));
    let notes = arrive(&stand, 2)?;
    stand.wait_for("SELECT COUNT(*) FROM transcriptions WHERE state = 'settling'", 2).await?;
    // Some 75,000 tokens: three parts, and a question about them.
    let said = "слово ".repeat(170);
    let long: Vec<Value> = (0..150_u64)
        .map(|turn| json!({ "channel": "0", "start_ms": turn * 1_000, "end_ms": turn * 1_000 + 900, "text": said }))
        .collect();
    let long = serde_json::to_string(&long)?;
    sqlx::query("UPDATE transcripts SET utterances = ?").bind(long).execute(&stand.pool).await?;
    stand.outside.yandexgpt.control.clear_scripts();
    let calls = ends(&stand, notes).await?;
    assert_eq!(sources(&calls), BTreeSet::from(["yandexgpt"]), "{}", stand.logs());
    let asked = stand.outside.yandexgpt.control.calls_to("POST", COMPLETION);
    assert_eq!(asked.iter().filter(|call| call.status == Some(200)).count(), 2 * (3 + 1));
    stand.stop()
}
