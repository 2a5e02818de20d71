//! Benchmark of growth: what the hot paths cost on a database with years of rows, beside the same on an empty one.
//!
//! Both environments run at the same time and are asked in turns, so that other load on the machine concerns both. Each has one
//! customer whose card, history and balance are measured; in the full one the generator of the panel's benchmark adds the
//! others, and the measured customer has a long history.

mod bench_env;
mod customer;
mod kinds;
mod other_tenants;
mod paths;
mod proving;
mod pruning;
mod report;
mod selection;
mod ticks;
mod waiting;

use std::time::Duration;

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
use selection::Selections;

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

/// Everything that was measured.
#[derive(Debug)]
struct Run {
    volume: Volume,
    filled: Filled,
    /// Rows that were added besides the generator's.
    extra: customer::Extra,
    /// Hot paths, whose budget is the growth.
    paths: Vec<Pair>,
    /// Starts of empty jobs per second, with a backlog: empty and full.
    starts: [f64; 2],
    /// Jobs of the schedule that look for what is due.
    ticks: Vec<Pair>,
    /// Jobs of the schedule whose work grows with the customers or with the day.
    slow_ticks: Vec<Pair>,
    selections: Selections,
    /// Counting of all queues for the metrics, on the full database.
    counting: Times,
    pruned: Pruned,
    /// Of the empty and of the full database.
    proving: [Proving; 2],
    delays: StartDelays,
}

/// Runs the benchmark. `rows`: calls, ledger entries and jobs of the full database, each.
pub(super) async fn run(servers: &Servers, rows: u32) -> anyhow::Result<String> {
    let usual = set_buffer_pool(servers, BUFFER_POOL_BYTES).await?;
    let measured = Box::pin(measure(servers, rows)).await;
    set_buffer_pool(servers, usual).await?;
    report::text(&measured?)
}

async fn measure(servers: &Servers, rows: u32) -> anyhow::Result<Run> {
    let volume = Volume::thin(rows);
    let mut empty = Box::pin(BenchEnv::start(servers)).await.context("the empty environment")?;
    let mut full = Box::pin(BenchEnv::start(servers)).await.context("the full environment")?;
    let filling = Box::pin(fill::fill(&full.env.pool, volume, &SystemClock));
    let filled = filling.await.context("cannot fill the database")?;
    let extra = customer::extend(&full, rows).await.context("cannot extend the customer's history")?;
    let mut selections = selection::without_waiting(&empty, &full).await?;
    waiting::insert(&full.env.pool, extra.waiting).await.context("cannot insert waiting jobs")?;
    selection::with_waiting(&full, &mut selections).await?;
    let counting = selection::counting(&full).await?;

    let paths = Box::pin(paths::measure(&empty, &full)).await.context("hot paths")?;
    let starts = other_tenants::starts_per_second(servers, &empty, &full).await.context("starts of jobs")?;
    let (ticks, slow_ticks) = ticks::measure(&mut empty, &mut full).await.context("ticks")?;
    let proving = [
        proving::measure(&empty).await.context("proof of the empty ledger")?,
        proving::measure(&full).await.context("proof of the full ledger")?,
    ];
    let delays = other_tenants::start_delays(servers, &empty, &full, extra.waiting);
    let delays = delays.await.context("start delays")?;
    let pruned = pruning::measure(servers, &mut full).await.context("pruning")?;
    empty.env.stop()?;
    full.env.stop()?;
    Ok(Run {
        volume,
        filled,
        extra,
        paths,
        starts,
        ticks,
        slow_ticks,
        selections,
        counting,
        pruned,
        proving,
        delays,
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
