//! Handshake and `PAuth`, compared with a bare handler that makes the same read.

use std::time::Duration;

use anyhow::Context as _;
use flysk_simulators::amocrm::WidgetTokenShape;

use super::pace::steadily;
use super::wrk::{LoadRequest, LoadResult, run_wrk};
use crate::bench::bare::Bare;
use crate::bench::machine::memory_kib;
use crate::bench::servers::Servers;
use crate::bench::table::{Table, at_least, at_most};
use crate::bench::times::Times;
use crate::environment::{ACCOUNT, ADMIN, CLIENT_ID, Environment};

/// One-time tokens, used in rotation. Each is valid for 30 minutes and may be used repeatedly.
const TOKEN_COUNT: usize = 256;
/// Rounds per request, interleaved so that other load on the machine affects all requests alike.
const MEASURED_ROUNDS: usize = 3;
/// Size of the connection pool of the API (its default) and of the peer.
const CONNECTIONS: u32 = 20;
const MIN_HANDSHAKE_SHARE: f64 = 0.9;
const MAX_HANDSHAKE_P99_MS: f64 = 10.0;

/// The requests, in the order of a round.
struct LoadRequests {
    bare: LoadRequest,
    handshake: LoadRequest,
    pauth: LoadRequest,
}

/// Runs the benchmark; returns its table and adds verdicts.
pub(super) async fn run(
    servers: &Servers,
    env: &Environment,
    load_time: Duration,
    verdicts: &mut Table,
) -> anyhow::Result<String> {
    let database = env.variables().get("DATABASE_URL").context("the environment has a database")?;
    let bare = Bare::start(servers, database, CONNECTIONS).await?;
    let questions = questions(env, &bare)?;
    let mut found: [Vec<LoadResult>; 3] = Default::default();
    for _ in 0..MEASURED_ROUNDS {
        for (question, found) in
            [&questions.bare, &questions.handshake, &questions.pauth].iter().zip(&mut found)
        {
            found.push(run_wrk(question, load_time)?);
        }
    }
    let [bare, handshake, pauth] = found.map(median);
    let half = half_load(env, &questions.handshake, handshake.rate() / 2.0, load_time).await?;

    let mut table = Table::new(&["at full load", "answers/s", "of bare handler", "p50", "p99"]);
    for (name, found) in
        [("bare handler, one read", bare), ("`POST /v1/handshake`", handshake), ("`POST /v1/pauth`", pauth)]
    {
        table.row(vec![
            name.to_owned(),
            format!("{:.0}", found.rate()),
            format!("{:.0} %", 100.0 * found.rate() / bare.rate()),
            ms(found.p50_us),
            ms(found.p99_us),
        ]);
    }
    table.row(vec![
        "`POST /v1/handshake`, at half load".to_owned(),
        format!("{:.0}", handshake.rate() / 2.0),
        String::new(),
        format!("{:.1} ms", half.ms(50)),
        format!("{:.1} ms", half.ms(99)),
    ]);
    judge_handshake(handshake.rate() / bare.rate(), half.ms(99), verdicts);
    Ok(format!(
        "{table}\nMedians of {MEASURED_ROUNDS} sequential rounds of {} s each by wrk (1 thread, 32 connections), all on this machine. The bare handler reads widget,\n\
         install and wallet in one row, as the first handshake of an install does; later handshakes read only the wallet, those that wait in one\n\
         statement. PAuth is called with a user's one-time token, and each answer is recorded in the audit log before it is sent.\n",
        load_time.as_secs()
    ))
}

/// Adds the verdicts on the handshake: its share of the bare handler's rate, and its latency at half load in ms.
fn judge_handshake(share: f64, p99_ms: f64, verdicts: &mut Table) {
    verdicts.row(vec![
        "handshake ≥ 90 % of a bare handler with the same read".to_owned(),
        format!("{:.0} %", share * 100.0),
        at_least(
            share,
            MIN_HANDSHAKE_SHARE,
            "verifying the token, decrypting the secret and encrypting the session cost more",
        ),
    ]);
    verdicts.row(vec![
        "handshake: p99 < 10 ms at half load".to_owned(),
        format!("{p99_ms:.1} ms"),
        at_most(
            p99_ms,
            MAX_HANDSHAKE_P99_MS,
            "the database and the load generator share the machine's cores",
        ),
    ]);
}

