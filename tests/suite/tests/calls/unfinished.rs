//! Recordings that are not finished when their note arrives.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::{Clock as _, SystemClock};
use flysk_suite::environment::{Environment, Options};

const FILE: &str = "sales-mono-8k.mp3";
const WAIT_TIMEOUT: Duration = Duration::from_mins(5);
const SUBMIT: &str = "/stt/v3/recognizeFileAsync";

/// FlySense installed, with this maximum wait for unfinished recordings.
async fn start_env_with_settle(seconds: u32) -> anyhow::Result<Environment> {
    let mut options = Options::with_fixtures(0.02)?;
    options.more.insert("FLYSENSE_RECORDING_SETTLE_SECONDS".to_owned(), seconds.to_string());
    let env = Environment::start(options).await?;
    env.install().await?;
    Ok(env)
}

fn link(env: &Environment, shape: &str, times: u32) -> String {
    format!("{}?absent_times={times}&absent_as={shape}", env.simulators.recording_url(FILE))
}

/// Empty responses, pages, documents, rejections, errors and the beginning of the file: each is fetched again
/// without using an attempt or coins, and the call is transcribed and charged completely.
#[tokio::test(flavor = "multi_thread")]
async fn an_unfinished_recording_is_awaited() -> anyhow::Result<()> {
    let env = start_env_with_settle(3_600).await?;
    let client = env.client()?;
    let shapes = [
        "empty", "json", "page", "third", "400", "401", "403", "404", "410", "202", "204", "425", "500",
        "503",
    ];
    let _hurry = env.hurry("calls.fetch_recording");
    let mut notes = Vec::new();
    for shape in shapes {
        notes.push((shape, env.simulators.call_arrives(Some(link(&env, shape, 1)), 42)?));
    }
    for (shape, note) in notes {
        let call = client.wait_for_end(note, WAIT_TIMEOUT).await?;
        anyhow::ensure!(call.state == "done", "{shape}: {}\n{}", call.raw, env.logs());
        let is_whole = call.raw["partial"] == false && call.raw["duration_ms"].as_u64() > Some(42_000);
        anyhow::ensure!(is_whole, "{shape}: {}", call.raw);
        client.wait_for_payment(&call.id, "paid", WAIT_TIMEOUT).await?;
    }
    let submits = env.simulators.speechkit.control.calls_to("POST", SUBMIT).len();
    assert_eq!(submits, shapes.len(), "something unfinished was recognised");
    let attempts: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM jobs WHERE kind IN ('calls.fetch_recording', 'calls.convert_audio') AND attempt > 1",
    )
    .fetch_one(&env.pool)
    .await?;
    assert_eq!(attempts, 0, "waiting cost attempts");
    Ok(())
}

/// While it waits, the call shows the reason, and another request changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_waits_for_its_recording_shows_the_reason() -> anyhow::Result<()> {
    let env = start_env_with_settle(3_600).await?;
    let client = env.client()?;
    let mut notes = Vec::new();
    for (shape, reason) in
        [("third", "still_growing"), ("page", "not_ready"), ("empty", "not_ready"), ("404", "not_ready")]
    {
        notes.push((reason, env.simulators.call_arrives(Some(link(&env, shape, 1_000)), 42)?));
    }
    notes.push(("no_link", env.simulators.call_arrives(None, 42)?));
    for (reason, note) in notes {
        let waiting = client.wait_for_state(note, "waiting_for_link", WAIT_TIMEOUT).await?;
        assert_eq!(client.transcribe(note).await?, waiting.id);
        assert_eq!(waiting.raw["waits_for"]["code"], reason, "{}", waiting.raw);
        assert!(waiting.raw["waits_for"]["label"].as_str().is_some_and(|label| label.contains("сама")));
        assert_eq!(waiting.raw["state_label"], "Ждём запись разговора");
        assert!(waiting.raw["payment"].is_null() && waiting.raw["failure_code"].is_null(), "{}", waiting.raw);
    }
    assert!(env.simulators.speechkit.control.calls_to("POST", SUBMIT).is_empty());
    Ok(())
}

/// When the time is over, the last response decides: a part is transcribed and marked as partial, all else fails
/// with its cause.
#[tokio::test(flavor = "multi_thread")]
async fn the_last_response_decides() -> anyhow::Result<()> {
    let env = start_env_with_settle(6).await?;
    let client = env.client()?;
    let mut notes = Vec::new();
    // A call may be created late: its time runs from its note.
    let arrived_at = SystemClock.now();
    for (shape, code, cause) in [
        ("empty", "empty", None),
        ("json", "not_audio", Some("document")),
        ("page", "not_audio", Some("login_page")),
        ("400", "recording_unavailable", Some("host_refused")),
        ("401", "recording_unavailable", Some("login_required")),
    ] {
        notes.push((code, cause, env.simulators.call_arrives(Some(link(&env, shape, 1_000)), 42)?));
    }
    let part = env.simulators.call_arrives(Some(link(&env, "third", 1_000)), 42)?;
    for (code, cause, note) in notes {
        let call = client.wait_for_end(note, WAIT_TIMEOUT).await?;
        assert_eq!(call.failure_code.as_deref(), Some(code), "{}", call.raw);
        assert_eq!(call.raw["failure_cause"].as_str(), cause, "{}", call.raw);
        let finished_at: DateTime<Utc> = call.raw["finished_at"].as_str().unwrap_or_default().parse()?;
        // The time of a note is in whole seconds.
        assert!(finished_at - arrived_at > TimeDelta::seconds(4), "{}", call.raw);
    }
    let call = client.wait_for_end(part, WAIT_TIMEOUT).await?;
    assert_eq!((call.state.as_str(), &call.raw["partial"]), ("done", &true.into()), "{}", call.raw);
    assert!(call.raw["duration_ms"].as_u64() < Some(15_000), "{}", call.raw);
    Ok(())
}

/// The length of a recording is checked only against a note that has a duration, and may exceed it. A file that
/// is truncated by its own header waits even without a duration.
#[tokio::test(flavor = "multi_thread")]
async fn only_a_known_duration_is_compared() -> anyhow::Result<()> {
    let env = start_env_with_settle(3_600).await?;
    let client = env.client()?;
    let untold = env.simulators.call_arrives(Some(env.simulators.recording_url(FILE)), 0)?;
    let longer = env.simulators.call_arrives(Some(env.simulators.recording_url(FILE)), 20)?;
    let cut = env.simulators.call_arrives(Some(link(&env, "third", 1_000)), 0)?;
    for note in [untold, cut] {
        client.transcribe(note).await?;
    }
    for note in [untold, longer] {
        let call = client.wait_for_end(note, WAIT_TIMEOUT).await?;
        assert_eq!((call.state.as_str(), &call.raw["partial"]), ("done", &false.into()), "{}", call.raw);
    }
    let waiting = client.wait_for_state(cut, "waiting_for_link", WAIT_TIMEOUT).await?;
    assert_eq!(waiting.raw["waits_for"]["code"], "still_growing", "{}", waiting.raw);
    Ok(())
}
