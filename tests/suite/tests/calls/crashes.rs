//! Workers that die in the middle of calls, and stages that run twice.

use std::time::Duration;

use flysk_domain::Clock as _;
use flysk_domain::SystemClock;
use flysk_domain::trace::Trace;
use flysk_jobs::Outbox;
use flysk_jobs::calls::{
    CapturePayment, ConvertAudio, DeleteAudio, FetchRecording, HoldPayment, ReleasePayment, ResumeUnpaid,
    RetryUnpaid, Settle, StartRecognition, StoreTranscript, Summarize, UploadAudio,
};
use flysk_suite::stand::ACCOUNT;
use std::sync::Arc;

use crate::recordings::bucket_gets_empty;
use crate::stand;
use crate::till::everything_is_paid;

/// `kill -9` of the worker again and again while twelve calls are under way: every call ends with its
/// transcript, none is submitted more than three times, and each is paid for once.
#[tokio::test(flavor = "multi_thread")]
async fn calls_survive_workers_that_die() -> anyhow::Result<()> {
    let mut stand = stand().await?;
    let client = stand.client()?;
    let mut notes = Vec::new();
    for _ in 0..4 {
        for name in ["sales-stereo-44k.mp3", "support-mono-gsm.wav", "support-stereo-vorbis.ogg"] {
            notes.push(stand.outside.call_arrives(Some(stand.outside.recording_url(name)), 42)?);
        }
    }
    // The stand's first process is the API, the second the worker.
    let mut worker = 1;
    for wanted in ["convert", "submit", "store"] {
        let reached = match wanted {
            "convert" => "SELECT COUNT(*) FROM transcription_stages WHERE stage = 'fetch'",
            "submit" => "SELECT COUNT(*) FROM transcription_stages WHERE stage = 'upload'",
            _ => "SELECT COUNT(*) FROM transcription_stages WHERE stage = 'recognize'",
        };
        stand.wait_for(reached, 2).await?;
        stand.kill(worker)?;
        worker = stand.start_worker()?;
    }
    let mut calls = Vec::new();
    for note in notes {
        let call = client.wait_for_end(note, Duration::from_mins(3)).await?;
        anyhow::ensure!(call.state == "done", "{}\n{}", call.raw, stand.logs());
        calls.push(call.id);
    }
    everything_is_paid(&stand, &client, &calls).await?;
    let most: u32 =
        sqlx::query_scalar("SELECT MAX(submits) FROM transcriptions").fetch_one(&stand.pool).await?;
    anyhow::ensure!(most <= 3, "a call was submitted {most} times");
    bucket_gets_empty(&stand).await
}

/// Every stage of a finished call runs once more and changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn stages_that_run_twice_change_nothing() -> anyhow::Result<()> {
    let stand = stand().await?;
    let client = stand.client()?;
    let note = stand.outside.call_arrives(Some(stand.outside.recording_url("sales-stereo-44k.mp3")), 42)?;
    let call = client.wait_for_end(note, Duration::from_mins(1)).await?;
    let before = client.wait_for_payment(&call.id, "paid", Duration::from_mins(1)).await?;
    bucket_gets_empty(&stand).await?;

    let outbox = Outbox::new(stand.pool.clone(), None, Arc::new(SystemClock));
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
    // The schedule may have put a `calls.retry_unpaid` of its own in the place of ours.
    stand
        .wait_for("SELECT COUNT(*) FROM jobs WHERE correlation_id LIKE 'again-%' AND state = 'done' AND kind <> 'calls.retry_unpaid'", 12)
        .await?;
    let after = client.transcription(&before.id).await?;
    assert_eq!(before.raw, after.raw);
    everything_is_paid(&stand, &client, std::slice::from_ref(&before.id)).await?;
    let submits = stand.outside.speechkit.control.calls_to("POST", "/stt/v3/recognizeFileAsync").len();
    assert_eq!(submits, 1, "the call was submitted again");
    bucket_gets_empty(&stand).await
}

/// Poll ticks live in Redis only: wiped, they are made again from MySQL, and everything a request caused
/// hangs on one correlation id.
#[tokio::test(flavor = "multi_thread")]
async fn wiped_redis_does_not_stop_recognitions() -> anyhow::Result<()> {
    let mut options = flysk_suite::stand::Options::with_fixtures(0.02)?;
    // Long enough that the wipe comes between submit and first look.
    options.more.insert("FLYSK_SPEECHKIT_POLL_FIRST_MS".to_owned(), "3000".to_owned());
    let redis_url = options.redis_url.clone();
    let stand = flysk_suite::stand::Stand::start(options).await?;
    stand.install().await?;
    let client = stand.client()?;
    let note = stand.outside.call_arrives(Some(stand.outside.recording_url("support-stereo.flac")), 42)?;
    stand.wait_for("SELECT COUNT(*) FROM transcriptions WHERE state = 'recognizing'", 1).await?;
    let mut redis = redis::Client::open(redis_url)?.get_multiplexed_async_connection().await?;
    let keys: Vec<String> =
        redis::cmd("KEYS").arg(format!("{}:*", stand.name())).query_async(&mut redis).await?;
    redis::cmd("DEL").arg(&keys).query_async::<()>(&mut redis).await?;
    let call = client.wait_for_end(note, Duration::from_secs(90)).await?;
    anyhow::ensure!(call.state == "done", "{}", call.raw);
    let threads: i64 = sqlx::query_scalar(
        "SELECT COUNT(DISTINCT correlation_id) FROM jobs WHERE kind IN ('calls.ingest_note', 'calls.fetch_recording',
             'calls.convert_audio', 'calls.start_recognition', 'calls.store_transcript', 'calls.settle')",
    )
    .fetch_one(&stand.pool)
    .await?;
    assert_eq!(threads, 1, "the call's jobs hang on several threads");
    Ok(())
}
