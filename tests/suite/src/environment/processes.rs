//! Flysk processes of an environment: migration, registration, start, waits, stop.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use flysk_store::Pool;
use tempfile::TempDir;

use super::client::Client;
use super::isolation::Namespace;
use super::options::Options;
use super::simulators::{PAYMENT_FORM_ORIGIN, Simulators, TERMINAL, TERMINAL_PASSWORD};
use super::{CLIENT_ID, PUBLIC_ORIGIN};
use crate::ports::{free_or_quiet_port, quiet_port};

/// Timeout for starting and stopping on a busy machine.
pub(super) const WAIT_TIMEOUT: Duration = Duration::from_mins(5);

/// Port of the API of an environment that is kept, if it is free: its clients need not be restarted with it.
const KEPT_PORT: u16 = 8080;

/// The running product.
#[derive(Debug)]
pub struct Environment {
    /// Simulators of the outside services.
    pub simulators: Simulators,
    /// Address of the API.
    pub api_url: String,
    /// FlySense's project token.
    pub project_token: String,
    /// Database connections for assertions.
    pub pool: Pool,
    variables: BTreeMap<String, String>,
    binaries: PathBuf,
    children: Vec<Child>,
    dir: TempDir,
    // Last field, so that the data is deleted after all processes have ended.
    namespace: Namespace,
}

