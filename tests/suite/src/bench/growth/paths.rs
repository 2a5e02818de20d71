//! Hot paths, asked on both databases in turns.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use flysk_domain::SystemClock;
use flysk_queue::Outbox;
use flysk_queue::cron::Scheduler;

use super::bench_env::BenchEnv;
use super::{Pair, alternate};

/// Rounds of each side, and requests of a round.
const ROUNDS: u32 = 6;
const PER_ROUND: u32 = 40;
/// Looks of the scheduler per round; each asks for every entry.
const LOOKS_PER_ROUND: u32 = 10;

/// A request of a hot path; the number makes it different from the others.
#[derive(Debug, Clone, Copy)]
enum Path {
    Handshake,
    Pauth,
    Hook,
    Charge,
    Card,
    History,
    Credits,
}

impl Path {
    const ALL: [Self; 7] =
        [Self::Handshake, Self::Pauth, Self::Hook, Self::Charge, Self::Card, Self::History, Self::Credits];

    const fn name(self) -> &'static str {
        match self {
            Self::Handshake => "`POST /v1/handshake`",
            Self::Pauth => "`POST /v1/pauth`",
            Self::Hook => "amoCRM's webhook",
            Self::Charge => "`POST /v1/backend/flycoins/charges`",
            Self::Card => "calls of a card",
            Self::History => "page of the history",
            Self::Credits => "page of the history, credits only",
        }
    }

    async fn ask(self, bench: &BenchEnv, number: u32) -> anyhow::Result<Duration> {
        match self {
            Self::Handshake => bench.handshake().await,
            Self::Pauth => bench.pauth().await,
            Self::Hook => bench.hook(number).await,
            Self::Charge => bench.charge(&format!("path-{number}")).await,
            Self::Card => bench.card().await,
            Self::History => bench.history("").await,
            Self::Credits => bench.history("&kinds=credit").await,
        }
    }
}

/// Measures all paths, and the first look of a scheduler.
pub(super) async fn measure(empty: &BenchEnv, full: &BenchEnv) -> anyhow::Result<Vec<Pair>> {
    let benches = [empty, full];
    let measured = Box::pin(measure_all(benches)).await;
    for bench in benches {
        remove_jobs(bench).await?;
    }
    measured
}

async fn measure_all(benches: [&BenchEnv; 2]) -> anyhow::Result<Vec<Pair>> {
    let mut pairs = Vec::new();
    for path in Path::ALL {
        let asked = alternate(ROUNDS, PER_ROUND, async |side, number| path.ask(benches[side], number).await);
        let [empty, full] = asked.await.with_context(|| path.name())?;
        pairs.push(Pair { name: path.name().to_owned(), empty, full });
    }
    pairs.push(first_looks_of_a_scheduler(benches).await.context("looks of a scheduler")?);
    Ok(pairs)
}

/// Of a scheduler that begins: its later looks read nothing, unless a tick is due.
async fn first_looks_of_a_scheduler(benches: [&BenchEnv; 2]) -> anyhow::Result<Pair> {
    let looked = alternate(ROUNDS, LOOKS_PER_ROUND, async |side, _| {
        let outbox = Outbox::new(benches[side].env.pool.clone(), None, Arc::new(SystemClock));
        let scheduler = Scheduler::new(outbox, flysk_workers::schedule::entries(true)?);
        let began = Instant::now();
        scheduler.tick_once().await?;
        Ok(began.elapsed())
    });
    let [empty, full] = looked.await?;
    Ok(Pair { name: "first look of a scheduler at all entries".to_owned(), empty, full })
}

/// Removes the jobs that the requests and the scheduler enqueued, which a worker would perform beside the next measurement.
async fn remove_jobs(bench: &BenchEnv) -> anyhow::Result<()> {
    for statement in [
        "DELETE FROM jobs WHERE correlation_id LIKE 'cron.%'",
        "DELETE FROM jobs WHERE kind = 'calls.ingest_note' AND state = 'queued'",
    ] {
        sqlx::query(statement).execute(&bench.env.pool).await?;
    }
    Ok(())
}
