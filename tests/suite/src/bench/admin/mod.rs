//! Benchmark of the admin panel on a database with many rows: lists beside Django admin, filters, search, timeline, growth from
//! few rows to many, exports, memory.

mod django;
mod export;
mod pages;
mod panel;
pub(super) mod portal;
mod report;

use std::time::Duration;

use anyhow::Context as _;
use flysk_domain::SystemClock;

use super::fill::{self, Filled, Volume};
use super::servers::Servers;
use super::times::Times;
use crate::environment::Environment;
use django::Django;
use export::Export;
use pages::{Group, Page};
use panel::SignedPanel;

/// Calls, ledger entries and jobs of the small database that growth is measured from.
const FEW_ROWS: u32 = 10_000;
/// Measured requests per page of the panel.
const REQUESTS: usize = 40;
/// Measured requests per list beside the peer, ours and the peer's.
const BESIDE_REQUESTS: usize = 100;
/// Requests before those that are measured, ours and the peer's. The other's turn before has displaced pages from the buffer pool and
/// left connections idle, which no list pays for that people look at.
const WARM_UP_REQUESTS: usize = 10;
/// Memory of the database's buffer pool while the part runs: that of a server with as many rows.
const BUFFER_POOL_BYTES: u64 = 2 << 30;

/// The measured times of a page.
#[derive(Debug)]
struct Measured {
    page: Page,
    /// Of the panel.
    times: Times,
    /// Length of the panel's page: pages of the same length show as much.
    bytes: usize,
    /// Of the peer; `None` if it has no such page, or there is no peer.
    peer: Option<Times>,
}

/// Everything that was measured on one database.
#[derive(Debug)]
struct Run {
    volume: Volume,
    filled: Filled,
    /// Memory of the panel before its first page, in KiB.
    idle_kib: u64,
    exports: Vec<Export>,
    pages: Vec<Measured>,
}

/// Runs the benchmark. `rows`: calls, ledger entries and jobs, each.
pub(super) async fn run(servers: &Servers, rows: u32) -> anyhow::Result<String> {
    let usual = set_buffer_pool(servers, BUFFER_POOL_BYTES).await?;
    let measured = Box::pin(measure(servers, rows)).await;
    set_buffer_pool(servers, usual).await?;
    measured
}

async fn measure(servers: &Servers, rows: u32) -> anyhow::Result<String> {
    let few = Box::pin(measure_database(servers, Volume::of(FEW_ROWS), false));
    let (few, _) = few.await.context("few rows")?;
    let many = Box::pin(measure_database(servers, Volume::of(rows), true));
    let (many, peer) = many.await.context("many rows")?;
    report::text(&few, &many, &peer)
}

/// Sets the size of the server's buffer pool; returns the former size.
pub(super) async fn set_buffer_pool(servers: &Servers, bytes: u64) -> anyhow::Result<u64> {
    let pool = flysk_store::connect(&servers.database_url, 1).await?;
    let former: u64 =
        sqlx::query_scalar("SELECT CAST(@@innodb_buffer_pool_size AS UNSIGNED)").fetch_one(&pool).await?;
    let set = format!("SET GLOBAL innodb_buffer_pool_size = {bytes}");
    // A server that cannot be resized while it runs keeps its size; both ours and the peer's queries run on it.
    let _kept = sqlx::raw_sql(sqlx::AssertSqlSafe(set)).execute(&pool).await;
    pool.close().await;
    Ok(former)
}

/// Fills a database and measures it, with exports and the peer if `whole`. Returns also the peer's name, or why it did not run.
async fn measure_database(
    servers: &Servers,
    volume: Volume,
    whole: bool,
) -> anyhow::Result<(Run, anyhow::Result<String>)> {
    let mut env =
        Environment::start(servers.environment()).await.context("the environment does not start")?;
    // The panel alone is measured. The jobs of the start would run beside the exports.
    env.kill(0)?;
    env.kill(1)?;
    sqlx::query("DELETE FROM jobs").execute(&env.pool).await?;
    let filling = Box::pin(fill::fill(&env.pool, volume, &SystemClock));
    let filled = filling.await.context("cannot fill the database")?;
    let panel = SignedPanel::start(&mut env).await.context("the panel does not start")?;
    // First, because an export needs a second factor that was given lately.
    let exports = if whole { export::run(&mut env, &panel).await.context("exports")? } else { Vec::new() };
    let mut pages = Vec::new();
    for page in pages::all(&env.pool, &filled).await? {
        let bytes = panel.length(&page.path).await?;
        let times = panel.measure(&page.path, REQUESTS).await?;
        pages.push(Measured { page, times, bytes, peer: None });
    }
    let peer = if whole { measure_peer(&env, &panel, &mut pages).await } else { Ok(String::new()) };
    env.stop()?;
    Ok((Run { volume, filled, idle_kib: panel.idle_kib, exports, pages }, peer))
}

/// Measures the lists again, each right before the peer's on the same database; returns the peer's name.
async fn measure_peer(
    env: &Environment,
    panel: &SignedPanel,
    pages: &mut [Measured],
) -> anyhow::Result<String> {
    let url = env.variables().get("DATABASE_URL").context("the environment has no database")?;
    let django = Django::start(url).await?;
    for measured in pages.iter_mut() {
        if let Group::List { model } = measured.page.group {
            measured.times = panel.measure(&measured.page.path, BESIDE_REQUESTS).await?;
            let times = django.measure(model, BESIDE_REQUESTS).await;
            measured.peer = Some(times.with_context(|| format!("Django's list of {model}"))?);
        }
    }
    Ok(django.name.clone())
}

/// Times of requests one after the other, after some that are not measured.
async fn measure_requests<T, F>(requests: usize, request: impl Fn() -> F) -> anyhow::Result<Times>
where
    F: Future<Output = anyhow::Result<T>>,
{
    let mut taken: Vec<Duration> = Vec::with_capacity(requests);
    for number in 0..WARM_UP_REQUESTS + requests {
        let began = std::time::Instant::now();
        request().await?;
        if number >= WARM_UP_REQUESTS {
            taken.push(began.elapsed());
        }
    }
    Times::new(taken).context("nothing was measured")
}