impl Environment {
    /// Starts all processes and waits until the API is ready. FlySense is registered but not installed.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let simulators =
            Simulators::start(options.recordings.clone(), &options.manifest, options.pace).await?;
        let dir = tempfile::tempdir()?;
        let kept = options.kept.as_deref();
        let namespace = Namespace::create(&options.database_url, &options.redis_url, kept).await?;
        let database_url = namespace.database_url();
        let port = kept.map_or_else(quiet_port, |_| free_or_quiet_port(KEPT_PORT))?;
        let api_url = format!("http://127.0.0.1:{port}");
        simulators.amocrm.state.route(PUBLIC_ORIGIN, &api_url);
        simulators.amocrm.state.route(PAYMENT_FORM_ORIGIN, &simulators.tbank.url);
        simulators.tbank.state.route(PUBLIC_ORIGIN, &api_url);
        simulators.telegram.state.route(PUBLIC_ORIGIN, &api_url);
        simulators.max.state.route(PUBLIC_ORIGIN, &api_url);
        let environment = environment(&simulators, &options, &namespace, port, dir.path())?;
        let mut env = Self {
            simulators,
            api_url,
            project_token: String::new(),
            pool: flysk_store::connect(&database_url, 8).await?,
            variables: environment,
            binaries: options.binaries,
            children: Vec::new(),
            dir,
            namespace,
        };
        env.command("flysk-worker", &["migrate"])?;
        env.register_widget(options.welcome_bonus, options.starts_switched_off).await?;
        env.spawn("flysk-api", &["serve"], "api")?;
        env.wait_until_ready().await?;
        env.start_worker()?;
        Ok(env)
    }

    /// Starts one more worker process; returns its index.
    pub fn start_worker(&mut self) -> anyhow::Result<usize> {
        let name = format!("worker-{}", self.children.len());
        self.spawn("flysk-worker", &["run", "--with-scheduler"], &name)
    }

    /// Sets a variable for processes and commands started from now on.
    pub fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.to_owned());
    }

    /// Lets processes that are started from now on reach the environment's database on this server or cluster.
    pub fn set_database_server(&mut self, url: &str) {
        let url = self.namespace.database_url_on(url);
        self.set("DATABASE_URL", &url);
    }

    /// Restarts the API with the current variables.
    pub async fn restart_api(&mut self) -> anyhow::Result<()> {
        self.kill(0)?;
        let name = format!("api-{}", self.children.len());
        self.spawn("flysk-api", &["serve"], &name)?;
        let api = self.children.pop().context("the API has no child process")?;
        *self.children.first_mut().context("the API is the first")? = api;
        self.wait_until_ready().await
    }

    /// Starts one more API process with other variables; returns its index and address. Hooks go to the first one.
    pub async fn start_another_api(&mut self, more: &[(&str, &str)]) -> anyhow::Result<(usize, String)> {
        let (usual, address) = (self.variables.clone(), format!("127.0.0.1:{}", quiet_port()?));
        self.set("FLYSK_LISTEN", &address);
        for (name, value) in more {
            self.set(name, value);
        }
        let log = format!("api-{}", self.children.len());
        let started = self.spawn("flysk-api", &["serve"], &log);
        self.variables = usual;
        let (number, url) = (started?, format!("http://{address}"));
        self.wait_until_api_is_ready(number, &url).await?;
        Ok((number, url))
    }

    /// Process id of a process started here. The API has index 0.
    pub fn pid(&self, number: usize) -> anyhow::Result<u32> {
        Ok(self.children.get(number).context("no such process")?.id())
    }

    /// Sends SIGKILL to a process started here.
    pub fn kill(&mut self, number: usize) -> anyhow::Result<()> {
        let child = self.children.get_mut(number).context("no such process")?;
        child.kill()?;
        child.wait()?;
        Ok(())
    }

    /// Sends SIGTERM and waits until the process has exited.
    pub fn terminate(&mut self, number: usize) -> anyhow::Result<()> {
        let child = self.children.get_mut(number).context("no such process")?;
        Command::new("kill").arg("-TERM").arg(child.id().to_string()).status()?;
        child.wait()?;
        Ok(())
    }

    /// Runs a command to its end; returns its standard output. On failure, the error contains both outputs.
    pub fn command(&self, binary: &str, args: &[&str]) -> anyhow::Result<String> {
        let output = Command::new(self.binaries.join(binary)).args(args).envs(&self.variables).output()?;
        if !output.status.success() {
            let [printed, complaint] =
                [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
            bail!("{binary} {}: {} {complaint}{printed}", args.join(" "), output.status);
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Starts one more Flysk process that logs to a file named `log`; returns its index.
    pub fn spawn(&mut self, binary: &str, args: &[&str], log: &str) -> anyhow::Result<usize> {
        let log = std::fs::File::create(self.dir.path().join(format!("{log}.log")))?;
        let child = Command::new(self.binaries.join(binary))
            .args(args)
            .envs(&self.variables)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("{binary} is not built: cargo build --bins"))?;
        self.children.push(child);
        Ok(self.children.len() - 1)
    }

    async fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        self.wait_until_api_is_ready(0, &self.api_url.clone()).await
    }

    async fn wait_until_api_is_ready(&mut self, number: usize, url: &str) -> anyhow::Result<()> {
        let http = reqwest::Client::builder().timeout(Duration::from_secs(30)).build()?;
        let deadline = Instant::now() + WAIT_TIMEOUT;
        loop {
            let answered = http.get(format!("{url}/readyz")).send().await;
            if answered.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            let gone = self.children.get_mut(number).is_none_or(|api| !matches!(api.try_wait(), Ok(None)));
            if gone || Instant::now() > deadline {
                bail!("the API did not become ready:\n{}", self.logs());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// API client as the widget of the account's administrator.
    pub fn client(&self) -> anyhow::Result<Client> {
        Client::new(&self.api_url, self.simulators.amocrm.state.clone())
    }

    /// Waits until the count returned by `query` is at least `wanted`.
    pub async fn wait_for(&self, query: &'static str, wanted: i64) -> anyhow::Result<()> {
        let deadline = Instant::now() + WAIT_TIMEOUT;
        loop {
            let count: i64 = sqlx::query_scalar(query).fetch_one(&self.pool).await?;
            if count >= wanted {
                return Ok(());
            }
            if Instant::now() > deadline {
                bail!("`{query}` returned {count}, expected at least {wanted}\n{}", self.logs());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// An administrator installs FlySense in amoCRM. Returns when the install is active and webhooks are
    /// subscribed.
    pub async fn install(&self) -> anyhow::Result<()> {
        let outcome = self.simulators.amocrm.state.install(CLIENT_ID, super::ACCOUNT, None).await?;
        if outcome.status != Some(200) {
            bail!("the redirect URI responded with {:?}", outcome.status);
        }
        self.wait_for("SELECT COUNT(*) FROM flysense_accounts WHERE hooks_state = 'subscribed'", 1).await?;
        self.renew_hooks().await
    }

    /// Environment variables of our processes.
    pub fn variables(&self) -> &BTreeMap<String, String> {
        &self.variables
    }

    /// Folder of the executables.
    pub fn binaries(&self) -> &Path {
        &self.binaries
    }

    /// A directory that is deleted with the environment.
    pub fn scratch(&self) -> &Path {
        self.dir.path()
    }

    /// Logs of all our processes.
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

    /// Of all processes, file by file.
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

    /// Name of the database, which is also the prefix of Redis keys.
    pub fn name(&self) -> &str {
        self.namespace.prefix()
    }

    /// Stops our processes with SIGTERM and waits for them.
    pub fn stop(mut self) -> anyhow::Result<()> {
        for child in &mut self.children {
            // Skip processes that were already killed.
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

impl Drop for Environment {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Variables of Object Storage, SpeechKit and YandexGPT.
fn yandex_variables(simulators: &Simulators) -> [(&'static str, String); 13] {
    [
        ("FLYSK_STORAGE_ENDPOINT", simulators.s3.url.clone()),
        ("FLYSK_STORAGE_BUCKET", "flysk-calls".to_owned()),
        ("FLYSK_STORAGE_ACCESS_KEY_ID", "sim-owner".to_owned()),
        ("FLYSK_STORAGE_SECRET_ACCESS_KEY", "sim-owner-secret".to_owned()),
        ("FLYSK_SPEECHKIT_STT_URL", simulators.speechkit.url.clone()),
        ("FLYSK_SPEECHKIT_OPERATION_URL", simulators.operations.url.clone()),
        ("FLYSK_SPEECHKIT_API_KEY", "sim-api-key".to_owned()),
        ("FLYSK_SPEECHKIT_POLL_FIRST_MS", "300".to_owned()),
        ("FLYSK_SPEECHKIT_POLL_EVERY_MS", "300".to_owned()),
        ("FLYSK_SPEECHKIT_POLL_AUDIO_PER_WAIT", "100".to_owned()),
        ("FLYSK_YANDEXGPT_URL", simulators.yandexgpt.url.clone()),
        ("FLYSK_YANDEXGPT_API_KEY", "sim-api-key".to_owned()),
        ("FLYSK_YANDEXGPT_MODEL_URI", "gpt://b1gsimulator/yandexgpt-lite/latest".to_owned()),
    ]
}

fn environment(
    simulators: &Simulators,
    options: &Options,
    namespace: &Namespace,
    port: u16,
    dir: &Path,
) -> anyhow::Result<BTreeMap<String, String>> {
    let api_url = format!("http://127.0.0.1:{port}");
    let recordings: url::Url = simulators.recordings.url.parse()?;
    let raw: url::Url = simulators.recordings.state.raw_url().parse()?;
    let hosts = [recordings.port(), raw.port()].map(|port| port.context("the recording host has no port"));
    let [recordings, raw] = hosts;
    let allow = [port, recordings?, raw?];
    let mut environment: BTreeMap<String, String> = [
        ("DATABASE_URL", namespace.database_url()),
        ("REDIS_URL", options.redis_url.clone()),
        ("FLYSK_REDIS_PREFIX", namespace.prefix().to_owned()),
        ("FLYSK_PUBLIC_URL", PUBLIC_ORIGIN.to_owned()),
        ("FLYSK_LISTEN", format!("127.0.0.1:{port}")),
        ("FLYSK_KEYRING", "k1:Zmx5c2stc3VpdGUta2V5LW9mLXRlc3RzLTMyYnl0ZXM=".to_owned()),
        ("FLYSK_AMOCRM_EGRESS_URL", simulators.amocrm.url.clone()),
        ("FLYSK_OUTBOUND_ALLOW", allow.map(|port| format!("127.0.0.1:{port}")).join(",")),
        ("FLYSK_SCRATCH_DIR", dir.join("scratch").display().to_string()),
        ("FLYSK_TBANK_URL", format!("{}/v2", simulators.tbank.url)),
        ("FLYSK_TBANK_TERMINAL_KEY", TERMINAL.to_owned()),
        ("FLYSK_TBANK_PASSWORD", TERMINAL_PASSWORD.to_owned()),
        ("FLYSK_TBANK_FORM_HOSTS", PAYMENT_FORM_ORIGIN.to_owned()),
        ("FLYSK_T_API_URL", format!("{}/openapi", simulators.t_api.url)),
        (super::SIMULATED_T_API_TOKEN, super::T_API_TOKEN.to_owned()),
        ("FLYSK_TELEGRAM_URL", simulators.telegram.url.clone()),
        ("FLYSK_TELEGRAM_TOKEN", super::simulators::TELEGRAM_TOKEN.to_owned()),
        ("FLYSK_TELEGRAM_WEBHOOK_SECRET", super::BOT_WEBHOOK_SECRET.to_owned()),
        ("FLYSK_MAX_URL", simulators.max.url.clone()),
        ("FLYSK_MAX_TOKEN", super::simulators::MAX_TOKEN.to_owned()),
        ("FLYSK_MAX_WEBHOOK_SECRET", super::BOT_WEBHOOK_SECRET.to_owned()),
        ("FLYSK_SMTP_URL", format!("{}?tls=none", simulators.smtp.url)),
        ("FLYSK_SMTP_FROM", "Flysk <notices@flysk.example>".to_owned()),
        ("FLYSENSE_PLATFORM_URL", api_url),
        ("FLYSENSE_CLIENT_ID", super::CLIENT_ID.to_owned()),
        ("FLYSENSE_PROJECT_TOKEN", "not-registered-yet".to_owned()),
        // No waiting for late recordings: durations in the notes of fixtures are arbitrary, and a bad recording
        // would be retried for an hour.
        ("FLYSENSE_RECORDING_SETTLE_SECONDS", "0".to_owned()),
        ("FLYSK_GRACE_SECONDS", "10".to_owned()),
    ]
    .into_iter()
    .chain(yandex_variables(simulators))
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    for (name, value) in &options.more {
        // A test's allowed addresses are added to those the environment needs.
        let ours = environment.get(name).filter(|_| name == "FLYSK_OUTBOUND_ALLOW");
        let value = ours.map_or_else(|| value.clone(), |ours| format!("{ours},{value}"));
        environment.insert(name.clone(), value);
    }
    Ok(environment)
}
