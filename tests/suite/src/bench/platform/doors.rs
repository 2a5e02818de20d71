//! Handshake and `PAuth` beside a bare handler that makes the same read.

use std::time::Duration;

use anyhow::Context as _;
use flysk_simulators::amocrm::WidgetTokenShape;
use reqwest::StatusCode;

use super::bare::Bare;
use super::pace::steadily;
use super::wrk::{Found, Question, ask};
use crate::bench::machine::memory_kib;
use crate::bench::servers::Servers;
use crate::bench::table::{Table, at_least, at_most};
use crate::bench::times::Times;
use crate::stand::{ACCOUNT, ADMIN, CLIENT_ID, Stand};

/// One-time tokens that are sent by turns; each lives half an hour and may be used again while it does.
const TOKENS: usize = 256;
/// Turns of each question, so that what else the machine does hits all alike.
const ROUNDS: usize = 3;
/// Connections to the database, of the API (its default) and of the peer.
const CONNECTIONS: u32 = 20;
const HANDSHAKE_SHARE: f64 = 0.7;
const HANDSHAKE_P99_MS: f64 = 10.0;

/// The questions, in the order of their turns.
struct Questions {
    bare: Question,
    handshake: Question,
    pauth: Question,
}

/// Runs it; its table, and what it says of budgets.
pub(super) async fn run(
    servers: &Servers,
    stand: &Stand,
    turn: Duration,
    verdicts: &mut Table,
) -> anyhow::Result<String> {
    let database = stand.environment().get("DATABASE_URL").context("the stand has a database")?;
    let bare = Bare::start(servers, database, CONNECTIONS).await?;
    let questions = questions(stand, &bare)?;
    let mut found: [Vec<Found>; 3] = Default::default();
    for _ in 0..ROUNDS {
        for (question, found) in
            [&questions.bare, &questions.handshake, &questions.pauth].iter().zip(&mut found)
        {
            found.push(ask(question, turn)?);
        }
    }
    let [bare, handshake, pauth] = found.map(median);
    let half = half_load(stand, &questions.handshake, handshake.rate() / 2.0, turn).await?;

    let mut table = Table::new(&["as fast as it answers", "answers/s", "of bare", "p50", "p99"]);
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
        "`POST /v1/handshake`, half of that".to_owned(),
        format!("{:.0}", handshake.rate() / 2.0),
        String::new(),
        format!("{:.1} ms", half.ms(50)),
        format!("{:.1} ms", half.ms(99)),
    ]);
    let share = handshake.rate() / bare.rate();
    verdicts.row(vec![
        "handshake ≥ 70 % of a bare handler with the same read".to_owned(),
        format!("{:.0} %", share * 100.0),
        at_least(
            share,
            HANDSHAKE_SHARE,
            "verifying the token, opening the secret and sealing the session cost more",
        ),
    ]);
    verdicts.row(vec![
        "handshake: p99 < 10 ms at half load".to_owned(),
        format!("{:.1} ms", half.ms(99)),
        at_most(
            half.ms(99),
            HANDSHAKE_P99_MS,
            "the machine's cores are shared with the database and whoever asks",
        ),
    ]);
    Ok(format!(
        "{table}\nMedians of {ROUNDS} turns of {} s each by wrk (1 thread, 32 connections), one after the other; all of it on this machine. The bare\n\
         handler reads widget, install and wallet in one row, as the first handshake of an install does; those after it read the wallet\n\
         alone. PAuth is asked with a user's one-time token, and each answer is a disclosure that is written before it is given.\n",
        turn.as_secs()
    ))
}

/// What `web` holds after so many handshakes.
pub(super) fn memory(stand: &Stand, handshakes: u64, verdicts: &mut Table) -> anyhow::Result<String> {
    let question = handshake_question(stand)?;
    let pid = stand.pid(0)?;
    let rss = || memory_kib(pid, "VmRSS").context("memory is known on Linux only");
    let before = rss()?;
    let mut done = 0;
    let mut table = Table::new(&["handshakes answered", "`web` holds"]);
    table.row(vec!["0 (after the turns above)".to_owned(), format!("{before} KiB")]);
    while done < handshakes {
        done += ask(&question, Duration::from_secs(5))?.requests;
        table.row(vec![done.to_string(), format!("{} KiB", rss()?)]);
    }
    let grown = rss()?.saturating_sub(before);
    verdicts.row(vec![
        format!("memory of `web` after {done} handshakes"),
        format!("{grown} KiB more"),
        "no budget".to_owned(),
    ]);
    // The table would be as long as the run: its ends tell.
    Ok(table.ends(4).to_string())
}

fn questions(stand: &Stand, bare: &Bare) -> anyhow::Result<Questions> {
    let handshake = handshake_question(stand)?;
    Ok(Questions {
        bare: Question { url: bare.url.clone(), ..handshake.clone() },
        pauth: Question {
            url: format!("{}/v1/pauth", stand.api_url),
            header: "",
            body: "{\"token\": \"%TOKEN%\"}",
            project_token: stand.project_token.clone(),
            tokens: handshake.tokens.clone(),
        },
        handshake,
    })
}

fn handshake_question(stand: &Stand) -> anyhow::Result<Question> {
    let amocrm = &stand.outside.amocrm.state;
    let shape = WidgetTokenShape::default();
    let tokens: Vec<String> = (0..TOKENS)
        .map(|_| amocrm.widget_token(CLIENT_ID, ACCOUNT, ADMIN, &shape))
        .collect::<Result<_, _>>()?;
    let file = stand.scratch().join("tokens");
    std::fs::write(&file, tokens.join("\n"))?;
    Ok(Question {
        url: format!("{}/v1/handshake", stand.api_url),
        header: "X-Auth-Token",
        body: "",
        project_token: String::new(),
        tokens: file,
    })
}

/// Handshakes at a steady pace.
async fn half_load(stand: &Stand, question: &Question, rate: f64, time: Duration) -> anyhow::Result<Times> {
    let http = reqwest::Client::builder().timeout(Duration::from_secs(30)).build()?;
    let client = stand.client()?;
    let token = client.token()?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some thousands")]
    let rate = rate.max(1.0) as u32;
    steadily(rate, time, |_| {
        let request = http.post(&question.url).header("X-Auth-Token", &token).send();
        async move {
            let answer = request.await?;
            anyhow::ensure!(
                answer.status() == StatusCode::OK,
                "a handshake was answered {}",
                answer.status()
            );
            answer.bytes().await?;
            Ok(())
        }
    })
    .await
}

/// The turn in the middle, by speed.
fn median(mut turns: Vec<Found>) -> Found {
    turns.sort_by(|a, b| a.rate().total_cmp(&b.rate()));
    turns.swap_remove(turns.len() / 2)
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn ms(us: u64) -> String {
    format!("{:.1} ms", us as f64 / 1_000.0)
}
