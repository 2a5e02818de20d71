//! All simulators in one process, for `cargo xtask dev`, the demo, and tests out of process.
//!
//! Prints one line of JSON with everybody's URL when all are ready, then serves until SIGINT or SIGTERM.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context;
use clap::Parser;
use flysk_simulators::speechkit::{Behaviour, Manifest, Quotas, Storage};
use flysk_simulators::{
    Control, Credential, Running, SimClock, amocrm, recordings, s3, speechkit, tbank, vendor, yandexgpt,
};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

/// Simulators of amoCRM, SpeechKit, YandexGPT, Object Storage, T-Bank, a host of recordings and a vendor's backend.
///
/// Addresses that are not given are free ports of 127.0.0.1. All share one clock: setting it at one
/// (`PUT /_sim/clock`) sets it for all.
#[derive(Debug, Parser)]
#[command(name = "flysk-simulators")]
struct Args {
    /// Where amoCRM listens.
    #[arg(long)]
    amocrm: Option<SocketAddr>,
    /// Where the host of recordings listens.
    #[arg(long)]
    recordings: Option<SocketAddr>,
    /// Where the vendor's backend listens.
    #[arg(long)]
    vendor: Option<SocketAddr>,
    /// Where SpeechKit listens.
    #[arg(long)]
    speechkit: Option<SocketAddr>,
    /// Where Yandex Cloud's operations service listens.
    #[arg(long)]
    operations: Option<SocketAddr>,
    /// Where `YandexGPT` listens.
    #[arg(long)]
    yandexgpt: Option<SocketAddr>,
    /// Where Object Storage listens.
    #[arg(long)]
    s3: Option<SocketAddr>,
    /// Where T-Bank listens.
    #[arg(long)]
    tbank: Option<SocketAddr>,
    /// Folder whose files the host of recordings serves.
    #[arg(long)]
    recordings_folder: PathBuf,
    /// What is said in recordings (`manifest.json`); others get filler words at true times.
    #[arg(long)]
    manifest: Option<PathBuf>,
    /// The bucket of Object Storage.
    #[arg(long, default_value = "flysk")]
    bucket: String,
    /// Id of the static key that may read, write and delete in the bucket.
    #[arg(long, default_value = "sim-key-id")]
    s3_key_id: String,
    /// Its secret.
    #[arg(long, default_value = "sim-key-secret")]
    s3_key_secret: String,
    /// API key that `SpeechKit` and `YandexGPT` accept.
    #[arg(long, default_value = "sim-api-key")]
    api_key: String,
    /// Key of the shop's terminal at T-Bank; a cash register is linked and `Charge` enabled.
    #[arg(long, default_value = "TinkoffBankTest")]
    tbank_terminal: String,
    /// The terminal's password.
    #[arg(long, default_value = "TinkoffBankTest")]
    tbank_password: String,
    /// Where T-Bank posts notices when a payment names no address.
    #[arg(long)]
    tbank_notices: Option<String>,
    /// How long recognition takes, as a share of the usual 10 s per minute of audio.
    #[arg(long, default_value_t = 1.0)]
    recognition_pace: f64,
    /// `X-Project-Token` that the vendor's backend expects; any if not given.
    #[arg(long)]
    project_token: Option<String>,
    /// Secret that events for the vendor's backend must be signed with; any signature or none if not given.
    #[arg(long)]
    event_secret: Option<String>,
}

/// Everybody, kept alive until the end.
struct House {
    amocrm: Running<amocrm::Amocrm>,
    recordings: Running<recordings::Recordings>,
    vendor: Running<vendor::Vendor>,
    s3: Running<s3::Bucket>,
    speechkit: Running<speechkit::SpeechKit>,
    operations: Running<speechkit::SpeechKit>,
    yandexgpt: Running<yandexgpt::YandexGpt>,
    tbank: Running<tbank::TBank>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env();
    let filter = filter.unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be awaited")?;
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be awaited")?;
    let house = start(Args::parse()).await?;
    announce(&house)?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    house.stop().await;
    Ok(())
}

async fn start(args: Args) -> anyhow::Result<House> {
    let clock = SimClock::default();
    let control = || Control::with_clock(clock.clone());
    let manifest = match &args.manifest {
        Some(path) => Manifest::load(path).with_context(|| format!("cannot use {}", path.display()))?,
        None => Manifest::default(),
    };
    anyhow::ensure!(args.recordings_folder.is_dir(), "{} is not a folder", args.recordings_folder.display());

    let owner = s3::Key { id: args.s3_key_id, secret: args.s3_key_secret, role: s3::Role::Editor };
    let reader =
        s3::Key { id: "sim-reader-id".into(), secret: "sim-reader-secret".into(), role: s3::Role::Viewer };
    let keys = vec![owner, reader.clone()];
    let s3 = s3::start(s3::Options { bind: args.s3, bucket: args.bucket, keys }, control()).await?;
    let endpoint = s3.url.parse().context("the storage has no usable address")?;

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
        notification_url: args.tbank_notices,
        cash_register: true,
        charge_enabled: true,
    };
    let vendor = vendor::start(args.vendor, args.project_token, control())
        .await
        .context("the vendor's backend cannot listen")?;
    vendor.state.expect_signature(args.event_secret);
    Ok(House {
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
    })
}

fn announce(house: &House) -> anyhow::Result<()> {
    let urls = json!({
        "amocrm": house.amocrm.url,
        "recordings": house.recordings.url,
        "vendor": house.vendor.url,
        "s3": house.s3.url,
        "speechkit": house.speechkit.url,
        "operations": house.operations.url,
        "yandexgpt": house.yandexgpt.url,
        "tbank": house.tbank.url,
    });
    let mut out = std::io::stdout().lock();
    writeln!(out, "{urls}").and_then(|()| out.flush()).context("nobody reads our addresses")
}

impl House {
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
        );
    }
}
