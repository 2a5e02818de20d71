//! Recognitions that are aborted, and recognizers that stop responding.

use std::time::Duration;

use flysk_jobs::flysense::calls::PollRecognition;
use flysk_queue::{EphemeralHandler, NextRun};
use flysk_simulators::speechkit::Behaviour;
use flysk_simulators::{Act, Script};
use flysk_suite::environment::ACCOUNT;
use flysk_workers::App;
use serde_json::json;
use sqlx::MySqlPool;

use crate::harness::TestApp;
use crate::recordings::bucket_gets_empty;
use crate::start_env;

const WAIT_TIMEOUT: Duration = Duration::from_mins(5);
const SUBMIT: &str = "/stt/v3/recognizeFileAsync";
const RESULT: &str = "/stt/v3/getRecognition";

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
    let _hurry = env.hurry("calls.start_recognition");
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

/// SpeechKit may call a result "not ready" for ever after its operation has ended. The call fails after a while, instead of
/// waiting without end.
#[tokio::test(flavor = "multi_thread")]
async fn a_result_that_never_gets_ready_fails_the_call() -> anyhow::Result<()> {
    let env = start_env().await?;
    let client = env.client()?;
    let body = r#"{"code":5,"message":"operation data is not ready x","details":[]}"#.to_owned();
    let unready = Act::Answer { status: 404, headers: Vec::new(), body };
    env.simulators.speechkit.control.script(Script::next(RESULT, unready).times(100_000));
    let note = env.simulators.call_arrives(Some(env.simulators.recording_url("sales-stereo-44k.mp3")), 42)?;
    let asked =
        "SELECT COUNT(*) FROM jobs WHERE kind = 'calls.store_transcript' AND last_error LIKE '%not ready%'";
    env.wait_for(asked, 1).await?;
    let state: String = sqlx::query_scalar("SELECT state FROM transcriptions").fetch_one(&env.pool).await?;
    assert_eq!(state, "storing", "a result that is late was given up");
    // Hours pass.
    sqlx::query("UPDATE transcriptions SET updated_at = updated_at - INTERVAL 2 HOUR")
        .execute(&env.pool)
        .await?;
    let _hurry = env.hurry("calls.store_transcript");
    let call = client.wait_for_end(note, WAIT_TIMEOUT).await?;
    assert_eq!(call.failure_code.as_deref(), Some("recognition_timeout"), "{}", call.raw);
    client.wait_for_payment(&call.id, "free", WAIT_TIMEOUT).await?;
    bucket_gets_empty(&env).await?;
    env.stop()
}

/// After a loss of Redis, a second poll of a call may begin before the first one is answered. What the slower one learns of an operation
/// that was replaced meanwhile does not break its successor, which is paid for.
#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_late_answer_about_an_earlier_operation_changes_nothing(pool: MySqlPool) {
    let app = TestApp::installed(pool).await;
    let id = app.insert_call(&mut app.pool.acquire().await.unwrap(), 70).await;
    let begun = "UPDATE transcriptions SET state = 'recognizing', operation_id = 'first', submits = 1";
    sqlx::query(begun).execute(&app.pool).await.unwrap();

    // The simulator answers what it is told to, whatever it simulates.
    let aborted = json!({ "id": "first", "done": true, "error": { "code": 14, "message": "not today" } });
    let act = Act::Answer { status: 200, headers: Vec::new(), body: aborted.to_string() };
    app.amocrm.control.script(Script::next("/operations/first", act).held());
    let worker = app.executor_with("FLYSK_SPEECHKIT_OPERATION_URL", &app.amocrm.url).await;
    let ordered_again = async {
        while app.asked("GET", "/operations/first") == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let replaced = "UPDATE transcriptions SET operation_id = 'second', submits = 2";
        sqlx::query(replaced).execute(&app.pool).await.unwrap();
        app.amocrm.control.release();
    };
    let key = format!("{ACCOUNT}/{id}");
    let poll = <PollRecognition as EphemeralHandler<App>>::handle(&key, worker.app());
    let (polled, ()) = tokio::join!(tokio::time::timeout(WAIT_TIMEOUT, poll), ordered_again);
    assert!(matches!(polled.unwrap(), Ok(NextRun::Stop)));
    let call: (String, String) =
        sqlx::query_as("SELECT state, operation_id FROM transcriptions").fetch_one(&app.pool).await.unwrap();
    assert_eq!(call, ("recognizing".to_owned(), "second".to_owned()));
}
