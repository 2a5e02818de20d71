//! The demo: starts all processes and simulators, installs FlySense through the OAuth redirect, sends recordings
//! as call notes and prints the results.

mod announce;
mod by_transfer;
mod recordings;
mod report;
mod show;
mod subscription;
pub mod vendor;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Parser;
use flysk_config::process::Shutdown;
use flysk_config::{Env, Outbound};
use flysk_domain::money::MicroCoins;
use url::Url;

use crate::environment::{Client, Environment, Options, Transcription, built_widget};

pub use report::Report;

use recordings::{Recording, choose};

/// Welcome bonus of the account: enough for the first calls, so that the others wait for coins.
const WELCOME_BONUS: MicroCoins = MicroCoins(10 * MicroCoins::PER_UNIT);

/// Top-up of the wallet when a call waits for coins.
const PACKAGE_COINS: MicroCoins = MicroCoins(1_000 * MicroCoins::PER_UNIT);

/// Timeout for one call, including its wait for the calls before it.
const WAIT_TIMEOUT: Duration = Duration::from_mins(5);

/// Timeout for stopping: slightly more than the grace time of the processes.
const STOP_GRACE: Duration = Duration::from_secs(20);

/// Database name and Redis prefix of a served environment, whose state survives a rebuild.
const SERVED_DATABASE: &str = "flysk_dev";

/// Shows FlySense end to end: a recorded call becomes a transcript
///
/// Uses the servers of `DATABASE_URL` and `REDIS_URL`; `cargo xtask demo` starts private ones.
#[expect(clippy::struct_excessive_bools, reason = "options of a command line")]
#[derive(Debug, Parser)]
#[command(name = "flysk-demo")]
pub struct Demo {
    /// A recording to transcribe instead of the fixtures. Repeatable
    #[arg(long = "recording", value_name = "FILE")]
    recordings: Vec<PathBuf>,
    /// Stop when every recording has finished; fail if one ended unexpectedly
    #[arg(long)]
    exit: bool,
    /// Write the results as a JSON array
    #[arg(long, value_name = "OUT")]
    json: Option<PathBuf>,
    /// Start everything and install FlySense, but send no calls (for development). The state is kept for the next
    /// start
    #[arg(long)]
    serve: bool,
    /// Start everything with a new database, install FlySense, print one line of JSON with addresses and credentials, and
    /// run until SIGTERM, for tests of the widget
    #[arg(long)]
    announce: bool,
    /// The built widget for the card's page: its directory, or a `widget.zip`. By default `widget/dist`, if it is built
    #[arg(long, value_name = "PATH")]
    widget: Option<PathBuf>,
    /// Event URL of a vendor's backend, such as <http://127.0.0.1:8800/events>: registers and installs a widget that sends its
    /// events there
    #[arg(long, value_name = "URL", requires = "serve")]
    backend: Option<Url>,
    /// Write the environment of the processes, addresses and credentials to this file, for a shell
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
    /// Recognition time relative to the usual 10 s per minute of audio
    #[arg(long, default_value_t = 0.1)]
    pace: f64,
    /// Also print the logs of the processes
    #[arg(long)]
    logs: bool,
}

