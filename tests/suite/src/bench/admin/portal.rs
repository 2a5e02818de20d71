//! Benchmark of the vendors' portal: pages of the log of deliveries over many attempts, as a signed-in user of a vendor reads them.

use anyhow::{Context as _, ensure};
use flysk_domain::SystemClock;
use flysk_store::Pool;
use reqwest::header::{COOKIE, ORIGIN};
use reqwest::redirect::Policy;
use reqwest::{Response, StatusCode};

use super::panel::{REQUEST_TIMEOUT, between, code, session_of, wait_until_ready};
use super::{BUFFER_POOL_BYTES, REQUESTS, measure_requests, set_buffer_pool};
use crate::bench::fill::{self, Volume, write_attempts};
use crate::bench::servers::Servers;
use crate::bench::table::{Table, at_most, budgets};
use crate::bench::times::Times;
use crate::environment::Environment;
use crate::ports::quiet_port;

/// Attempts of the small log that growth is measured from.
const FEW_ATTEMPTS: u32 = 10_000;
/// Calls and jobs of both databases, of which a fifth are events.
const VOLUME_ROWS: u32 = 100_000;
/// The user of the vendor.
const EMAIL: &str = "bench@example.test";
const PASSWORD: &str = "a long password of the benchmark";
/// Budget of a page, p95.
const MAX_PAGE_MS: f64 = 100.0;

/// Runs the benchmark with a log of this many attempts.
pub(in crate::bench) async fn run(servers: &Servers, attempts: u32) -> anyhow::Result<String> {
    let usual = set_buffer_pool(servers, BUFFER_POOL_BYTES).await?;
    let measured = Box::pin(measure(servers, attempts)).await;
    set_buffer_pool(servers, usual).await?;
    measured
}

/// A page with its times.
type Measured = (String, Times);

async fn measure(servers: &Servers, attempts: u32) -> anyhow::Result<String> {
    let few = Box::pin(measure_log(servers, FEW_ATTEMPTS)).await.context("few attempts")?;
    let many = Box::pin(measure_log(servers, attempts)).await.context("many attempts")?;
    let mut table = Table::new(&["page of the log", "p50", "p95", "growth"]);
    let ms = |value: f64| format!("{value:.1} ms");
    for ((name, large), (_, small)) in many.iter().zip(&few) {
        let growth = large.ms(50) / small.ms(50);
        table.row(vec![name.clone(), ms(large.ms(50)), ms(large.ms(95)), format!("{growth:.2} ×")]);
    }
    let slowest = many.iter().map(|(_, times)| times.ms(95)).fold(0.0, f64::max);
    let mut verdicts = budgets();
    verdicts.row(vec![
        format!("a page of the delivery log over {attempts} attempts: p95 < 100 ms"),
        format!("{} at most", ms(slowest)),
        at_most(slowest, MAX_PAGE_MS, "a page reads more rows than it shows"),
    ]);
    Ok(format!(
        "{table}\n{verdicts}\n{attempts} attempts of {} events, of 20 widgets of one vendor. Requests are sent one after the other over HTTP to \
         `flysk-admin`, as a\nsigned-in user of the vendor, {REQUESTS} for each page of 50 attempts. Growth is the median relative to that with \
         {FEW_ATTEMPTS} attempts.\n",
        Volume::of(VOLUME_ROWS).events()
    ))
}

/// Fills a database and measures the pages of its log.
async fn measure_log(servers: &Servers, attempts: u32) -> anyhow::Result<Vec<Measured>> {
    let mut env =
        Environment::start(servers.environment()).await.context("the environment does not start")?;
    // The portal alone is measured.
    env.kill(0)?;
    env.kill(1)?;
    sqlx::query("DELETE FROM jobs").execute(&env.pool).await?;
    Box::pin(fill::fill(&env.pool, Volume::of(VOLUME_ROWS), &SystemClock)).await.context("cannot fill")?;
    write_attempts(&env.pool, attempts.into()).await.context("cannot write the attempts")?;
    let pages = pages(&env.pool).await?;
    let member = Member::start(&mut env).await.context("the portal does not start")?;
    let mut measured = Vec::new();
    for (name, path) in pages {
        let times = measure_requests(REQUESTS, || member.get(&path)).await?;
        measured.push((name.to_owned(), times));
    }
    env.stop()?;
    Ok(measured)
}

