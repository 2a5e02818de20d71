//! Our processes: migrated, registered, started, awaited, stopped.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use flysk_runtime::config::{Database, Env, Redis};
use flysk_store::Pool;
use secrecy::ExposeSecret as _;
use tempfile::TempDir;

use super::client::Client;
use super::lodging::Lodging;
use super::outside::{Outside, RECORDINGS};
use super::{CLIENT_ID, PUBLIC_ORIGIN};
use crate::ports::quiet_port;

/// How long starting and stopping may take on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);

/// What accounts of a stand are usually given, 1,000 Flycoins: more than the fixtures cost.
pub const USUAL_BONUS: i64 = 1_000_000_000;

/// What a stand is made of.
#[derive(Debug, Clone)]
pub struct Options {
    /// MySQL; a database of its own is made there, and goes with the stand.
    pub database_url: String,
    /// Redis; keys get a prefix of their own.
    pub redis_url: String,
    /// The folder with our executables.
    pub binaries: PathBuf,
    /// Recognition time as a share of the usual 10 s a minute.
    pub pace: f64,
    /// What the host of recordings serves.
    pub recordings: PathBuf,
    /// Who speaks when in them.
    pub manifest: PathBuf,
    /// What an account is given at FlySense's first activation, millionths of a Flycoin; `None`: FlySense does
    /// not use Flycoins.
    pub welcome_bonus: Option<i64>,
    /// The name of a database and prefix that outlive the stand, for the next one; `None`: they go with it.
    pub kept: Option<String>,
    /// Variables on top, for tests that want something else.
    pub more: BTreeMap<String, String>,
}

impl Options {
    /// On the servers of `DATABASE_URL` and `REDIS_URL`, with our executables beside (or above) this one.
    pub fn from_env(recordings: PathBuf, pace: f64) -> anyhow::Result<Self> {
        let env = Env::from_process();
        let hint = "run it by `cargo xtask`, which starts private servers";
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
            welcome_bonus: Some(USUAL_BONUS),
            kept: None,
            more: BTreeMap::new(),
        })
    }

    /// The same with the recordings of the fixtures.
    pub fn with_fixtures(pace: f64) -> anyhow::Result<Self> {
        Self::from_env(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(RECORDINGS), pace)
    }
}

/// The product, running.
#[derive(Debug)]
pub struct Stand {
    /// Everything that is not ours.
    pub outside: Outside,
    /// Where the API is.
    pub api_url: String,
    /// FlySense's project token.
    pub project_token: String,
    /// For looking behind the API.
    pub pool: Pool,
    environment: BTreeMap<String, String>,
    binaries: PathBuf,
    children: Vec<Child>,
    dir: TempDir,
    // The last one: cleared away when nobody of ours is there any more.
    lodging: Lodging,
}

