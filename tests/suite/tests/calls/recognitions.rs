//! Recognitions that break off, and recognisers that fall silent.

use std::time::Duration;

use flysk_simulators::speechkit::Behaviour;
use flysk_simulators::{Act, Script};
use serde_json::json;

use crate::recordings::bucket_gets_empty;
use crate::stand;

const PATIENCE: Duration = Duration::from_mins(2);
const SUBMIT: &str = "/stt/v3/recognizeFileAsync";

/// An operation that fails through no fault of the recording is ordered again, and paid for once.
#[tokio::test(flavor = "multi_thread")]
async fn a_recognition_that_broke_off_is_ordered_again() -> anyhow::Result<()> {
    let stand = stand().await?;
    let client = stand.client()?;
    let usual = stand.outside.speechkit.state.behaviour();
    let ill: Behaviour =
        serde_json::from_value(json!({ "failure": { "code": "UNAVAILABLE", "message": "not today" } }))?;
    stand.outside.speechkit.state.behave(Behaviour { pace: usual.pace, ..ill });
    let note = stand.outside.call_arrives(Some(stand.outside.recording_url("sales-stereo-44k.mp3")), 42)?;
    stand
        .wait_for(
            "SELECT COUNT(*) FROM transcriptions WHERE state = 'submitting' AND operation_id IS NOT NULL",
            1,
        )
        .await?;
    stand.outside.speechkit.state.behave(usual);
    let call = client.wait_for_end(note, PATIENCE).await?;
    anyhow::ensure!(call.state == "done", "{}\n{}", call.raw, stand.logs());
    assert_eq!(stand.outside.speechkit.control.calls_to("POST", SUBMIT).len(), 2);
    client.wait_for_payment(&call.id, "paid", PATIENCE).await?;
    assert_eq!(stand.taken().await?.0, 1, "it was paid for more than once");
    bucket_gets_empty(&stand).await?;
    stand.stop()
}

/// Nobody waits for ever: a recogniser whose operations cannot be looked at any more ends the call at the deadline, and
/// what was set aside for it goes back.
#[tokio::test(flavor = "multi_thread")]
async fn a_recogniser_that_falls_silent_ends_the_call_at_its_deadline() -> anyhow::Result<()> {
    let stand = stand().await?;
    let client = stand.client()?;
    let silent = Act::Answer { status: 503, headers: Vec::new(), body: String::new() };
    stand.outside.operations.control.script(Script::next("/operations/*", silent).times(100_000));
    let note = stand.outside.call_arrives(Some(stand.outside.recording_url("sales-stereo-44k.mp3")), 42)?;
    stand.wait_for("SELECT COUNT(*) FROM transcriptions WHERE state = 'recognizing'", 1).await?;
    // A day passes.
    sqlx::query("UPDATE transcriptions SET submitted_at = submitted_at - INTERVAL 25 HOUR")
        .execute(&stand.pool)
        .await?;
    let call = client.wait_for_end(note, PATIENCE).await?;
    assert_eq!(call.failure_code.as_deref(), Some("recognition_timeout"), "{}", call.raw);
    client.wait_for_payment(&call.id, "free", PATIENCE).await?;
    bucket_gets_empty(&stand).await?;
    stand.stop()
}
