//! The demonstration: everything starts, FlySense is installed through the real redirect, recordings
//! arrive as call notes, and what came of them is shown.

mod recordings;
mod report;
mod show;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Parser;
use flysk_domain::money::MicroCoins;
use flysk_runtime::Shutdown;

use crate::stand::{Client, Options, Stand, Transcription};

pub use report::Report;

use recordings::{Recording, choose};

/// What the account is given for a start: enough for the first calls, so that the others wait for coins.
const BONUS: MicroCoins = MicroCoins(10 * MicroCoins::PER_UNIT);

/// What the wallet is filled with when a call waits for coins.
const PACKAGE: MicroCoins = MicroCoins(1_000 * MicroCoins::PER_UNIT);

/// How long one call may take, its turn among the others included.
const PATIENCE: Duration = Duration::from_mins(5);

/// How long stopping may take: a little more than the processes' own grace time.
const GRACE: Duration = Duration::from_secs(20);

/// The database and prefix of a stand that is served, so that what was made in it survives a rebuild.
const SERVED: &str = "flysk_dev";

/// Shows the main job from end to end: a recorded call becomes a transcript.
///
/// Uses the servers of `DATABASE_URL` and `REDIS_URL`; `cargo xtask demo` starts private ones.
#[derive(Debug, Parser)]
#[command(name = "flysk-demo")]
pub struct Demo {
    /// A recording to transcribe; several may be given. Without any, those of the fixtures.
    #[arg(long = "recording", value_name = "FILE")]
    recordings: Vec<PathBuf>,
    /// End when the calls have ended, with a failure if one of them failed.
    #[arg(long)]
    exit: bool,
    /// Write what came out as a JSON array.
    #[arg(long, value_name = "OUT")]
    json: Option<PathBuf>,
    /// Start everything and install FlySense, but let no call arrive (for development). The state is kept for the next
    /// time.
    #[arg(long)]
    serve: bool,
    /// Recognition time as a share of the usual 10 s per minute of audio.
    #[arg(long, default_value_t = 0.1)]
    pace: f64,
    /// Show what the processes log, too.
    #[arg(long)]
    logs: bool,
}

impl Demo {
    /// Runs it; whether a call failed that should not have.
    pub async fn run(self) -> anyhow::Result<bool> {
        let shutdown = Shutdown::install(GRACE)?;
        let chosen = if self.serve { Vec::new() } else { choose(&self.recordings)? };
        let folder = tempfile::tempdir()?;
        for recording in &chosen {
            recording.put_into(folder.path())?;
        }
        show::headline(
            "Starting: MySQL and Redis are there; API, worker, simulators of amoCRM, SpeechKit, YandexGPT, storage",
        );
        let mut options = Options::from_env(folder.path().to_owned(), self.pace)?;
        options.welcome_bonus = Some(BONUS.0);
        options.kept = self.serve.then(|| SERVED.to_owned());
        let stand = Stand::start(options).await?;
        show::headline("Installing FlySense into amoCRM account demo.amocrm.ru through its OAuth redirect");
        stand.install().await?;
        show::note(
            "the code was exchanged by a job, the tokens are sealed at rest, call hooks are subscribed",
        );
        show::note(&format!("FlySense is paid in Flycoins; the welcome bonus is {BONUS} of them"));
        show::wallet("before", stand.coins().await?);
        let client = stand.client()?;
        let transcribing = transcribe(&stand, &client, &chosen);
        let Some(reports) = shutdown.token().run_until_cancelled(transcribing).await else {
            stand.stop()?;
            anyhow::bail!("stopped on request");
        };
        let reports = reports?;
        if let Some(path) = &self.json {
            std::fs::write(path, serde_json::to_string_pretty(&reports)? + "\n")
                .with_context(|| format!("cannot write {}", path.display()))?;
            show::note(&format!("written: {}", path.display()));
        }
        if self.logs {
            show::logs(&stand.logs());
        }
        let unexpected = reports.iter().filter(|report| report.failed()).count();
        show::totals(&reports);
        show::taken(stand.taken().await?);
        show::wallet("after", stand.coins().await?);
        if !self.exit {
            show::addresses(&stand)?;
            shutdown.requested().await;
        }
        stand.stop()?;
        Ok(unexpected > 0)
    }
}

