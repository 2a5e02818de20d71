//! All simulators in one process, for `cargo xtask dev`, the demo, and tests out of process.
//!
//! Prints one line of JSON with all URLs when all simulators are ready, then runs until SIGINT or SIGTERM.

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use flysk_config::process::{exit_code, telemetry};
use flysk_simulators::bot::Person;
use flysk_simulators::speechkit::{Behaviour, Manifest, Quotas, Storage};
use flysk_simulators::{
    Control, Credential, Running, SimClock, amocrm, max, recordings, s3, smtp, speechkit, t_api, tbank,
    telegram, vendor, yandexgpt,
};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

/// Simulators of amoCRM, SpeechKit, YandexGPT, Object Storage, T-Bank, Telegram, MAX, a mail server, a recording host and a
/// vendor's backend
///
/// Addresses that are not given are free ports of 127.0.0.1. All simulators share one clock: setting it at one
/// (`PUT /_sim/clock`) sets it for all.
#[derive(Debug, Parser)]
#[command(name = "flysk-simulators")]
struct Args {
    /// Listen address of amoCRM.
    #[arg(long)]
    amocrm: Option<SocketAddr>,
    /// Listen address of the recording host.
    #[arg(long)]
    recordings: Option<SocketAddr>,
    /// Listen address of the vendor's backend.
    #[arg(long)]
    vendor: Option<SocketAddr>,
    /// Listen address of SpeechKit.
    #[arg(long)]
    speechkit: Option<SocketAddr>,
    /// Listen address of Yandex Cloud's operations service.
    #[arg(long)]
    operations: Option<SocketAddr>,
    /// Listen address of `YandexGPT`.
    #[arg(long)]
    yandexgpt: Option<SocketAddr>,
    /// Listen address of Object Storage.
    #[arg(long)]
    s3: Option<SocketAddr>,
    /// Listen address of T-Bank.
    #[arg(long)]
    tbank: Option<SocketAddr>,
    /// Listen address of T-Bank's T-API.
    #[arg(long)]
    t_api: Option<SocketAddr>,
    /// Listen address of Telegram.
    #[arg(long)]
    telegram: Option<SocketAddr>,
    /// Listen address of MAX.
    #[arg(long)]
    max: Option<SocketAddr>,
    /// Listen address of the mail server (SMTP, neither encryption nor login).
    #[arg(long)]
    smtp: Option<SocketAddr>,
    /// Listen address of the page that shows the mail server's letters.
    #[arg(long)]
    inbox: Option<SocketAddr>,
    /// Token of the bot in Telegram. Its name is `flysense_bot`; a person with the app is Anna, number 555.
    #[arg(long, default_value = "123456:simulated-token")]
    telegram_token: String,
    /// Token of the bot in MAX. Its name is `id7700_bot`; a person with the app is Anna, number 555.
    #[arg(long, default_value = "simulated-max-token")]
    max_token: String,
    /// Directory that the recording host serves.
    #[arg(long)]
    recordings_folder: PathBuf,
    /// Manifest with the words of recordings (`manifest.json`). Other recordings get filler words at measured
    /// times.
    #[arg(long)]
    manifest: Option<PathBuf>,
    /// Bucket of Object Storage.
    #[arg(long, default_value = "flysk")]
    bucket: String,
    /// Id of the static key that may read, write and delete in the bucket.
    #[arg(long, default_value = "sim-key-id")]
    s3_key_id: String,
    /// Secret of the static key.
    #[arg(long, default_value = "sim-key-secret")]
    s3_key_secret: String,
    /// API key that `SpeechKit` and `YandexGPT` accept.
    #[arg(long, default_value = "sim-api-key")]
    api_key: String,
    /// Key of the terminal at T-Bank. A cash register is linked and `Charge` is enabled.
    #[arg(long, default_value = "TinkoffBankTest")]
    tbank_terminal: String,
    /// Password of the terminal.
    #[arg(long, default_value = "TinkoffBankTest")]
    tbank_password: String,
    /// Token that the T-API accepts.
    #[arg(long, default_value = "TBankSandboxToken")]
    t_api_token: String,
    /// Account whose statement the T-API has.
    #[arg(long, default_value = "40702810900000000001")]
    t_api_account: String,
    /// Notification URL of T-Bank for payments that name none.
    #[arg(long)]
    tbank_notifications: Option<String>,
    /// Recognition time relative to the usual 10 s per minute of audio.
    #[arg(long, default_value_t = 1.0)]
    recognition_pace: f64,
    /// `X-Project-Token` that the vendor's backend requires; by default any.
    #[arg(long)]
    project_token: Option<String>,
    /// Secret that verifies signatures of events to the vendor's backend; by default they are not verified.
    #[arg(long)]
    event_secret: Option<String>,
}

/// All simulators, running until dropped.
struct Simulators {
    amocrm: Running<amocrm::Amocrm>,
    recordings: Running<recordings::Recordings>,
    vendor: Running<vendor::Vendor>,
    s3: Running<s3::Bucket>,
    speechkit: Running<speechkit::SpeechKit>,
    operations: Running<speechkit::SpeechKit>,
    yandexgpt: Running<yandexgpt::YandexGpt>,
    tbank: Running<tbank::TBank>,
    t_api: Running<t_api::TApi>,
    telegram: Running<telegram::Telegram>,
    max: Running<max::Max>,
    smtp: Running<smtp::Smtp>,
    inbox: Running<smtp::Smtp>,
}

#[tokio::main]
async fn main() -> ExitCode {
    exit_code(Box::pin(run(Args::parse())).await)
}

