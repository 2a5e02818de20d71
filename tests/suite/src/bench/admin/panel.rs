//! The panel as a process, and an operator who is signed in.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use flysk_domain::{Clock as _, SystemClock};
use reqwest::header::{COOKIE, LOCATION, ORIGIN, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Response, StatusCode};
use totp_rs::{Builder, Secret};

use super::measure_requests;
use crate::bench::machine::memory_kib;
use crate::bench::times::Times;
use crate::environment::Environment;
use crate::ports::quiet_port;

/// Login of the operator.
const LOGIN: &str = "bench";
/// Time between readiness and the memory reading.
const IDLE_TIME: Duration = Duration::from_secs(2);
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// A page that takes longer is an error.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Interval of the looks at a starting process.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A running panel and the session of an owner with the right to export.
#[derive(Debug)]
pub(super) struct SignedPanel {
    /// Memory of the process before its first page, in KiB.
    pub(super) idle_kib: u64,
    url: String,
    http: reqwest::Client,
    cookie: String,
}

impl SignedPanel {
    /// Starts the panel, reads its memory, creates the operator and signs in.
    pub(super) async fn start(env: &mut Environment) -> anyhow::Result<Self> {
        let address = format!("127.0.0.1:{}", quiet_port()?);
        let url = format!("http://{address}");
        env.set("FLYSK_ADMIN_LISTEN", &address);
        env.set("FLYSK_ADMIN_URL", &url);
        let create = ["operator:create", LOGIN, "--name", "Bench", "--role", "owner", "--right", "export"];
        let printed = env.command("flysk-admin", &create)?;
        let password = printed.lines().last().map(str::trim).context("the command printed no password")?;
        let process = env.spawn("flysk-admin", &["serve"], "admin")?;
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .timeout(REQUEST_TIMEOUT)
            .build()?;
        let mut panel = Self { idle_kib: 0, url, http, cookie: String::new() };
        wait_until_ready(&panel.http, &panel.url, env).await?;
        tokio::time::sleep(IDLE_TIME).await;
        panel.idle_kib =
            memory_kib(env.pid(process)?, "VmRSS").context("memory can be measured on Linux only")?;
        panel.sign_in(password).await.context("cannot sign in")?;
        Ok(panel)
    }

    /// Gives the password, sets up the second factor and gives its first code.
    async fn sign_in(&mut self, password: &str) -> anyhow::Result<()> {
        let answer = self.post("/sign-in", &[("login", LOGIN), ("password", password)]).await?;
        ensure!(
            answer.status() == StatusCode::SEE_OTHER,
            "the password was answered with {}",
            answer.status()
        );
        self.cookie = session_of(&answer, "flysk_admin=")?;
        let form = self.get("/sign-in/code").await?;
        let secret = between(&form, "id=\"secret\">", "<").context("no secret of a second factor")?;
        let csrf = between(&form, "name=\"csrf\" value=\"", "\"").context("no CSRF token")?;
        let code = code(secret)?;
        let fields = [("csrf", csrf), ("code", code.as_str()), ("next", "/")];
        let answer = self.post("/sign-in/code", &fields).await?;
        ensure!(answer.status() == StatusCode::OK, "the code was answered with {}", answer.status());
        self.cookie = session_of(&answer, "flysk_admin=")?;
        Ok(())
    }

    /// Requests an export of a whole list; returns its id.
    pub(super) async fn export(&self, list: &str, format: &str) -> anyhow::Result<String> {
        let page = self.get("/me").await?;
        let csrf = between(&page, "name=\"csrf\" value=\"", "\"").context("no CSRF token")?;
        let fields =
            [("csrf", csrf), ("list", list), ("query", ""), ("file_format", format), ("reason", "Замер")];
        let answer = self.post("/export", &fields).await?;
        let status = answer.status();
        let location = answer.headers().get(LOCATION).and_then(|path| path.to_str().ok());
        let id = location.and_then(|path| path.strip_prefix("/exports/")).map(str::to_owned);
        id.with_context(|| format!("the request of an export was answered with {status}"))
    }

    /// Times of a page.
    pub(super) async fn measure(&self, path: &str, requests: usize) -> anyhow::Result<Times> {
        measure_requests(requests, || self.get(path)).await
    }

    /// Length of a page, bytes.
    pub(super) async fn length(&self, path: &str) -> anyhow::Result<usize> {
        Ok(self.get(path).await?.len())
    }

    /// A page. A redirect counts too: a search with one result leads to its page.
    async fn get(&self, path: &str) -> anyhow::Result<String> {
        let request = self.http.get(format!("{}{path}", self.url)).header(COOKIE, &self.cookie);
        let answer = request.send().await.with_context(|| path.to_owned())?;
        let (status, location) = (answer.status(), answer.headers().get(LOCATION).cloned());
        let text = answer.text().await?;
        let is_served = match &location {
            Some(to) => status == StatusCode::SEE_OTHER && !to.as_bytes().starts_with(b"/sign-in"),
            None => status == StatusCode::OK,
        };
        ensure!(is_served, "{path} was answered with {status}, {location:?}");
        Ok(text)
    }

    /// Sends a form as a browser does on a page of the panel.
    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> anyhow::Result<Response> {
        let request = self.http.post(format!("{}{path}", self.url)).header(ORIGIN, &self.url).form(fields);
        let request = if self.cookie.is_empty() { request } else { request.header(COOKIE, &self.cookie) };
        request.send().await.with_context(|| path.to_owned())
    }
}

/// Waits until the panel at this address is ready.
pub(super) async fn wait_until_ready(
    http: &reqwest::Client,
    url: &str,
    env: &Environment,
) -> anyhow::Result<()> {
    let deadline = Instant::now() + START_TIMEOUT;
    loop {
        let answered = http.get(format!("{url}/readyz")).send().await;
        if answered.is_ok_and(|answer| answer.status().is_success()) {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("the panel did not become ready:\n{}", env.logs());
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

pub(super) fn code(secret: &str) -> anyhow::Result<String> {
    let secret = Secret::try_from_base32(secret).map_err(|_| anyhow::anyhow!("the secret is not base32"))?;
    let totp = Builder::new().with_secret(secret).build()?;
    Ok(totp.generate(u64::try_from(SystemClock.now().timestamp())?).to_string())
}

/// The session's cookie in a response, whose name and `=` is `begin`.
pub(super) fn session_of(answer: &Response, begin: &str) -> anyhow::Result<String> {
    let cookies = answer.headers().get_all(SET_COOKIE).iter().filter_map(|cookie| cookie.to_str().ok());
    let session = cookies.into_iter().find(|cookie| cookie.starts_with(begin));
    let pair = session.and_then(|cookie| cookie.split(';').next());
    pair.map(str::to_owned).context("no session in the answer")
}

/// The text between two others.
pub(super) fn between<'a>(page: &'a str, begin: &str, end: &str) -> Option<&'a str> {
    Some(page.split_once(begin)?.1.split_once(end)?.0)
}
