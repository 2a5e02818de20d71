//! Benchmark of durable and ephemeral jobs: start latency and throughput, compared with BullMQ on the same Redis, and with
//! graphile-worker on `PostgreSQL`.

mod backlog;
mod bullmq;
mod cheap;
mod durable;
mod graphile;
mod node_peer;
mod postgres;
mod recorder;
pub(super) mod schedule;

use std::path::Path;

use super::machine::version;
use super::servers::Servers;
use super::table::{Table, at_least, at_most, budgets};
use super::times::Times;

pub(super) use recorder::{NoOp, NoOpEphemeral, Poll, StartRecorder};

/// Concurrent jobs per process: the default of `FLYSK_WORKER_CONCURRENCY`. The peer uses the same value.
pub(super) const CONCURRENCY: usize = 16;
/// Backlogs of the throughput runs, in jobs.
const DURABLE_BACKLOG: u32 = 20_000;
const REDIS_BACKLOG: u32 = 20_000;
/// Paces of the latency runs. One job per 50 ms counts as idle.
const IDLE_PACE: Pace = Pace { per_second: 20, jobs: 200 };
const BUSY_PACE: Pace = Pace { per_second: 500, jobs: 5_000 };
/// Durable jobs per second of one process on two cores, before jobs were claimed in groups.
const JOBS_PER_SECOND_WITHOUT_GROUPS: f64 = 1_450.0;
/// Latency of an idle worker before that, in milliseconds.
const IDLE_MS_WITHOUT_GROUPS: [(usize, f64); 2] = [(50, 3.0), (99, 11.0)];
/// Budget for a relay's selection with a backlog, in milliseconds. A relay selects every 250 ms.
const MAX_SELECTION_MS: f64 = 20.0;

/// Pace of enqueuing in a latency run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// Jobs per second, at even intervals, whether or not earlier ones have started.
    pub(super) per_second: u32,
    /// Number of jobs.
    pub(super) jobs: u32,
}

/// Runs the benchmark.
pub(super) async fn run(servers: &Servers) -> anyhow::Result<String> {
    let durable_idle = durable::latency(servers, IDLE_PACE).await?;
    let durable_busy = durable::latency(servers, BUSY_PACE).await?;
    let durable = [durable::throughput(servers, 1).await?, durable::throughput(servers, 4).await?];
    let cheap = [cheap::throughput(servers, 1).await?, cheap::throughput(servers, 4).await?];
    let peer = bullmq::run(servers).await;
    let durable_peer = graphile::run().await;
    let selections = backlog::selections(servers).await?;

    let mut latency = Table::new(&["enqueue → start", "jobs", "p50", "p99"]);
    let mut put = |name: &str, times: &Times| {
        let cells = [50, 99].map(|percent| format!("{:.1} ms", times.ms(percent)));
        latency.row([vec![name.to_owned(), times.count().to_string()], cells.to_vec()].concat());
    };
    put("durable jobs, 20/s", &durable_idle);
    put("durable jobs, 500/s", &durable_busy);
    let mut throughput =
        Table::new(&["starts per second", "backlog", "1 worker process", "4 worker processes"]);
    throughput.row(rates("durable jobs (MySQL, commits flushed)", DURABLE_BACKLOG, durable));
    match &durable_peer {
        Ok(peer) => {
            throughput.row(rates(&peer.version, DURABLE_BACKLOG, peer.default));
            let name = format!("the same with `localQueue` {}", graphile::LOCAL_QUEUE_JOBS);
            throughput.row(rates(&name, DURABLE_BACKLOG, peer.local_queue));
        }
        Err(error) => throughput.row(vec!["graphile-worker".to_owned(), format!("not run: {error:#}")]),
    }
    throughput.row(rates("ephemeral jobs (Redis)", REDIS_BACKLOG, cheap));
    match &peer {
        Ok(peer) => {
            put(&format!("{}, 20/s", peer.version), &peer.idle);
            put(&format!("{}, 500/s", peer.version), &peer.busy);
            throughput.row(rates(&peer.version, REDIS_BACKLOG, peer.throughput));
        }
        Err(error) => throughput.row(vec!["BullMQ".to_owned(), format!("not run: {error:#}")]),
    }
    let mut verdicts = verdicts(&durable_idle, cheap, peer.as_ref().ok());
    judge_durable(&mut verdicts, durable, durable_peer.as_ref().ok());
    let p95 = selections.backlog.ms(95);
    verdicts.row(vec![
        "a relay's selection with 1,000,000 waiting jobs of one tenant: p95 < 20 ms".to_owned(),
        format!("{p95:.1} ms"),
        at_most(p95, MAX_SELECTION_MS, "the statements read more rows than they need; see EXPLAIN"),
    ]);
    Ok(format!("{latency}\n{throughput}\n{}\n{verdicts}\n{}", selection_table(&selections), remarks()))
}

