//! Options of an environment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use flysk_config::{Database, Env, Redis};
use secrecy::ExposeSecret as _;

use super::RECORDINGS;

/// Default welcome bonus in micro-Flycoins (1,000 Flycoins), more than the fixtures cost.
pub const DEFAULT_WELCOME_BONUS: i64 = 1_000_000_000;

/// Options of an environment.
#[derive(Debug, Clone)]
pub struct Options {
    /// Address of MySQL. The environment creates its own database there and deletes it at the end.
    pub database_url: String,
    /// Address of Redis. The environment uses its own key prefix.
    pub redis_url: String,
    /// Directory of our executables.
    pub binaries: PathBuf,
    /// Recognition time relative to the usual 10 s per minute of audio.
    pub pace: f64,
    /// Directory that the recording host serves.
    pub recordings: PathBuf,
    /// Manifest of the recordings: speakers and times.
    pub manifest: PathBuf,
    /// Welcome bonus at FlySense's first activation, in micro-Flycoins. `None`: FlySense does not use Flycoins.
    pub welcome_bonus: Option<i64>,
    /// Name of a database and Redis prefix that outlive the environment. `None`: they are deleted with it.
    pub kept: Option<String>,
    /// Whether FlySense stays inactive until an administrator activates it through the bot.
    pub starts_switched_off: bool,
    /// Additional environment variables.
    pub more: BTreeMap<String, String>,
}

impl Options {
    /// Options for the servers of `DATABASE_URL` and `REDIS_URL`, with our executables beside or above this one.
    pub fn from_env(recordings: PathBuf, pace: f64) -> anyhow::Result<Self> {
        let env = Env::from_process();
        let hint = "run it through `cargo xtask`, which starts private servers";
        let (database, redis) =
            (Database::from_env(&env).context(hint)?, Redis::from_env(&env).context(hint)?);
        let own = std::env::current_exe()?;
        let binaries = own.ancestors().find(|folder| folder.join("flysk-api").exists());
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        Ok(Self {
            database_url: database.url.expose_secret().to_owned(),
            redis_url: redis.url.expose_secret().to_owned(),
            binaries: binaries.context("flysk-api is not built: cargo build --bins")?.to_owned(),
            pace,
            recordings,
            manifest: repository.join(RECORDINGS).join("manifest.json"),
            welcome_bonus: Some(DEFAULT_WELCOME_BONUS),
            kept: None,
            starts_switched_off: false,
            more: BTreeMap::new(),
        })
    }

    /// The same with the fixtures' recordings.
    pub fn with_fixtures(pace: f64) -> anyhow::Result<Self> {
        Self::from_env(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(RECORDINGS), pace)
    }
}