/// Names and paths of the measured pages, of the widget of the newest attempt.
async fn pages(pool: &Pool) -> anyhow::Result<Vec<(&'static str, String)>> {
    let (last, widget, account): (u64, String, u64) = sqlx::query_as(
        "SELECT a.id, e.widget_id, e.account_id FROM lifecycle_attempts a JOIN lifecycle_events e ON e.id = a.event_id
         ORDER BY a.id DESC LIMIT 1",
    )
    .fetch_one(pool)
    .await?;
    let path = |rest: &str| format!("/portal/deliveries?widget={widget}{rest}");
    Ok(vec![
        ("newest", path("")),
        ("from the middle on", path(&format!("&before={}", last / 2))),
        ("failed ones", path("&outcome=failed")),
        ("refused ones", path("&outcome=refused")),
        ("interrupted ones, of which there are none", path("&outcome=interrupted")),
        ("those of an account", path(&format!("&account={account}"))),
    ])
}

/// A signed-in user of the vendor.
#[derive(Debug)]
struct Member {
    url: String,
    http: reqwest::Client,
    cookie: String,
}

impl Member {
    /// Starts the panel with the portal, invites the user, and signs in.
    async fn start(env: &mut Environment) -> anyhow::Result<Self> {
        let address = format!("127.0.0.1:{}", quiet_port()?);
        let url = format!("http://{address}");
        env.set("FLYSK_ADMIN_LISTEN", &address);
        env.set("FLYSK_ADMIN_URL", &url);
        env.set("FLYSK_PORTAL_URL", &url);
        let vendor = "SELECT v.code FROM vendors v JOIN widgets w ON w.vendor_id = v.id LIMIT 1";
        let vendor: String = sqlx::query_scalar(vendor).fetch_one(&env.pool).await?;
        let printed = env.command("flysk-worker", &["vendor:invite", &vendor, EMAIL, "--print-link"])?;
        let link = printed.lines().find(|line| line.contains("/portal/invitation"));
        let link: url::Url = link.context("the command printed no link")?.trim().parse()?;
        let ticket = link.query_pairs().find(|(name, _)| name == "invitation");
        let ticket = ticket.context("the link has no ticket")?.1.into_owned();
        env.spawn("flysk-admin", &["serve"], "admin")?;
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .timeout(REQUEST_TIMEOUT)
            .build()?;
        wait_until_ready(&http, &url, env).await?;
        let mut member = Self { url, http, cookie: String::new() };
        member.accept(&ticket).await?;
        Ok(member)
    }

    /// Accepts the invitation, sets up the second factor and gives its first code.
    async fn accept(&mut self, ticket: &str) -> anyhow::Result<()> {
        let fields =
            [("invitation", ticket), ("name", "Bench"), ("password", PASSWORD), ("password_again", PASSWORD)];
        let answer = self.post("/portal/invitation", &fields).await?;
        ensure!(answer.status() == StatusCode::SEE_OTHER, "the invitation: {}", answer.status());
        self.cookie = session_of(&answer, "flysk_portal=")?;
        let form = self.get("/portal/sign-in/code").await?;
        let secret = between(&form, "id=\"secret\">", "<").context("no secret of a second factor")?;
        let csrf = between(&form, "name=\"csrf\" value=\"", "\"").context("no CSRF token")?;
        let code = code(secret)?;
        let answer = self.post("/portal/sign-in/code", &[("csrf", csrf), ("code", code.as_str())]).await?;
        ensure!(answer.status() == StatusCode::OK, "the code: {}", answer.status());
        self.cookie = session_of(&answer, "flysk_portal=")?;
        Ok(())
    }

    /// A page, which must be there.
    async fn get(&self, path: &str) -> anyhow::Result<String> {
        let request = self.http.get(format!("{}{path}", self.url)).header(COOKIE, &self.cookie);
        let answer = request.send().await.with_context(|| path.to_owned())?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(status == StatusCode::OK, "{path}: {status}");
        Ok(text)
    }

    async fn post(&self, path: &str, fields: &[(&str, &str)]) -> anyhow::Result<Response> {
        let request = self.http.post(format!("{}{path}", self.url)).header(ORIGIN, &self.url).form(fields);
        let request = if self.cookie.is_empty() { request } else { request.header(COOKIE, &self.cookie) };
        request.send().await.with_context(|| path.to_owned())
    }
}