/// Times of a relay's selections.
fn selection_table(selections: &backlog::Selections) -> Table {
    let mut table = Table::new(&["a relay's selection for all queues", "selections", "p50", "p95"]);
    let mut put = |name: String, times: &Times| {
        let cells = [50, 95].map(|percent| format!("{:.1} ms", times.ms(percent)));
        table.row([vec![name, times.count().to_string()], cells.to_vec()].concat());
    };
    put("empty table".to_owned(), &selections.empty);
    let (waiting, quiet) = (backlog::WAITING, backlog::QUIET_TENANTS);
    put(format!("{waiting} due jobs of one tenant, one of each of {quiet} others"), &selections.backlog);
    table
}

fn rates(name: &str, backlog: u32, rates: [f64; 2]) -> Vec<String> {
    let cells = rates.map(|rate| format!("{rate:.0}"));
    [vec![name.to_owned(), backlog.to_string()], cells.to_vec()].concat()
}

fn verdicts(idle: &Times, cheap: [f64; 2], peer: Option<&bullmq::Peer>) -> Table {
    let mut verdicts = budgets();
    verdicts.row(vec![
        "durable job, enqueue → start: p50 < 20 ms idle".to_owned(),
        format!("{:.1} ms", idle.ms(50)),
        at_most(
            idle.ms(50),
            20.0,
            "two commits are flushed before a job starts: the enqueuing one and the claim",
        ),
    ]);
    for (percent, before) in IDLE_MS_WITHOUT_GROUPS {
        let ours = idle.ms(percent);
        let theirs =
            peer.map_or_else(String::new, |peer| format!("; BullMQ {:.1} ms", peer.idle.ms(percent)));
        verdicts.row(vec![
            format!("durable job, enqueue → start, idle: p{percent} ≤ the {before:.1} ms before groups"),
            format!("{ours:.1} ms{theirs}"),
            at_most(
                ours,
                before,
                "two flushes: their time is the disk's; `--beside` compares on the same machine",
            ),
        ]);
    }
    let why = "an ephemeral job takes three scripts (move when due, fetch, acknowledge), batched; a BullMQ job takes one";
    for (at, processes) in [(0, "1 process"), (1, "4 processes")] {
        let name = format!("ephemeral job throughput ≥ BullMQ's, {processes}");
        let (measured, verdict) = match peer {
            Some(peer) => {
                let (ours, theirs) = (cheap[at], peer.throughput[at]);
                (format!("{:.2} of BullMQ's", ours / theirs), at_least(ours, theirs, why))
            }
            None => (format!("{:.0}/s", cheap[at]), "no peer in this run".to_owned()),
        };
        verdicts.row(vec![name, measured, verdict]);
    }
    verdicts
}

/// Verdicts about the throughput of durable jobs.
fn judge_durable(verdicts: &mut Table, ours: [f64; 2], peer: Option<&graphile::Peer>) {
    let why = "the database flushes a commit per group of claims, of ends and of pushed wake-ups, and moves a row in two indexes \
               with each; see docs/decisions/0052";
    let mut put = |name: &str, measured: String, verdict: String| {
        verdicts.row(vec![name.to_owned(), measured, verdict]);
    };
    let [one, four] = ours;
    put(
        "durable jobs, 1 process: ≥ 5 × the 1,450/s before groups, on 2 cores",
        format!("{:.1} ×", one / JOBS_PER_SECOND_WITHOUT_GROUPS),
        at_least(one, 5.0 * JOBS_PER_SECOND_WITHOUT_GROUPS, why),
    );
    put(
        "durable jobs, 4 processes: ≥ 1.5 × 1 process",
        format!("{:.2} ×", four / one),
        at_least(four, 1.5 * one, "all processes share the cores of this machine with the database"),
    );
    let name = "durable jobs, 1 process: ≥ 5 × graphile-worker by default";
    match peer {
        Some(peer) => {
            let measured = format!("{:.1} ×", one / peer.default[0]);
            put(name, measured, at_least(one, 5.0 * peer.default[0], why));
            let name = format!("the aim: graphile-worker with `localQueue` {}", graphile::LOCAL_QUEUE_JOBS);
            let measured = format!("{:.2} ×", one / peer.local_queue[0]);
            put(&name, measured, at_least(one, peer.local_queue[0], why));
        }
        None => put(name, format!("{one:.0}/s"), "no peer in this run".to_owned()),
    }
}

fn remarks() -> String {
    let told = |program: Option<std::path::PathBuf>, args: &[&str]| {
        program.and_then(|program| version(&program, args)).unwrap_or_else(|| "unknown version".to_owned())
    };
    format!(
        "Jobs do nothing. Each process runs {CONCURRENCY} at once, ours and the peers'. graphile-worker flushes its commits like ours, and with\n\
         a local queue completes jobs in groups too (`completeJobBatchDelay` 0). Latency is measured from before the enqueuing transaction begins\n\
         (its commit included) to the first line of the handler, with one worker process. Throughput is measured from the first start to the last,\n\
         with the whole backlog waiting. Servers: {}; {}; Node.js {}.\n",
        told(xtask::tools::MYSQL.find(), &["--version"]),
        told(xtask::tools::REDIS.find(), &["--version"]),
        version(Path::new("node"), &["--version"]).unwrap_or_else(|| "is not installed".to_owned()),
    )
}
