//! Benchmark of growth: what the hot paths cost on a database with years of rows, beside the same on an empty one.
//!
//! Both environments run at the same time and are asked in turns, so that other load on the machine concerns both. Each has one
//! customer whose card, history and balance are measured; in the full one the generator of the panel's benchmark adds the
//! others, and the measured customer has a long history.
//!
//! A measurement that fails leaves the others their numbers: the filling takes minutes.

mod bench_env;
mod customer;
mod kinds;
mod other_tenants;
mod paths;
mod proving;
mod pruning;
mod report;
mod selection;
#[cfg(test)]
mod tests;
mod ticks;
mod verdicts;
mod waiting;

use std::time::{Duration, Instant};

use anyhow::Context as _;
use flysk_domain::SystemClock;

use super::admin::set_buffer_pool;
use super::fill::{self, Filled, Volume};
use super::servers::Servers;
use super::times::Times;
use bench_env::BenchEnv;
use other_tenants::StartDelays;
use proving::Proving;
use pruning::Pruned;
use ticks::Ticks;

pub(super) use kinds::{Occupy, Start};

/// Memory of the database's buffer pool while the part runs.
const BUFFER_POOL_BYTES: u64 = 2 << 30;

/// Times of the same on both databases.
#[derive(Debug)]
struct Pair {
    name: String,
    empty: Times,
    full: Times,
}

impl Pair {
    /// Median on the full database, relative to that on the empty one.
    fn growth(&self) -> f64 {
        self.full.ms(50) / self.empty.ms(50)
    }
}

/// Everything that was measured, or why it was not.
#[derive(Debug)]
struct Run {
    volume: Volume,
    filled: Filled,
    /// Rows that were added besides the generator's.
    extra: customer::Extra,
    /// Hot paths, whose budget is the growth.
    paths: anyhow::Result<Vec<Pair>>,
    /// Starts of empty jobs per second, with a backlog: empty and full.
    starts: anyhow::Result<[f64; 2]>,
    /// Jobs of the schedule.
    ticks: anyhow::Result<Ticks>,
    /// Looks of a relay with nothing due, on both databases.
    nothing_due: anyhow::Result<Pair>,
    /// The same with all waiting jobs due, on the full database.
    all_due: anyhow::Result<Times>,
    /// Counting of all queues for the metrics, on the full database.
    counting: anyhow::Result<Times>,
    pruned: anyhow::Result<Pruned>,
    /// Of the empty and of the full database.
    proving: anyhow::Result<[Proving; 2]>,
    delays: anyhow::Result<StartDelays>,
    laps: Laps,
}

impl Run {
    /// Prints why measurements failed, with the logs of the processes. The page has the causes alone.
    #[expect(clippy::print_stderr, reason = "a benchmark prints to the terminal")]
    fn print_failures(&self) {
        let failed = [
            self.paths.as_ref().err(),
            self.starts.as_ref().err(),
            self.ticks.as_ref().err(),
            self.nothing_due.as_ref().err(),
            self.all_due.as_ref().err(),
            self.counting.as_ref().err(),
            self.pruned.as_ref().err(),
            self.proving.as_ref().err(),
            self.delays.as_ref().err(),
        ];
        for error in failed.into_iter().flatten() {
            eprintln!("not measured: {error:#}\n");
        }
    }
}

/// Times of the steps of the part.
#[derive(Debug)]
struct Laps {
    since: Instant,
    taken: Vec<(&'static str, Duration)>,
}

impl Laps {
    /// Begins with the first step.
    fn start() -> Self {
        Self { since: Instant::now(), taken: Vec::new() }
    }

    /// A step ends, and the next one begins.
    fn end(&mut self, step: &'static str) {
        let now = Instant::now();
        self.taken.push((step, now - self.since));
        self.since = now;
    }
}

/// Runs the benchmark. `rows`: calls, ledger entries and jobs of the full database, each.
pub(super) async fn run(servers: &Servers, rows: u32) -> anyhow::Result<String> {
    let usual = set_buffer_pool(servers, BUFFER_POOL_BYTES).await?;
    let measured = Box::pin(measure(servers, rows)).await;
    set_buffer_pool(servers, usual).await?;
    let measured = measured?;
    measured.print_failures();
    Ok(report::text(&measured))
}

async fn measure(servers: &Servers, rows: u32) -> anyhow::Result<Run> {
    let (volume, mut laps) = (Volume::thin(rows), Laps::start());
    let mut empty = Box::pin(BenchEnv::start(servers)).await.context("the empty environment")?;
    let mut full = Box::pin(BenchEnv::start(servers)).await.context("the full environment")?;
    let filling = Box::pin(fill::fill(&full.env.pool, volume, &SystemClock));
    let filled = filling.await.context("cannot fill the database")?;
    let extra =
        customer::extend(&full.env.pool, rows).await.context("cannot extend the customer's history")?;
    laps.end("filling");
    let nothing_due = selection::without_waiting(&empty, &full).await;
    waiting::insert(&full.env.pool, extra.waiting).await.context("cannot insert waiting jobs")?;
    let all_due = selection::with_waiting(&full).await;
    let counting = selection::counting(&full).await;
    laps.end("looks of a relay");
    let paths = Box::pin(paths::measure(&empty, &full)).await;
    laps.end("hot paths");
    let starts = other_tenants::starts_per_second(servers, &empty, &full).await;
    laps.end("starts of jobs");
    let ticks = Box::pin(ticks::measure(&mut empty, &mut full)).await;
    laps.end("schedule");
    let proving = proving::measure(&empty, &full).await;
    laps.end("proofs of the ledger");
    let delays = other_tenants::start_delays(servers, &empty, &full, extra.waiting).await;
    laps.end("other tenants");
    let pruned = Box::pin(pruning::measure(servers, &mut full)).await;
    laps.end("deletions");
    empty.env.stop()?;
    full.env.stop()?;
    Ok(Run {
        volume,
        filled,
        extra,
        paths,
        starts,
        ticks,
        nothing_due,
        all_due,
        counting,
        pruned,
        proving,
        delays,
        laps,
    })
}

/// Times of two sides, asked in turns: a round of one, a round of the other, in alternating order. The first round of each is
/// not measured.
async fn alternate(
    rounds: u32,
    per_round: u32,
    mut ask: impl AsyncFnMut(usize, u32) -> anyhow::Result<Duration>,
) -> anyhow::Result<[Times; 2]> {
    let mut taken = [Vec::new(), Vec::new()];
    for round in 0..=rounds {
        for position in 0..2_usize {
            let side = if round % 2 == 0 { position } else { 1 - position };
            for number in 0..per_round {
                let took = ask(side, round * per_round + number).await?;
                if round > 0 {
                    taken[side].push(took);
                }
            }
        }
    }
    let [empty, full] = taken.map(Times::new);
    Ok([empty.context("nothing was measured")?, full.context("nothing was measured")?])
}
