//! Observability: one correlation id in all log lines of a call, and metrics of waiting jobs.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context as _;
use flysk_suite::environment::LEAD;
use flysk_suite::ports::quiet_port;
use serde_json::{Value, json};

use crate::recordings::bucket_gets_empty;
use crate::start_env;

const CORRELATION_ID: &str = "a-manager-asks-0001";
/// Trace context of the caller.
const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// The `X-Request-Id` of the response finds the request, every stage and the platform's work for them, and no log
/// line about the call has another correlation id. The caller's trace context is passed to every job of the call.
#[tokio::test(flavor = "multi_thread")]
async fn one_correlation_id_finds_all_log_lines_of_a_call() -> anyhow::Result<()> {
    let env = start_env().await?;
    let client = env.client()?;
    // Requested manually, so the call's webhook must not start it.
    let preferences = json!({ "auto": false, "left_channel": "operator" });
    client.request(reqwest::Method::PUT, "/v1/flysense/preferences", Some(&preferences)).await?;
    let note = env.simulators.call_arrives(Some(env.simulators.recording_url("sales-stereo-44k.mp3")), 42)?;
    let answer = reqwest::Client::builder()
        .build()?
        .post(format!("{}/v1/flysense/transcriptions", env.api_url))
        .header("X-Auth-Token", client.token()?)
        .header("X-Request-Id", CORRELATION_ID)
        .header("traceparent", TRACEPARENT)
        .json(&json!({ "note_id": note, "entity_type": "leads", "entity_id": LEAD }))
        .send()
        .await?;
    assert_eq!(answer.headers()["x-request-id"], CORRELATION_ID);
    let call = client.wait_for_end(note, Duration::from_mins(5)).await?;
    assert_eq!(call.state, "done", "{}", call.raw);
    bucket_gets_empty(&env).await?;
    env.wait_for("SELECT COUNT(*) FROM jobs WHERE kind = 'calls.delete_audio' AND state = 'done'", 1).await?;

    let (jobs, cut): (i64, i64) = sqlx::query_as(
        "SELECT COUNT(*), CAST(COALESCE(SUM(traceparent IS NULL OR traceparent <> ?), 0) AS SIGNED)
         FROM jobs WHERE correlation_id = ?",
    )
    .bind(TRACEPARENT)
    .bind(CORRELATION_ID)
    .fetch_one(&env.pool)
    .await?;
    assert!(jobs >= 9 && cut == 0, "{cut} of {jobs} jobs lack the caller's span");

    let lines = env.log_lines()?;
    let read = |line: &String| serde_json::from_str::<Value>(line).with_context(|| line.clone());
    let lines: Vec<Value> = lines.iter().map(read).collect::<Result<_, _>>()?;
    let text = |line: &Value, field: &str| {
        let own = line.get(field).or_else(|| line.pointer("/span")?.get(field));
        own.and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let (found, others): (Vec<&Value>, Vec<&Value>) =
        lines.iter().partition(|line| text(line, "correlation.id") == CORRELATION_ID);
    let ended: BTreeSet<String> = found
        .iter()
        .filter(|line| line["message"] == "job ended")
        .map(|line| text(line, "job.kind"))
        .collect();
    for stage in [
        "fetch_recording",
        "convert_audio",
        "upload_audio",
        "start_recognition",
        "store_transcript",
        "settle",
        "delete_audio",
    ] {
        assert!(ended.contains(&format!("calls.{stage}")), "{stage} is not among {ended:?}");
    }
    let paths: BTreeSet<String> = found.iter().map(|line| text(line, "http.path")).collect();
    for path in ["/v1/flysense/transcriptions", "/v1/pauth"] {
        assert!(paths.contains(path), "{path} is not among {paths:?}");
    }
    // A later read of the call is a separate request; all other lines about the call have its correlation id.
    let strays: Vec<_> = others
        .iter()
        .filter(|line| line.to_string().contains(&call.id) && text(line, "http.path").is_empty())
        .collect();
    assert!(strays.is_empty(), "{strays:?}");
    Ok(())
}

/// A worker exports the number and age of waiting jobs per kind, on its own port; empty kinds return to zero.
#[tokio::test(flavor = "multi_thread")]
async fn a_worker_exports_number_and_age_of_waiting_jobs() -> anyhow::Result<()> {
    let mut env = start_env().await?;
    // Due for a minute without a worker: the only running worker consumes another queue.
    env.kill(1)?;
    let since = std::time::Instant::now();
    sqlx::query(
        "INSERT INTO jobs (id, kind, queue, priority, payload, state, max_attempts, run_at, push_at, correlation_id, created_at)
         SELECT CONCAT('job_01TESTED', LPAD(n, 18, '0')), 'calls.settle', 'calls', 1, '{}', 'queued', 1,
                UTC_TIMESTAMP(6) - INTERVAL 60 SECOND + INTERVAL n * 60 MINUTE, UTC_TIMESTAMP(6), 'watched', UTC_TIMESTAMP(6)
         FROM (SELECT 0 AS n UNION SELECT 1 UNION SELECT 2) AS numbers",
    )
    .execute(&env.pool)
    .await?;
    let port = quiet_port()?;
    env.set("FLYSK_METRICS_LISTEN", &format!("127.0.0.1:{port}"));
    env.spawn("flysk-worker", &["run", "upkeep"], "metrics")?;
    let http = reqwest::Client::builder().build()?;
    let metrics = async || http.get(format!("http://127.0.0.1:{port}/metrics")).send().await?.text().await;
    let value = |text: &str, name: &str| {
        text.lines().find(|line| line.starts_with(name))?.rsplit(' ').next()?.parse::<f64>().ok()
    };
    let of = |state: &str| format!("flysk_jobs{{queue=\"calls\",kind=\"calls.settle\",state=\"{state}\"}}");
    let oldest = "flysk_jobs_oldest_due_seconds{queue=\"calls\",kind=\"calls.settle\"}";
    let wait_until = async |wanted: &dyn Fn(&str) -> bool| {
        let deadline = std::time::Instant::now() + Duration::from_mins(5);
        loop {
            let text = metrics().await.unwrap_or_default();
            if wanted(&text) {
                return Ok(text);
            }
            anyhow::ensure!(std::time::Instant::now() < deadline, "{text}\n{}", env.logs());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    // The worker sets one value after the other.
    let text = wait_until(&|text| {
        let oldest_waits = value(text, oldest).is_some_and(|waits| waits > 0.0);
        value(text, &of("due")) == Some(1.0) && value(text, &of("later")) == Some(2.0) && oldest_waits
    })
    .await?;
    let passed = since.elapsed().as_secs_f64();
    assert_eq!(value(&text, &of("dead")), Some(0.0));
    let waits = value(&text, oldest).context("how long it waits")?;
    assert!((60.0..=61.0 + passed).contains(&waits), "{waits} after {passed}");
    sqlx::query("DELETE FROM jobs WHERE correlation_id = 'watched'").execute(&env.pool).await?;
    wait_until(&|text| value(text, &of("due")) == Some(0.0) && value(text, oldest) == Some(0.0)).await?;
    Ok(())
}