async fn run(args: Args) -> anyhow::Result<()> {
    telemetry::install_for_tool("warn")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let simulators = start(args).await?;
    announce(&simulators)?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    simulators.stop().await;
    Ok(())
}

async fn start(args: Args) -> anyhow::Result<Simulators> {
    let clock = SimClock::default();
    let control = || Control::with_clock(clock.clone());
    let manifest = load_manifest(args.manifest.as_deref())?;
    anyhow::ensure!(
        args.recordings_folder.is_dir(),
        "{} is not a directory",
        args.recordings_folder.display()
    );

    let owner = s3::Key { id: args.s3_key_id, secret: args.s3_key_secret, role: s3::Role::Editor };
    let reader =
        s3::Key { id: "sim-reader-id".into(), secret: "sim-reader-secret".into(), role: s3::Role::Viewer };
    let keys = vec![owner, reader.clone()];
    let s3 = s3::start(s3::Options { bind: args.s3, bucket: args.bucket, keys }, control()).await?;
    let endpoint = s3.url.parse().context("the storage has an invalid URL")?;

    let credentials = vec![Credential::api_key(args.api_key)];
    let speechkit_options = speechkit::Options {
        bind: args.speechkit,
        credentials: credentials.clone(),
        storage: Storage { endpoint, key: reader },
        manifest,
        quotas: Quotas::default(),
        behaviour: Behaviour { pace: args.recognition_pace, ..Behaviour::default() },
    };
    let speechkit = speechkit::start(speechkit_options, control()).await?;
    let terminal = tbank::Terminal {
        key: args.tbank_terminal,
        password: args.tbank_password,
        notification_url: args.tbank_notifications,
        cash_register: true,
        charge_enabled: true,
        blocked: false,
    };
    let vendor = vendor::start(args.vendor, args.project_token, control())
        .await
        .context("the vendor's backend cannot listen")?;
    vendor.state.expect_signature(args.event_secret);
    let smtp = smtp::start(smtp::Options { bind: args.smtp, ..smtp::Options::default() }, control()).await?;
    Ok(Simulators {
        amocrm: amocrm::start(args.amocrm, control()).await?,
        recordings: recordings::start(args.recordings, args.recordings_folder, control())
            .await
            .context("the host of recordings cannot listen")?,
        vendor,
        s3,
        operations: speechkit::start_operations(args.operations, &speechkit.state, control()).await?,
        speechkit,
        yandexgpt: yandexgpt::start(yandexgpt::Options { bind: args.yandexgpt, credentials }, control())
            .await?,
        tbank: tbank::start(tbank::Options { bind: args.tbank, terminals: vec![terminal] }, control())
            .await?,
        t_api: start_t_api(args.t_api, (args.t_api_token, args.t_api_account), control()).await?,
        telegram: start_telegram(args.telegram, args.telegram_token, control()).await?,
        max: start_max(args.max, args.max_token, control()).await?,
        inbox: smtp::start_inbox(args.inbox, &smtp.state, control()).await?,
        smtp,
    })
}

/// The words of the recordings; without a file every recording gets filler words.
fn load_manifest(file: Option<&Path>) -> anyhow::Result<Manifest> {
    let Some(file) = file else { return Ok(Manifest::default()) };
    Manifest::load(file).with_context(|| format!("cannot use {}", file.display()))
}

/// The person with both apps.
fn anna() -> Person {
    Person { id: 555, name: "Анна".to_owned(), phone: "79161234567".to_owned() }
}

async fn start_t_api(
    bind: Option<SocketAddr>,
    (token, account): (String, String),
    control: Control,
) -> anyhow::Result<Running<t_api::TApi>> {
    t_api::start(t_api::Options { bind, token, account }, control).await
}

async fn start_telegram(
    bind: Option<SocketAddr>,
    token: String,
    control: Control,
) -> anyhow::Result<Running<telegram::Telegram>> {
    let options = telegram::Options { bind, token, username: "flysense_bot".to_owned() };
    let telegram = telegram::start(options, control).await?;
    telegram.state.add_person(anna());
    Ok(telegram)
}

async fn start_max(
    bind: Option<SocketAddr>,
    token: String,
    control: Control,
) -> anyhow::Result<Running<max::Max>> {
    let max = max::start(max::Options { bind, token, username: "id7700_bot".to_owned() }, control).await?;
    max.state.add_person(anna());
    Ok(max)
}

fn announce(simulators: &Simulators) -> anyhow::Result<()> {
    let urls = json!({
        "amocrm": simulators.amocrm.url,
        "recordings": simulators.recordings.url,
        "vendor": simulators.vendor.url,
        "s3": simulators.s3.url,
        "speechkit": simulators.speechkit.url,
        "operations": simulators.operations.url,
        "yandexgpt": simulators.yandexgpt.url,
        "tbank": simulators.tbank.url,
        "t_api": simulators.t_api.url,
        "telegram": simulators.telegram.url,
        "max": simulators.max.url,
        "smtp": simulators.smtp.url,
        "inbox": simulators.inbox.url,
    });
    let mut out = std::io::stdout().lock();
    writeln!(out, "{urls}").and_then(|()| out.flush()).context("cannot print the addresses")
}

impl Simulators {
    async fn stop(self) {
        tokio::join!(
            self.amocrm.stop(),
            self.recordings.stop(),
            self.vendor.stop(),
            self.s3.stop(),
            self.speechkit.stop(),
            self.operations.stop(),
            self.yandexgpt.stop(),
            self.tbank.stop(),
            self.t_api.stop(),
            self.telegram.stop(),
            self.max.stop(),
            self.smtp.stop(),
            self.inbox.stop(),
        );
    }
}
