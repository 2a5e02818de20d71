//! From the hook to the transcript, on the whole product: what is ours of the time a person waits.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use flysk_domain::{Clock as _, SystemClock};

use super::servers::Servers;
use super::table::Table;
use super::times::{Sample, Times};
use crate::stand::{Client, Options, RECORDINGS, Stand, USUAL_BONUS};

/// The recordings, each so often, one call after the other.
const ROUNDS: usize = 3;
const FILES: [(&str, u32); 3] =
    [("support-mono-opus.ogg", 42), ("support-stereo-mulaw.wav", 42), ("sales-mono-8k.mp3", 42)];
/// How long a call may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// One call, taken apart.
#[derive(Debug, Clone, Copy)]
struct Parts {
    /// From the note in amoCRM, of which the hook tells, to the finished transcription.
    total: Duration,
    /// From the accepted submission to the recognised stream: the simulator's own work and our looking.
    recognition: Duration,
}

/// Runs the part.
pub(super) async fn run(servers: &Servers) -> anyhow::Result<String> {
    let stand = Stand::start(options(servers)).await.context("the stand does not start")?;
    stand.install().await.context("FlySense cannot be installed")?;
    let client = stand.client()?;
    let mut calls: BTreeMap<&str, Vec<Parts>> = BTreeMap::new();
    for _ in 0..ROUNDS {
        for (file, seconds) in FILES {
            let parts = one_call(&stand, &client, file, seconds).await.with_context(|| file.to_owned())?;
            calls.entry(file).or_default().push(parts);
        }
    }
    stand.stop()?;
    report(&calls)
}

async fn one_call(stand: &Stand, client: &Client, file: &str, seconds: u32) -> anyhow::Result<Parts> {
    let hooked = SystemClock.now();
    let note = stand.outside.call_arrives(Some(stand.outside.recording_url(file)), seconds)?;
    let call = client.wait_for_end(note, PATIENCE).await?;
    anyhow::ensure!(call.state == "done", "it ended as {} ({:?})", call.state, call.failure_code);
    let finished: DateTime<Utc> = sqlx::query_scalar("SELECT finished_at FROM transcriptions WHERE id = ?")
        .bind(&call.id)
        .fetch_one(&stand.pool)
        .await?;
    let (submitted, recognized): (DateTime<Utc>, DateTime<Utc>) = sqlx::query_as(
        "SELECT started_at, ended_at FROM transcription_stages WHERE transcription_id = ? AND stage = 'recognize'",
    )
    .bind(&call.id)
    .fetch_one(&stand.pool)
    .await?;
    let between = |from: DateTime<Utc>, to: DateTime<Utc>| {
        Sample(from.timestamp_micros(), to.timestamp_micros()).late()
    };
    Ok(Parts { total: between(hooked, finished), recognition: between(submitted, recognized) })
}

fn report(calls: &BTreeMap<&str, Vec<Parts>>) -> anyhow::Result<String> {
    let mut table = Table::new(&[
        "recording",
        "calls",
        "hook → transcript",
        "of it waiting for recognition",
        "the rest: ours",
    ]);
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
        "{table}\nMedians of {ROUNDS} calls each, one after the other; API, worker and the simulated outside on this machine, real HTTP between them.\n\
         Simulated recognition answers as soon as it has read the audio; what is waited for it, our looking every 300 ms included, is\n\
         taken off. Ours is what is left: the hook, the note, the download, decoding, the upload, folding, summary, settling, and\n\
         the answers of the other simulators, which take no time on purpose. There is no budget for it.\n"
    ))
}

fn options(servers: &Servers) -> Options {
    let recordings = xtask::workspace::root().join(RECORDINGS);
    Options {
        database_url: servers.database_url.clone(),
        redis_url: servers.redis_url.clone(),
        binaries: servers.binaries.clone(),
        pace: 0.0,
        manifest: recordings.join("manifest.json"),
        recordings,
        welcome_bonus: Some(USUAL_BONUS),
        kept: None,
        more: BTreeMap::new(),
    }
}