impl Demo {
    /// Runs the demo. Returns whether a call ended unexpectedly.
    pub async fn run(self) -> anyhow::Result<bool> {
        if self.announce {
            announce::run(self.widget, self.pace).await?;
            return Ok(false);
        }
        let shutdown = Shutdown::install(STOP_GRACE)?;
        let chosen = if self.serve { Vec::new() } else { choose(&self.recordings)? };
        let folder = tempfile::tempdir()?;
        for recording in &chosen {
            recording.put_into(folder.path())?;
        }
        let servers = Options::from_env(folder.path().to_owned(), self.pace)?;
        let (mut env, has_widget, panel_port) = self.start(folder.path().to_owned()).await?;
        show::headline("Installing FlySense into amoCRM account demo.amocrm.ru through its OAuth redirect");
        if self.serve {
            env.install().await?;
        } else {
            show::note(
                "a job exchanged the code, tokens are encrypted at rest; FlySense waits for its activation",
            );
            show::headline("Activating FlySense through its bot in Telegram");
            show::chat(&env.install_and_activate().await?);
        }
        show::note("webhooks are subscribed");
        show::note(&format!("FlySense is paid in Flycoins; the welcome bonus is {WELCOME_BONUS} Flycoins"));
        if !self.serve {
            show::wallet("before", env.coins().await?);
        }
        self.set_up_vendor(&mut env).await?;
        let client = env.client()?;
        let transcribing = transcribe(&env, &client, &chosen);
        let Some(reports) = shutdown.token().run_until_cancelled(transcribing).await else {
            env.stop()?;
            anyhow::bail!("stopped on request");
        };
        let reports = reports?;
        if let Some(path) = &self.json {
            std::fs::write(path, serde_json::to_string_pretty(&reports)? + "\n")
                .with_context(|| format!("cannot write {}", path.display()))?;
            show::note(&format!("written: {}", path.display()));
        }
        if self.logs {
            show::logs(&env.logs());
        }
        let unexpected = reports.iter().filter(|report| report.failed()).count();
        if !self.serve {
            show::totals(&reports);
            show::taken(env.taken().await?);
            show::wallet("after", env.coins().await?);
            subscription::show_year(&servers).await?;
            Box::pin(by_transfer::show_two_months(&servers)).await?;
        }
        if !self.exit {
            let panel = env.start_panel(panel_port).await?;
            show::addresses(&env, &panel, has_widget)?;
            shutdown.requested().await;
        }
        env.stop()?;
        Ok(unexpected > 0)
    }
}

impl Demo {
    /// Starts everything but the panel. Returns whether the card's page has the widget, and the panel's port.
    async fn start(&self, recordings: PathBuf) -> anyhow::Result<(Environment, bool, u16)> {
        show::headline(
            "Starting API, worker and simulators of amoCRM, T-Bank, Telegram, MAX, a mail server, SpeechKit, YandexGPT and Object Storage",
        );
        let mut options = Options::from_env(recordings, self.pace)?;
        options.welcome_bonus = Some(WELCOME_BONUS.0);
        options.starts_switched_off = !self.serve;
        options.kept = self.serve.then(|| SERVED_DATABASE.to_owned());
        let mut allowed = Outbound::from_env(&Env::from_process())?.allow;
        allowed.extend(self.backend.as_ref().map(vendor::address_of).transpose()?);
        if !allowed.is_empty() {
            options.more.insert("FLYSK_OUTBOUND_ALLOW".to_owned(), allowed.join(","));
        }
        let panel_port = options.choose_panel_port()?;
        let env = Environment::start(options).await?;
        let widget = self.widget.clone().or_else(built_widget);
        let has_widget = widget.is_some();
        env.open_pages(widget)?;
        offer_packages(&env)?;
        env.take_transfers()?;
        env.add_person();
        Ok((env, has_widget, panel_port))
    }

    /// Registers the vendor's widget, if there is a backend, and writes the file for the vendor's shell.
    async fn set_up_vendor(&self, env: &mut Environment) -> anyhow::Result<()> {
        let former = self.env_file.as_deref().and_then(vendor::read_credentials);
        let credentials = match &self.backend {
            Some(backend) => Some(vendor::set_up(env, backend, former).await?),
            None => None,
        };
        if let Some(backend) = &self.backend {
            show::note(&format!("the widget `{}` is installed; its events go to {backend}", vendor::WIDGET));
        }
        if let Some(file) = &self.env_file {
            vendor::write_environment(env, file, credentials.as_ref())?;
            show::note(&format!("environment, addresses and credentials, for a shell: . {}", file.display()));
        }
        Ok(())
    }
}

/// Offers packages of Flycoins, so that the balance can be topped up from the widget.
fn offer_packages(env: &Environment) -> anyhow::Result<()> {
    for (code, title, price) in [("start", "Стартовый", "50000"), ("team", "Команда", "300000")]
    {
        env.command("flysk-worker", &["package:set", "flysense", code, "--title", title, "--price", price])?;
    }
    Ok(())
}