impl Stand {
    /// Starts everything and waits until it answers. FlySense is registered but not installed.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let outside = Outside::start(options.recordings.clone(), &options.manifest, options.pace).await?;
        let dir = tempfile::tempdir()?;
        let kept = options.kept.as_deref();
        let lodging = Lodging::take(&options.database_url, &options.redis_url, kept).await?;
        let database_url = lodging.database_url();
        let port = quiet_port()?;
        let api_url = format!("http://127.0.0.1:{port}");
        outside.amocrm.state.route(PUBLIC_ORIGIN, &api_url);
        let environment = environment(&outside, &options, &lodging, port, dir.path())?;
        let mut stand = Self {
            outside,
            api_url,
            project_token: String::new(),
            pool: flysk_store::connect(&database_url, 8).await?,
            environment,
            binaries: options.binaries,
            children: Vec::new(),
            dir,
            lodging,
        };
        stand.command("flysk-worker", &["migrate"])?;
        stand.register_widget(options.welcome_bonus).await?;
        stand.spawn("flysk-api", &["serve"], "api")?;
        stand.wait_until_ready().await?;
        stand.start_worker()?;
        Ok(stand)
    }

    /// One more worker process; returns its number.
    pub fn start_worker(&mut self) -> anyhow::Result<usize> {
        let name = format!("worker-{}", self.children.len());
        self.spawn("flysk-worker", &["run", "--with-scheduler"], &name)
    }

    /// Sets a variable for processes that are started and commands that are run from now on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.insert(name.to_owned(), value.to_owned());
    }

    /// Starts the API anew, with the variables of now.
    pub async fn restart_api(&mut self) -> anyhow::Result<()> {
        self.kill(0)?;
        let name = format!("api-{}", self.children.len());
        self.spawn("flysk-api", &["serve"], &name)?;
        let api = self.children.pop().context("it was started")?;
        *self.children.first_mut().context("the API is the first")? = api;
        self.wait_until_ready().await
    }

    /// The system's number of a process started here; the API is number 0.
    pub fn pid(&self, number: usize) -> anyhow::Result<u32> {
        Ok(self.children.get(number).context("no such process")?.id())
    }

    /// `kill -9` of a process started here.
    pub fn kill(&mut self, number: usize) -> anyhow::Result<()> {
        let child = self.children.get_mut(number).context("no such process")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// SIGTERM, and waits until the process is gone.
    pub fn terminate(&mut self, number: usize) -> anyhow::Result<()> {
        let child = self.children.get_mut(number).context("no such process")?;
        Command::new("kill").arg("-TERM").arg(child.id().to_string()).status()?;
        child.wait()?;
        Ok(())
    }

    /// Runs one of our commands to its end; what it printed. If it fails, the error has that and its complaint.
    pub fn command(&self, binary: &str, args: &[&str]) -> anyhow::Result<String> {
        let output = Command::new(self.binaries.join(binary)).args(args).envs(&self.environment).output()?;
        if !output.status.success() {
            let [printed, complaint] =
                [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
            bail!("{binary} {}: {} {complaint}{printed}", args.join(" "), output.status);
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Starts one more process of ours, which logs to a file named `log`; returns its number.
    pub fn spawn(&mut self, binary: &str, args: &[&str], log: &str) -> anyhow::Result<usize> {
        let log = std::fs::File::create(self.dir.path().join(format!("{log}.log")))?;
        let child = Command::new(self.binaries.join(binary))
            .args(args)
            .envs(&self.environment)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("{binary} is not built: cargo build --bins"))?;
        self.children.push(child);
        Ok(self.children.len() - 1)
    }

    async fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(2)).build()?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answered = http.get(format!("{}/readyz", self.api_url)).send().await;
            if answered.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            let gone = self.children.first_mut().is_none_or(|api| !matches!(api.try_wait(), Ok(None)));
            if gone || Instant::now() > deadline {
                bail!("the API did not get ready:\n{}", self.logs());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// A client of the API as the widget of the account's administrator.
    pub fn client(&self) -> anyhow::Result<Client> {
        Client::new(&self.api_url, self.outside.amocrm.state.clone())
    }

    /// Waits until a count that `query` gives is at least `wanted`.
    pub async fn wait_for(&self, query: &'static str, wanted: i64) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let count: i64 = sqlx::query_scalar(query).fetch_one(&self.pool).await?;
            if count >= wanted {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("`{query}` came to {count}, not to {wanted}\n{}", self.logs());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// An administrator presses Install in amoCRM; done when the install is active and call hooks are on.
    pub async fn install(&self) -> anyhow::Result<()> {
        let outcome = self.outside.amocrm.state.install(CLIENT_ID, super::ACCOUNT, None).await?;
        if outcome.status != Some(200) {
            bail!("the redirect was answered with {:?}", outcome.status);
        }
        self.wait_for("SELECT COUNT(*) FROM flysense_accounts WHERE hooks_state = 'subscribed'", 1).await?;
        self.renew_hooks().await
    }

    /// What our processes are configured with.
    pub fn environment(&self) -> &BTreeMap<String, String> {
        &self.environment
    }

    /// A folder for whatever belongs to this stand; gone with it.
    pub fn scratch(&self) -> &Path {
        self.dir.path()
    }

    /// What our processes logged.
    pub fn logs(&self) -> String {
        let Ok(files) = std::fs::read_dir(self.dir.path()) else { return String::new() };
        let mut logs = String::new();
        for file in files.flatten().filter(|file| file.path().extension().is_some_and(|kind| kind == "log")) {
            let text = std::fs::read_to_string(file.path()).unwrap_or_default();
            let tail: Vec<&str> = text.lines().rev().take(60).collect();
            logs.push_str("--- ");
            logs.push_str(&file.file_name().to_string_lossy());
            logs.push('\n');
            for line in tail.into_iter().rev() {
                logs.push_str(line);
                logs.push('\n');
            }
        }
        logs
    }

    /// Every line our processes logged.
    pub fn log_lines(&self) -> anyhow::Result<Vec<String>> {
        let mut lines = Vec::new();
        for file in std::fs::read_dir(self.dir.path())? {
            let path = file?.path();
            if path.extension().is_some_and(|kind| kind == "log") {
                lines.extend(std::fs::read_to_string(path)?.lines().map(str::to_owned));
            }
        }
        Ok(lines)
    }

    /// The name of its database, and what its keys in Redis begin with.
    pub fn name(&self) -> &str {
        self.lodging.prefix()
    }

    /// Asks our processes to stop and waits for them.
    pub fn stop(mut self) -> anyhow::Result<()> {
        for child in &mut self.children {
            // One that was killed on the way is not asked any more.
            if matches!(child.try_wait(), Ok(None)) {
                let _ = Command::new("kill").arg("-TERM").arg(child.id().to_string()).status();
            }
        }
        for child in &mut self.children {
            child.wait()?;
        }
        Ok(())
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn environment(
    outside: &Outside,
    options: &Options,
    lodging: &Lodging,
    port: u16,
    dir: &Path,
) -> anyhow::Result<BTreeMap<String, String>> {
    let api_url = format!("http://127.0.0.1:{port}");
    let recordings: url::Url = outside.recordings.url.parse()?;
    let raw: url::Url = outside.recordings.state.raw_url().parse()?;
    let hosts = [recordings.port(), raw.port()].map(|port| port.context("a host of recordings has a port"));
    let [recordings, raw] = hosts;
    let allow = [port, recordings?, raw?];
    let mut environment: BTreeMap<String, String> = [
        ("DATABASE_URL", lodging.database_url()),
        ("REDIS_URL", options.redis_url.clone()),
        ("FLYSK_REDIS_PREFIX", lodging.prefix().to_owned()),
        ("FLYSK_PUBLIC_URL", PUBLIC_ORIGIN.to_owned()),
        ("FLYSK_LISTEN", format!("127.0.0.1:{port}")),
        ("FLYSK_KEYRING", "stand:Zmx5c2stc3VpdGUta2V5LW9mLXRlc3RzLTMyYnl0ZXM=".to_owned()),
        ("FLYSK_AMOCRM_EGRESS_URL", outside.amocrm.url.clone()),
        ("FLYSK_OUTBOUND_ALLOW", allow.map(|port| format!("127.0.0.1:{port}")).join(",")),
        ("FLYSK_SCRATCH_DIR", dir.join("scratch").display().to_string()),
        ("FLYSK_STORAGE_ENDPOINT", outside.s3.url.clone()),
        ("FLYSK_STORAGE_BUCKET", "flysk-calls".to_owned()),
        ("FLYSK_STORAGE_ACCESS_KEY_ID", "sim-owner".to_owned()),
        ("FLYSK_STORAGE_SECRET_ACCESS_KEY", "sim-owner-secret".to_owned()),
        ("FLYSK_SPEECHKIT_STT_URL", outside.speechkit.url.clone()),
        ("FLYSK_SPEECHKIT_OPERATION_URL", outside.operations.url.clone()),
        ("FLYSK_SPEECHKIT_API_KEY", "sim-api-key".to_owned()),
        ("FLYSK_SPEECHKIT_POLL_FIRST_MS", "300".to_owned()),
        ("FLYSK_SPEECHKIT_POLL_EVERY_MS", "300".to_owned()),
        ("FLYSK_SPEECHKIT_POLL_AUDIO_PER_WAIT", "100".to_owned()),
        ("FLYSK_YANDEXGPT_URL", outside.yandexgpt.url.clone()),
        ("FLYSK_YANDEXGPT_API_KEY", "sim-api-key".to_owned()),
        ("FLYSK_YANDEXGPT_MODEL_URI", "gpt://b1gsimulator/yandexgpt-lite/latest".to_owned()),
        ("FLYSENSE_PLATFORM_URL", api_url),
        ("FLYSENSE_CLIENT_ID", super::CLIENT_ID.to_owned()),
        ("FLYSENSE_PROJECT_TOKEN", "not-registered-yet".to_owned()),
        // The first answer decides: notes of the fixtures say any length, and nobody waits an hour for a bad one.
        ("FLYSENSE_RECORDING_SETTLE_SECONDS", "0".to_owned()),
        ("FLYSK_GRACE_SECONDS", "10".to_owned()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    for (name, value) in &options.more {
        // What a test opens is opened beside what the stand itself needs.
        let ours = environment.get(name).filter(|_| name == "FLYSK_OUTBOUND_ALLOW");
        let value = ours.map_or_else(|| value.clone(), |ours| format!("{ours},{value}"));
        environment.insert(name.clone(), value);
    }
    Ok(environment)
}
