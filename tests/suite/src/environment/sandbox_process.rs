//! `flysk-sandbox` as a process, as vendors run it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use reqwest::{Method, StatusCode};
use serde_json::Value;
use tempfile::NamedTempFile;

use super::options::Options;

/// Time limit of a request; moving the clock by a year takes seconds.
const REQUEST_TIMEOUT: Duration = Duration::from_mins(10);

/// A running sandbox. It is stopped on drop, and deletes its database.
#[derive(Debug)]
pub struct SandboxProcess {
    /// The line that it printed when it was ready.
    pub state: Value,
    /// Time from before the start to that line.
    pub booted_in: Duration,
    child: Child,
    /// Kept open: the sandbox may print.
    _stdout: BufReader<ChildStdout>,
    log: NamedTempFile,
    http: reqwest::Client,
}

impl SandboxProcess {
    /// Starts the executable of this build on the servers of `options`.
    ///
    /// # Errors
    ///
    /// It does not become ready.
    pub fn start(options: &Options, args: &[&str]) -> anyhow::Result<Self> {
        Self::start_at(&options.binaries, (&options.database_url, &options.redis_url), args)
    }

    /// The same with a folder of executables, and the addresses of database and Redis.
    ///
    /// # Errors
    ///
    /// It does not become ready.
    pub fn start_at(binaries: &Path, servers: (&str, &str), args: &[&str]) -> anyhow::Result<Self> {
        let log = NamedTempFile::new()?;
        let began = Instant::now();
        let mut child = Command::new(binaries.join("flysk-sandbox"))
            .args(args)
            .env("DATABASE_URL", servers.0)
            .env("REDIS_URL", servers.1)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log.reopen()?)
            .spawn()
            .context("flysk-sandbox is not built: cargo build --workspace --bins")?;
        let mut stdout = BufReader::new(child.stdout.take().context("standard output is a pipe")?);
        let mut line = String::new();
        stdout.read_line(&mut line)?;
        let booted_in = began.elapsed();
        if line.is_empty() {
            let status = child.wait()?;
            bail!("flysk-sandbox ended ({status}): {}", std::fs::read_to_string(log.path())?);
        }
        let http = reqwest::Client::builder().no_proxy().timeout(REQUEST_TIMEOUT).build()?;
        Ok(Self { state: serde_json::from_str(&line)?, booted_in, child, _stdout: stdout, log, http })
    }

    /// What it printed for people, and its log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.log.path()).unwrap_or_default()
    }

    /// A text of the printed state, such as `/project_token`; empty if it has none.
    pub fn text(&self, pointer: &str) -> &str {
        self.state.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    /// Sends a request to the control API; returns status and body.
    ///
    /// # Errors
    ///
    /// There is no answer, or it is not JSON.
    pub async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<(StatusCode, Value)> {
        let mut request = self.http.request(method, format!("{}{path}", self.text("/control_url")));
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await?;
        Ok((answer.status(), answer.json().await?))
    }

    /// Sends a request to the control API that must succeed; returns its body.
    ///
    /// # Errors
    ///
    /// It is refused.
    pub async fn control(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let (status, answer) = self.ask(method.clone(), path, body).await?;
        ensure!(status == StatusCode::OK, "{method} {path}: {status} {answer}\n{}", self.log());
        Ok(answer)
    }

    /// Sends a request to the product's API with these headers; returns status and body.
    ///
    /// # Errors
    ///
    /// There is no answer, or it is not JSON.
    pub async fn api(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> anyhow::Result<(StatusCode, Value)> {
        let mut request = self.http.request(method, format!("{}{path}", self.text("/url")));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await?;
        Ok((answer.status(), answer.json().await?))
    }

    /// An `X-Auth-Token` of a user.
    ///
    /// # Errors
    ///
    /// There is no such user.
    pub async fn token(&self, account: u64, user: u64) -> anyhow::Result<String> {
        let path = format!("/accounts/{account}/users/{user}/token");
        let issued = self.control(Method::POST, &path, None).await?;
        Ok(issued["token"].as_str().context("a token")?.to_owned())
    }

    /// Stops it and waits until its database is deleted.
    ///
    /// # Errors
    ///
    /// It ended with an error.
    pub fn stop(self) -> anyhow::Result<()> {
        self.stop_and_tell().map(drop)
    }

    /// [`Self::stop`]; returns all that it printed for people, and its log.
    ///
    /// # Errors
    ///
    /// It ended with an error.
    pub fn stop_and_tell(mut self) -> anyhow::Result<String> {
        let status = self.terminate()?;
        ensure!(status.success(), "flysk-sandbox ended with {status}: {}", self.log());
        Ok(self.log())
    }

    fn terminate(&mut self) -> anyhow::Result<std::process::ExitStatus> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(status);
        }
        Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status()?;
        Ok(self.child.wait()?)
    }
}

impl Drop for SandboxProcess {
    fn drop(&mut self) {
        if let Err(error) = self.terminate() {
            tracing::warn!(%error, "the sandbox could not be stopped");
        }
    }
}