/// Memory of `web` after this many handshakes.
pub(super) fn memory(env: &Environment, handshakes: u64, verdicts: &mut Table) -> anyhow::Result<String> {
    let question = handshake_request(env)?;
    let pid = env.pid(0)?;
    let rss = || memory_kib(pid, "VmRSS").context("memory can be measured on Linux only");
    let before = rss()?;
    let mut done = 0;
    let mut table = Table::new(&["handshakes answered", "memory of `web`"]);
    table.row(vec!["0 (after the rounds above)".to_owned(), format!("{before} KiB")]);
    while done < handshakes {
        done += run_wrk(&question, Duration::from_secs(5))?.requests;
        table.row(vec![done.to_string(), format!("{} KiB", rss()?)]);
    }
    let grown = rss()?.saturating_sub(before);
    verdicts.row(vec![
        format!("memory of `web` after {done} handshakes"),
        format!("{grown} KiB more"),
        "no budget".to_owned(),
    ]);
    // Only the first and last rows: the full table would be as long as the run.
    Ok(table.ends(4).to_string())
}

fn questions(env: &Environment, bare: &Bare) -> anyhow::Result<LoadRequests> {
    let handshake = handshake_request(env)?;
    Ok(LoadRequests {
        bare: LoadRequest { url: bare.url.clone(), ..handshake.clone() },
        pauth: pauth_request(env, &handshake),
        handshake,
    })
}

/// `PAuth` with the tokens of the handshakes.
pub(super) fn pauth_request(env: &Environment, handshake: &LoadRequest) -> LoadRequest {
    LoadRequest {
        url: format!("{}/v1/pauth", env.api_url),
        header: "",
        body: "{\"token\": \"%TOKEN%\"}".to_owned(),
        project_token: env.project_token.clone(),
        tokens: handshake.tokens.clone(),
    }
}

/// A handshake of FlySense's widget.
pub(in crate::bench) fn handshake_request(env: &Environment) -> anyhow::Result<LoadRequest> {
    let amocrm = &env.simulators.amocrm.state;
    let shape = WidgetTokenShape::default();
    let tokens: Vec<String> = (0..TOKEN_COUNT)
        .map(|_| amocrm.widget_token(CLIENT_ID, ACCOUNT, ADMIN, &shape))
        .collect::<Result<_, _>>()?;
    let file = env.scratch().join("tokens");
    std::fs::write(&file, tokens.join("\n"))?;
    Ok(LoadRequest {
        url: format!("{}/v1/handshake", env.api_url),
        header: "X-Auth-Token",
        body: String::new(),
        project_token: String::new(),
        tokens: file,
    })
}

/// The request at a steady rate.
pub(in crate::bench) async fn half_load(
    env: &Environment,
    question: &LoadRequest,
    rate: f64,
    time: Duration,
) -> anyhow::Result<Times> {
    let http = reqwest::Client::builder().timeout(Duration::from_secs(30)).build()?;
    let client = env.client()?;
    let token = client.token()?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some thousands")]
    let rate = rate.max(1.0) as u32;
    steadily(rate, time, |_| {
        let request = http
            .post(&question.url)
            .header("X-Auth-Token", &token)
            .header("Content-Type", "application/json")
            .body(question.body.clone())
            .send();
        async move {
            let answer = request.await?;
            let status = answer.status();
            anyhow::ensure!(status.is_success(), "a request failed with status {status}");
            answer.bytes().await?;
            Ok(())
        }
    })
    .await
}

/// The round with the median rate.
pub(in crate::bench) fn median(mut rounds: Vec<LoadResult>) -> LoadResult {
    rounds.sort_by(|a, b| a.rate().total_cmp(&b.rate()));
    rounds.swap_remove(rounds.len() / 2)
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn ms(us: u64) -> String {
    format!("{:.1} ms", us as f64 / 1_000.0)
}