/// Sends every recording as a call note, then follows each call to its end.
async fn transcribe(
    env: &Environment,
    client: &Client,
    recordings: &[Recording],
) -> anyhow::Result<Vec<Report>> {
    let mut arrived = Vec::new();
    for recording in recordings {
        let link = env.simulators.recording_url(&recording.served_as);
        let note = env.simulators.call_arrives(Some(link), recording.told_seconds())?;
        show::note(&format!("{} sent as call note {note}", recording.name));
        arrived.push((recording, note));
    }
    let mut reports = Vec::new();
    for (recording, note) in arrived {
        show::headline(&recording.name);
        // An error of one call does not stop the report of the others.
        reports.push(report(env, client, recording, note).await.unwrap_or_else(|error| {
            show::logs(&env.logs());
            show::note(&format!("not finished: {error:#}"));
            Report::not_ended(recording)
        }));
    }
    Ok(reports)
}

/// Follows one call to its end and prints the result.
async fn report(
    env: &Environment,
    client: &Client,
    recording: &Recording,
    note: u64,
) -> anyhow::Result<Report> {
    let began = Instant::now();
    let call = follow(env, client, note).await?;
    let call = until_paid(client, &call.id).await?;
    let left = wait_until_deleted(env, &call.id).await?;
    let waited = env.has_waited_for_coins(&call.id).await?;
    let report = Report::new(recording, &call, waited, left);
    show::call(&report, &call, began.elapsed());
    show::payment(&report, env.coins().await?);
    Ok(report)
}

/// Prints each state of a call. Tops up the wallet when the call waits for coins; all waiting calls then resume.
async fn follow(env: &Environment, client: &Client, note: u64) -> anyhow::Result<Transcription> {
    let deadline = Instant::now() + WAIT_TIMEOUT;
    let mut shown = String::new();
    loop {
        let found = client.transcriptions().await?.into_iter().find(|call| call.note_id == note);
        if let Some(call) = found {
            if call.state != shown {
                show::state(&call);
                shown.clone_from(&call.state);
                if call.state == "no_balance" {
                    fill_wallet(env, &client.transcription(&call.id).await?).await?;
                }
            }
            if call.has_ended() {
                return client.transcription(&call.id).await;
            }
        }
        anyhow::ensure!(
            Instant::now() < deadline,
            "the call of note {note} did not end within {} s",
            WAIT_TIMEOUT.as_secs()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Tops up the wallet, unless another call has already triggered a top-up.
async fn fill_wallet(env: &Environment, call: &Transcription) -> anyhow::Result<()> {
    let price = call.payment("estimated_micro").as_i64().unwrap_or_default();
    let before = env.coins().await?;
    if before.available >= price {
        show::note("the wallet was topped up for another call; this one resumes at the next balance check");
        return Ok(());
    }
    env.give_coins(PACKAGE_COINS.0.max(price)).await?;
    show::short(MicroCoins(price), before, env.coins().await?);
    Ok(())
}

/// Waits for the charge, which a separate job makes shortly after the end of the call.
async fn until_paid(client: &Client, id: &str) -> anyhow::Result<Transcription> {
    let deadline = Instant::now() + WAIT_TIMEOUT;
    loop {
        let call = client.transcription(id).await?;
        let is_settled = matches!(call.payment("state").as_str(), Some("paid" | "free"));
        if is_settled || Instant::now() > deadline {
            return Ok(call);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits for the deletion of the audio by a separate job. Returns the number of objects left in the bucket after
/// two minutes at most.
async fn wait_until_deleted(env: &Environment, id: &str) -> anyhow::Result<usize> {
    let deadline = Instant::now() + Duration::from_mins(2);
    loop {
        let objects = env.simulators.s3.state.objects()?;
        let left = objects.iter().filter(|object| object.key.contains(id)).count();
        if left == 0 || Instant::now() > deadline {
            return Ok(left);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
