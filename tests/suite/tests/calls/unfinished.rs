//! Recordings that their telephony has not finished when their note arrives.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use flysk_suite::stand::{Options, Stand};

const FILE: &str = "sales-mono-8k.mp3";
const PATIENCE: Duration = Duration::from_mins(2);
const SUBMIT: &str = "/stt/v3/recognizeFileAsync";

/// FlySense installed, with this much time for recordings to be finished.
async fn stand_with_settle(seconds: u32) -> anyhow::Result<Stand> {
    let mut options = Options::with_fixtures(0.02)?;
    options.more.insert("FLYSENSE_RECORDING_SETTLE_SECONDS".to_owned(), seconds.to_string());
    let stand = Stand::start(options).await?;
    stand.install().await?;
    Ok(stand)
}

fn link(stand: &Stand, shape: &str, times: u32) -> String {
    format!("{}?absent_times={times}&absent_as={shape}", stand.outside.recording_url(FILE))
}

/// Nothing, pages, documents, refusals, errors and the beginning of the file: each is asked for again, costs no attempt and no
/// coin, and the call is transcribed and paid whole.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_there_instead_of_a_young_recording_is_waited_out() -> anyhow::Result<()> {
    let stand = stand_with_settle(3_600).await?;
    let client = stand.client()?;
    let shapes = [
        "empty", "json", "page", "third", "400", "401", "403", "404", "410", "202", "204", "425", "500",
        "503",
    ];
    let mut notes = Vec::new();
    for shape in shapes {
        notes.push((shape, stand.outside.call_arrives(Some(link(&stand, shape, 1)), 42)?));
    }
    for (shape, note) in notes {
        let call = client.wait_for_end(note, PATIENCE).await?;
        anyhow::ensure!(call.state == "done", "{shape}: {}\n{}", call.raw, stand.logs());
        let is_whole = call.raw["partial"] == false && call.raw["duration_ms"].as_u64() > Some(42_000);
        anyhow::ensure!(is_whole, "{shape}: {}", call.raw);
        client.wait_for_payment(&call.id, "paid", PATIENCE).await?;
    }
    let submits = stand.outside.speechkit.control.calls_to("POST", SUBMIT).len();
    assert_eq!(submits, shapes.len(), "something unfinished was recognised");
    let attempts: i64 = sqlx::query_scalar(
        "SELECT COUNT(*) FROM jobs WHERE kind IN ('calls.fetch_recording', 'calls.convert_audio') AND attempt > 1",
    )
    .fetch_one(&stand.pool)
    .await?;
    assert_eq!(attempts, 0, "waiting cost attempts");
    Ok(())
}

/// While it waits, the call says what for, and pressing the button again changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_waits_for_its_recording_says_what_for() -> anyhow::Result<()> {
    let stand = stand_with_settle(3_600).await?;
    let client = stand.client()?;
    let mut notes = Vec::new();
    for (shape, reason) in
        [("third", "still_growing"), ("page", "not_ready"), ("empty", "not_ready"), ("404", "not_ready")]
    {
        notes.push((reason, stand.outside.call_arrives(Some(link(&stand, shape, 1_000)), 42)?));
    }
    notes.push(("no_link", stand.outside.call_arrives(None, 42)?));
    for (reason, note) in notes {
        let waiting = client.wait_for_state(note, "waiting_for_link", PATIENCE).await?;
        assert_eq!(client.transcribe(note).await?, waiting.id);
        assert_eq!(waiting.raw["waits_for"]["code"], reason, "{}", waiting.raw);
        assert!(waiting.raw["waits_for"]["label"].as_str().is_some_and(|label| label.contains("сама")));
        assert_eq!(waiting.raw["state_label"], "Ждём запись разговора");
        assert!(waiting.raw["payment"].is_null() && waiting.raw["failure_code"].is_null(), "{}", waiting.raw);
    }
    assert!(stand.outside.speechkit.control.calls_to("POST", SUBMIT).is_empty());
    Ok(())
}

/// When the time is over, the last look decides: a part is transcribed and called one, all else fails with its cause.
#[tokio::test(flavor = "multi_thread")]
async fn the_last_look_decides() -> anyhow::Result<()> {
    let stand = stand_with_settle(6).await?;
    let client = stand.client()?;
    let mut notes = Vec::new();
    for (shape, code, cause) in [
        ("empty", "empty", None),
        ("json", "not_audio", Some("document")),
        ("page", "not_audio", Some("login_page")),
        ("400", "recording_unavailable", Some("host_refused")),
        ("401", "recording_unavailable", Some("login_required")),
    ] {
        notes.push((code, cause, stand.outside.call_arrives(Some(link(&stand, shape, 1_000)), 42)?));
    }
    let part = stand.outside.call_arrives(Some(link(&stand, "third", 1_000)), 42)?;
    for (code, cause, note) in notes {
        let call = client.wait_for_end(note, PATIENCE).await?;
        assert_eq!(call.failure_code.as_deref(), Some(code), "{}", call.raw);
        assert_eq!(call.raw["failure_cause"].as_str(), cause, "{}", call.raw);
        let moment = |field: &str| call.raw[field].as_str().unwrap_or_default().parse::<DateTime<Utc>>();
        // A note's time has whole seconds.
        assert!(moment("finished_at")? - moment("created_at")? > TimeDelta::seconds(4), "{}", call.raw);
    }
    let call = client.wait_for_end(part, PATIENCE).await?;
    assert_eq!((call.state.as_str(), &call.raw["partial"]), ("done", &true.into()), "{}", call.raw);
    assert!(call.raw["duration_ms"].as_u64() < Some(15_000), "{}", call.raw);
    Ok(())
}

/// A note that does not say how long the call was is not compared, and a recording longer than its note is fine. A file that
/// is cut by its own account waits also without a told length.
#[tokio::test(flavor = "multi_thread")]
async fn only_a_told_length_is_compared() -> anyhow::Result<()> {
    let stand = stand_with_settle(3_600).await?;
    let client = stand.client()?;
    let untold = stand.outside.call_arrives(Some(stand.outside.recording_url(FILE)), 0)?;
    let longer = stand.outside.call_arrives(Some(stand.outside.recording_url(FILE)), 20)?;
    let cut = stand.outside.call_arrives(Some(link(&stand, "third", 1_000)), 0)?;
    for note in [untold, cut] {
        client.transcribe(note).await?;
    }
    for note in [untold, longer] {
        let call = client.wait_for_end(note, PATIENCE).await?;
        assert_eq!((call.state.as_str(), &call.raw["partial"]), ("done", &false.into()), "{}", call.raw);
    }
    let waiting = client.wait_for_state(cut, "waiting_for_link", PATIENCE).await?;
    assert_eq!(waiting.raw["waits_for"]["code"], "still_growing", "{}", waiting.raw);
    Ok(())
}