/// Lets every recording arrive as a call note, then follows each to its end.
async fn transcribe(stand: &Stand, client: &Client, recordings: &[Recording]) -> anyhow::Result<Vec<Report>> {
    let mut arrived = Vec::new();
    for recording in recordings {
        let link = stand.outside.recording_url(&recording.served_as);
        let note = stand.outside.call_arrives(Some(link), recording.told_seconds())?;
        show::note(&format!("{} arrived as call note {note}", recording.name));
        arrived.push((recording, note));
    }
    let mut reports = Vec::new();
    for (recording, note) in arrived {
        show::headline(&recording.name);
        // What became of the others is told all the same.
        reports.push(report(stand, client, recording, note).await.unwrap_or_else(|error| {
            show::logs(&stand.logs());
            show::note(&format!("given up: {error:#}"));
            Report::not_ended(recording)
        }));
    }
    Ok(reports)
}

/// Follows one call to its end, and shows what came of it.
async fn report(stand: &Stand, client: &Client, recording: &Recording, note: u64) -> anyhow::Result<Report> {
    let began = Instant::now();
    let call = follow(stand, client, note).await?;
    let call = until_paid(client, &call.id).await?;
    let left = wait_until_deleted(stand, &call.id).await?;
    let waited = stand.has_waited_for_coins(&call.id).await?;
    let report = Report::new(recording, &call, waited, left);
    show::call(&report, &call, began.elapsed());
    show::payment(&report, stand.coins().await?);
    Ok(report)
}

/// Shows each state a call goes through, as it happens. When one waits for coins, the wallet is filled; it goes on
/// by itself, and so do all others.
async fn follow(stand: &Stand, client: &Client, note: u64) -> anyhow::Result<Transcription> {
    let deadline = Instant::now() + PATIENCE;
    let mut shown = String::new();
    loop {
        let found = client.transcriptions().await?.into_iter().find(|call| call.note_id == note);
        if let Some(call) = found {
            if call.state != shown {
                show::state(&call);
                shown.clone_from(&call.state);
                if call.state == "no_balance" {
                    fill_wallet(stand, &client.transcription(&call.id).await?).await?;
                }
            }
            if call.has_ended() {
                return client.transcription(&call.id).await;
            }
        }
        anyhow::ensure!(
            Instant::now() < deadline,
            "the call of note {note} did not end in {} s",
            PATIENCE.as_secs()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Gives the account coins, unless another call made us do so before.
async fn fill_wallet(stand: &Stand, call: &Transcription) -> anyhow::Result<()> {
    let price = call.payment("estimated_micro").as_i64().unwrap_or_default();
    let before = stand.coins().await?;
    if before.available >= price {
        show::note("the wallet was filled meanwhile; its turn comes with the next look at the balance");
        return Ok(());
    }
    stand.give_coins(PACKAGE.0.max(price)).await?;
    show::short(MicroCoins(price), before, stand.coins().await?);
    Ok(())
}

/// The coins are taken by a job of its own, a moment after the end.
async fn until_paid(client: &Client, id: &str) -> anyhow::Result<Transcription> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let call = client.transcription(id).await?;
        let is_settled = matches!(call.payment("state").as_str(), Some("paid" | "free"));
        if is_settled || Instant::now() > deadline {
            return Ok(call);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The audio is deleted by a job of its own, a moment after the end; how many objects are still there after a while.
async fn wait_until_deleted(stand: &Stand, id: &str) -> anyhow::Result<usize> {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let objects = stand.outside.s3.state.objects()?;
        let left = objects.iter().filter(|object| object.key.contains(id)).count();
        if left == 0 || Instant::now() > deadline {
            return Ok(left);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
