//! Recognitions that are aborted, and recognizers that stop responding.

use std::time::Duration;

use flysk_simulators::speechkit::Behaviour;
use flysk_simulators::{Act, Script};
use serde_json::json;

use crate::recordings::bucket_gets_empty;
use crate::start_env;

const WAIT_TIMEOUT: Duration = Duration::from_mins(2);
const SUBMIT: &str = "/stt/v3/recognizeFileAsync";

/// An operation that fails independently of the recording is submitted again, and charged once.
#[tokio::test(flavor = "multi_thread")]
async fn an_aborted_recognition_is_submitted_again() -> anyhow::Result<()> {
    let env = start_env().await?;
    let client = env.client()?;
    let usual = env.simulators.speechkit.state.behaviour();
    let ill: Behaviour =
        serde_json::from_value(json!({ "failure": { "code": "UNAVAILABLE", "message": "not today" } }))?;
    env.simulators.speechkit.state.behave(Behaviour { pace: usual.pace, ..ill });
    let note = env.simulators.call_arrives(Some(env.simulators.recording_url("sales-stereo-44k.mp3")), 42)?;
    env.wait_for(
        "SELECT COUNT(*) FROM transcriptions WHERE state = 'submitting' AND operation_id IS NOT NULL",
        1,
    )
    .await?;
    env.simulators.speechkit.state.behave(usual);
    let call = client.wait_for_end(note, WAIT_TIMEOUT).await?;
    anyhow::ensure!(call.state == "done", "{}\n{}", call.raw, env.logs());
    assert_eq!(env.simulators.speechkit.control.calls_to("POST", SUBMIT).len(), 2);
    client.wait_for_payment(&call.id, "paid", WAIT_TIMEOUT).await?;
    assert_eq!(env.taken().await?.0, 1, "it was paid for more than once");
    bucket_gets_empty(&env).await?;
    env.stop()
}

/// If operations can no longer be polled, the call fails at its deadline and its hold is released.
#[tokio::test(flavor = "multi_thread")]
async fn an_unresponsive_recognizer_fails_the_call_at_its_deadline() -> anyhow::Result<()> {
    let env = start_env().await?;
    let client = env.client()?;
    let silent = Act::Answer { status: 503, headers: Vec::new(), body: String::new() };
    env.simulators.operations.control.script(Script::next("/operations/*", silent).times(100_000));
    let note = env.simulators.call_arrives(Some(env.simulators.recording_url("sales-stereo-44k.mp3")), 42)?;
    env.wait_for("SELECT COUNT(*) FROM transcriptions WHERE state = 'recognizing'", 1).await?;
    // A day passes.
    sqlx::query("UPDATE transcriptions SET submitted_at = submitted_at - INTERVAL 25 HOUR")
        .execute(&env.pool)
        .await?;
    let call = client.wait_for_end(note, WAIT_TIMEOUT).await?;
    assert_eq!(call.failure_code.as_deref(), Some("recognition_timeout"), "{}", call.raw);
    client.wait_for_payment(&call.id, "free", WAIT_TIMEOUT).await?;
    bucket_gets_empty(&env).await?;
    env.stop()
}
