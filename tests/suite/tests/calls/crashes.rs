//! Workers that crash during calls, and stages that run twice.

use std::time::Duration;

use flysk_domain::Clock as _;
use flysk_domain::SystemClock;
use flysk_domain::trace::Trace;
use flysk_jobs::flysense::calls::{
    CapturePayment, ConvertAudio, DeleteAudio, FetchRecording, HoldPayment, ReleasePayment, ResumeUnpaid,
    RetryUnpaid, Settle, StartRecognition, StoreTranscript, Summarize, UploadAudio,
};
use flysk_queue::{Outbox, connect_redis};
use flysk_suite::environment::ACCOUNT;
use std::sync::Arc;

use crate::charging::everything_is_paid;
use crate::recordings::bucket_gets_empty;
use crate::start_env;

/// The worker is killed repeatedly while twelve calls are in progress: every call ends with its transcript, none
/// is submitted more than three times, and each is charged once.
#[tokio::test(flavor = "multi_thread")]
async fn calls_survive_crashing_workers() -> anyhow::Result<()> {
    let mut env = start_env().await?;
    let client = env.client()?;
    let mut notes = Vec::new();
    for _ in 0..4 {
        for name in ["sales-stereo-44k.mp3", "support-mono-gsm.wav", "support-stereo-vorbis.ogg"] {
            notes.push(env.simulators.call_arrives(Some(env.simulators.recording_url(name)), 42)?);
        }
    }
    // The environment's process 0 is the API, process 1 the worker.
    let (mut worker, mut killed) = (1, Vec::new());
    for wanted in ["convert", "submit", "store"] {
        let reached = match wanted {
            "convert" => "SELECT COUNT(*) FROM transcription_stages WHERE stage = 'fetch'",
            "submit" => "SELECT COUNT(*) FROM transcription_stages WHERE stage = 'upload'",
            _ => "SELECT COUNT(*) FROM transcription_stages WHERE stage = 'recognize'",
        };
        env.wait_for(reached, 2).await?;
        env.kill(worker)?;
        killed.push(worker);
        worker = env.start_worker()?;
    }
    // Only now, so that a crash costs no job more than one attempt, as with leases that outlive all crashes.
    for dead in killed {
        env.end_leases(dead).await?;
    }
    let mut calls = Vec::new();
    for note in notes {
        let call = client.wait_for_end(note, Duration::from_mins(5)).await?;
        anyhow::ensure!(call.state == "done", "{}\n{}", call.raw, env.logs());
        calls.push(call.id);
    }
    everything_is_paid(&env, &client, &calls).await?;
    let most: u32 =
        sqlx::query_scalar("SELECT MAX(submits) FROM transcriptions").fetch_one(&env.pool).await?;
    anyhow::ensure!(most <= 3, "a call was submitted {most} times");
    bucket_gets_empty(&env).await
}

/// Every stage of a finished call runs again and changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn stages_that_run_twice_change_nothing() -> anyhow::Result<()> {
    let env = start_env().await?;
    let client = env.client()?;
    let note = env.simulators.call_arrives(Some(env.simulators.recording_url("sales-stereo-44k.mp3")), 42)?;
    let call = client.wait_for_end(note, Duration::from_mins(5)).await?;
    let before = client.wait_for_payment(&call.id, "paid", Duration::from_mins(5)).await?;
    bucket_gets_empty(&env).await?;

    let outbox = Outbox::new(env.pool.clone(), None, Arc::new(SystemClock));
    let trace =
        Trace { correlation_id: format!("again-{}", SystemClock.now().timestamp()), traceparent: None };
    let mut unit = outbox.begin(trace).await?;
    let (transcription_id, account_id) = (before.id.parse()?, ACCOUNT.into());
    unit.enqueue(&FetchRecording { transcription_id, account_id }).await?;
    unit.enqueue(&ConvertAudio { transcription_id, account_id }).await?;
    unit.enqueue(&HoldPayment { transcription_id, account_id }).await?;
    unit.enqueue(&UploadAudio { transcription_id, account_id }).await?;
    unit.enqueue(&StartRecognition { transcription_id, account_id }).await?;
    unit.enqueue(&StoreTranscript { transcription_id, account_id }).await?;
    unit.enqueue(&Summarize { transcription_id, account_id }).await?;
    unit.enqueue(&Settle { transcription_id, account_id }).await?;
    unit.enqueue(&CapturePayment { transcription_id, account_id, run: 1 }).await?;
    unit.enqueue(&ReleasePayment { transcription_id, account_id, run: 1 }).await?;
    unit.enqueue(&ResumeUnpaid { account_id }).await?;
    unit.enqueue(&RetryUnpaid {}).await?;
    unit.enqueue(&DeleteAudio { transcription_id, account_id }).await?;
    unit.commit().await?;
    // The schedule may have enqueued a `calls.retry_unpaid` in place of ours.
    env
        .wait_for("SELECT COUNT(*) FROM jobs WHERE correlation_id LIKE 'again-%' AND state = 'done' AND kind <> 'calls.retry_unpaid'", 12)
        .await?;
    let after = client.transcription(&before.id).await?;
    assert_eq!(before.raw, after.raw);
    everything_is_paid(&env, &client, std::slice::from_ref(&before.id)).await?;
    let submits = env.simulators.speechkit.control.calls_to("POST", "/stt/v3/recognizeFileAsync").len();
    assert_eq!(submits, 1, "the call was submitted again");
    bucket_gets_empty(&env).await
}

/// Polls are scheduled in Redis only: after a wipe they are rescheduled from MySQL. All effects of a request have
/// its correlation id.
#[tokio::test(flavor = "multi_thread")]
async fn wiped_redis_does_not_stop_recognitions() -> anyhow::Result<()> {
    let mut options = flysk_suite::environment::Options::with_fixtures(0.02)?;
    // Long enough that the wipe happens between the submission and the first poll.
    options.more.insert("FLYSK_SPEECHKIT_POLL_FIRST_MS".to_owned(), "3000".to_owned());
    let redis_url = options.redis_url.clone();
    let env = flysk_suite::environment::Environment::start(options).await?;
    env.install().await?;
    let client = env.client()?;
    let note = env.simulators.call_arrives(Some(env.simulators.recording_url("support-stereo.flac")), 42)?;
    env.wait_for("SELECT COUNT(*) FROM transcriptions WHERE state = 'recognizing'", 1).await?;
    let mut redis = connect_redis(&redis_url).await?;
    let keys: Vec<String> =
        redis::cmd("KEYS").arg(format!("{}:*", env.name())).query_async(&mut redis).await?;
    redis::cmd("DEL").arg(&keys).query_async::<()>(&mut redis).await?;
    let call = client.wait_for_end(note, Duration::from_mins(5)).await?;
    anyhow::ensure!(call.state == "done", "{}", call.raw);
    let threads: i64 = sqlx::query_scalar(
        "SELECT COUNT(DISTINCT correlation_id) FROM jobs WHERE kind IN ('calls.ingest_note', 'calls.fetch_recording',
             'calls.convert_audio', 'calls.start_recognition', 'calls.store_transcript', 'calls.settle')",
    )
    .fetch_one(&env.pool)
    .await?;
    assert_eq!(threads, 1, "the call's jobs hang on several threads");
    Ok(())
}
