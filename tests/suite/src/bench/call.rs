//! End-to-end benchmark: time from the webhook to the transcript, and Flysk's share of it; and whole calls as fast as
//! one worker takes them.

mod whole;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use flysk_domain::{Clock as _, SystemClock};

use super::servers::Servers;
use super::table::Table;
use super::times::{Sample, Times};
use crate::environment::{Client, DEFAULT_WELCOME_BONUS, Environment, Options};

/// Sequential calls per recording.
const MEASURED_ROUNDS: usize = 3;
const FILES: [(&str, u32); 3] =
    [("support-mono-opus.ogg", 42), ("support-stereo-mulaw.wav", 42), ("sales-mono-8k.mp3", 42)];
/// Timeout for one call.
const WAIT_TIMEOUT: Duration = Duration::from_mins(1);

/// Measured times of one call.
#[derive(Debug, Clone, Copy)]
struct Parts {
    /// From the creation of the note in amoCRM, which triggers the webhook, to the finished transcription.
    total: Duration,
    /// From the accepted submission to the recognized stream: the simulator's own time and our polling.
    recognition: Duration,
}

/// Runs the benchmark.
pub(super) async fn run(servers: &Servers) -> anyhow::Result<String> {
    let env =
        Environment::start(Options { welcome_bonus: Some(DEFAULT_WELCOME_BONUS), ..servers.environment() })
            .await
            .context("the environment does not start")?;
    env.install().await.context("FlySense cannot be installed")?;
    let client = env.client()?;
    let mut calls: BTreeMap<&str, Vec<Parts>> = BTreeMap::new();
    for _ in 0..MEASURED_ROUNDS {
        for (file, seconds) in FILES {
            let parts = one_call(&env, &client, file, seconds).await.with_context(|| file.to_owned())?;
            calls.entry(file).or_default().push(parts);
        }
    }
    env.stop()?;
    let whole = Box::pin(whole::run(servers)).await.context("whole calls")?;
    Ok(format!("{}\n{whole}", report(&calls)?))
}

async fn one_call(env: &Environment, client: &Client, file: &str, seconds: u32) -> anyhow::Result<Parts> {
    let hooked = SystemClock.now();
    let note = env.simulators.call_arrives(Some(env.simulators.recording_url(file)), seconds)?;
    let call = client.wait_for_end(note, WAIT_TIMEOUT).await?;
    anyhow::ensure!(call.state == "done", "it ended as {} ({:?})", call.state, call.failure_code);
    let finished: DateTime<Utc> = sqlx::query_scalar("SELECT finished_at FROM transcriptions WHERE id = ?")
        .bind(&call.id)
        .fetch_one(&env.pool)
        .await?;
    let (submitted, recognized): (DateTime<Utc>, DateTime<Utc>) = sqlx::query_as(
        "SELECT started_at, ended_at FROM transcription_stages WHERE transcription_id = ? AND stage = 'recognize'",
    )
    .bind(&call.id)
    .fetch_one(&env.pool)
    .await?;
    let between = |from: DateTime<Utc>, to: DateTime<Utc>| {
        Sample(from.timestamp_micros(), to.timestamp_micros()).late()
    };
    Ok(Parts { total: between(hooked, finished), recognition: between(submitted, recognized) })
}

fn report(calls: &BTreeMap<&str, Vec<Parts>>) -> anyhow::Result<String> {
    let mut table =
        Table::new(&["recording", "calls", "webhook → transcript", "recognition", "remaining time: Flysk"]);
    let all: Vec<Parts> = calls.values().flatten().copied().collect();
    let rows = calls.iter().map(|(file, parts)| (*file, parts.as_slice())).chain([("all", all.as_slice())]);
    for (file, parts) in rows {
        let p50 = |part: fn(&Parts) -> Duration| {
            let times = Times::new(parts.iter().map(part)).context("no call")?;
            anyhow::Ok(format!("{:.0} ms", times.ms(50)))
        };
        table.row(vec![
            file.to_owned(),
            parts.len().to_string(),
            p50(|it| it.total)?,
            p50(|it| it.recognition)?,
            p50(|it| it.total.saturating_sub(it.recognition))?,
        ]);
    }
    Ok(format!(
        "{table}\nMedians of {MEASURED_ROUNDS} sequential calls each. API, worker and simulators run on this machine, with real HTTP between them. The simulated\n\
         recognition answers as soon as it has read the audio; its time, polling every 300 ms included, is subtracted. The remaining time is Flysk: webhook,\n\
         note, download, decoding, upload, transcript assembly, summary, settling, and the answers of the other simulators, which are immediate.\n\
         There is no budget for it.\n"
    ))
}
