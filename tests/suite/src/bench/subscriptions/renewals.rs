//! Renewals due at the same time: the worker beside a naive loop, and the terminal's rate limit.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use flysk_domain::id::InvoiceId;
use flysk_domain::{Clock as _, SystemClock};
use flysk_sandbox::{Options, TERMINAL_KEY, TERMINAL_PASSWORD};
use flysk_simulators::control::{Act, Script};
use flysk_store::Pool;
use secrecy::ExposeSecret as _;

use super::naive::NaiveRenewals;
use super::{CARD, crowd};
use crate::bench::child::{self, ChildGuard};
use crate::bench::jobs::role::Role;
use crate::bench::servers::Servers;
use crate::bench::table::{Table, at_least, at_most};
use crate::subscriber::Subscriber;

/// Renewals due in the same hour.
const RENEWALS: u32 = 20_000;
/// Renewals of the naive loop; its rate does not depend on their number.
const NAIVE_RENEWALS: u32 = 200;
/// Renewals under the terminal's rate limit.
const LIMITED_RENEWALS: u32 = 600;
/// Time that the bank takes to answer, ms.
const BANK_LATENCY_MS: u64 = 150;
/// Rate limit of the terminal.
const REQUESTS_PER_SECOND: u32 = 20;
/// Requests of a renewal: `Init` and `Charge`.
const REQUESTS_PER_RENEWAL: u32 = 2;
/// Budgets.
const MIN_SPEEDUP: f64 = 5.0;
const MAX_CPU: f64 = 2.0;
const MIN_USED: f64 = 0.95;
/// Interval of the looks at the progress.
const POLL_INTERVAL: Duration = Duration::from_millis(50);
/// All renewals of a row must be paid within this time.
const TIMEOUT: Duration = Duration::from_mins(30);

/// Speed and cost of one way to renew.
struct Measured {
    per_second: f64,
    cpu_ms: f64,
}

/// Measures the rows; adds the verdicts.
pub(super) async fn run(servers: &Servers, verdicts: &mut Table) -> anyhow::Result<String> {
    let (database_url, pool) = servers.fresh_database().await?;
    let options = Options {
        pool,
        redis_url: servers.redis_url.clone(),
        starts_at: SystemClock.now(),
        variables: BTreeMap::from([("FLYSK_TBANK_TIMEOUT_MS".to_owned(), "30000".to_owned())]),
    };
    let subscriber = Subscriber::open(options).await?;
    subscriber.buy(CARD).await?;
    let renewal = crowd::open_renewal(&subscriber).await?;
    let mut crowd = crowd::Crowd::of(&subscriber).await?;
    let delayed = Script { times: u32::MAX, ..Script::next("/v2/*", Act::Serve).delayed(BANK_LATENCY_MS) };
    subscriber.sandbox.bank.control.script(delayed);

    let naive = {
        let invoices = crowd.add_chargeable(NAIVE_RENEWALS, renewal).await?;
        measure_naive(servers, &subscriber, &database_url, crowd.rebill.expose_secret(), &invoices).await?
    };
    crowd.add_chargeable(RENEWALS, renewal).await?;
    let ours = measure_worker(servers, &subscriber, &database_url, RENEWALS, None).await?.0;
    crowd.add_chargeable(LIMITED_RENEWALS, renewal).await?;
    let limit = Some(REQUESTS_PER_SECOND);
    let (limited, busiest) =
        measure_worker(servers, &subscriber, &database_url, LIMITED_RENEWALS, limit).await?;

    let mut table = Table::new(&["renewals", "number", "per second", "CPU each"]);
    for (name, number, measured) in [
        ("naive loop: lock, `Init`, `Charge`, write", NAIVE_RENEWALS, &naive),
        ("worker, without a limit", RENEWALS, &ours),
        ("worker, at most 20 requests a second", LIMITED_RENEWALS, &limited),
    ] {
        table.row(vec![
            name.to_owned(),
            number.to_string(),
            format!("{:.1}", measured.per_second),
            format!("{:.2} ms", measured.cpu_ms),
        ]);
    }
    add_verdicts(verdicts, &naive, &ours, &limited, busiest);
    Ok(format!("{table}\nThe bank answers after {BANK_LATENCY_MS} ms; a renewal is two requests to it.\n"))
}

fn add_verdicts(verdicts: &mut Table, naive: &Measured, ours: &Measured, limited: &Measured, busiest: u32) {
    let speedup = ours.per_second / naive.per_second;
    verdicts.row(vec![
        "20,000 renewals due at once: ≥ 5 × a naive loop".to_owned(),
        format!("{speedup:.1} ×"),
        at_least(speedup, MIN_SPEEDUP, "each renewal is five transactions that are flushed"),
    ]);
    let cpu = ours.cpu_ms / naive.cpu_ms;
    verdicts.row(vec![
        "CPU per renewal ≤ 2 × the naive loop's".to_owned(),
        format!("{cpu:.2} ×"),
        at_most(
            cpu,
            MAX_CPU,
            "intent, events, receipts and notifications are written, which the loop does not",
        ),
    ]);
    verdicts.row(vec![
        format!("never above {REQUESTS_PER_SECOND} requests a second"),
        format!("{busiest} in the busiest second"),
        at_most(f64::from(busiest), f64::from(REQUESTS_PER_SECOND), "requests bunched up on their way"),
    ]);
    let used = limited.per_second * f64::from(REQUESTS_PER_RENEWAL) / f64::from(REQUESTS_PER_SECOND);
    verdicts.row(vec![
        "≥ 95 % of that limit used".to_owned(),
        format!("{:.0} %", used * 100.0),
        at_least(used, MIN_USED, "the limiter's window has a margin for requests that bunch up"),
    ]);
}

async fn measure_naive(
    servers: &Servers,
    subscriber: &Subscriber,
    database_url: &str,
    rebill: &str,
    invoices: &[InvoiceId],
) -> anyhow::Result<Measured> {
    let role = Role::NaiveRenewals(NaiveRenewals {
        database_url: database_url.to_owned(),
        bank_url: format!("{}/v2", subscriber.sandbox.bank.url),
        terminal: TERMINAL_KEY.to_owned(),
        password: TERMINAL_PASSWORD.to_owned(),
        rebill: rebill.to_owned(),
        invoices: invoices.iter().map(ToString::to_string).collect(),
    });
    let mut command = Command::new(servers.binaries.join("flysk-bench"));
    command.args(["--role", &serde_json::to_string(&role)?]);
    let began = Instant::now();
    let cost = tokio::task::spawn_blocking(move || child::measure(&mut command)).await??;
    let number = f64::from(NAIVE_RENEWALS);
    Ok(Measured {
        per_second: number / began.elapsed().as_secs_f64(),
        cpu_ms: cost.cpu.as_secs_f64() * 1_000.0 / number,
    })
}

/// A worker charges all open invoices. Returns also the number of requests in the busiest second.
async fn measure_worker(
    servers: &Servers,
    subscriber: &Subscriber,
    database_url: &str,
    number: u32,
    requests_per_second: Option<u32>,
) -> anyhow::Result<(Measured, u32)> {
    let sandbox = &subscriber.sandbox;
    let pool = &sandbox.pool;
    let log = tempfile::NamedTempFile::new()?;
    let child = Command::new(servers.binaries.join("flysk-worker"))
        .args(["run", "--with-scheduler"])
        .envs(&sandbox.variables)
        .env("DATABASE_URL", database_url)
        .env("FLYSK_TBANK_REQUESTS_PER_SECOND", requests_per_second.unwrap_or(0).to_string())
        .env("FLYSK_LOG", "warn")
        .stdin(Stdio::null())
        .stdout(log.reopen()?)
        .stderr(log.reopen()?)
        .spawn()?;
    let child = ChildGuard(child);
    let deadline = Instant::now() + TIMEOUT;
    let seen = sandbox.bank.control.calls().len();
    let mut looks: Vec<(Instant, usize)> = Vec::new();
    loop {
        let left = open_invoices(pool).await?;
        let calls = sandbox.bank.control.calls_since(seen as u64).len();
        looks.push((Instant::now(), calls));
        // The invoice that was copied stays open.
        if left <= 1 {
            break;
        }
        anyhow::ensure!(
            Instant::now() < deadline,
            "{left} invoices are open: {}",
            std::fs::read_to_string(log.path()).unwrap_or_default()
        );
        tokio::time::sleep(POLL_INTERVAL).await;
    }
    let cpu = child::cpu_of(child.0.id())?;
    let began = looks.iter().rev().find(|(_, calls)| *calls == 0).or(looks.first());
    let (began, ended) = began.zip(looks.last()).context("nothing was measured")?;
    let elapsed = ended.0.duration_since(began.0).as_secs_f64();
    let measured = Measured {
        per_second: f64::from(number) / elapsed,
        cpu_ms: cpu.as_secs_f64() * 1_000.0 / f64::from(number),
    };
    Ok((measured, busiest_second(&looks)?))
}

async fn open_invoices(pool: &Pool) -> anyhow::Result<i64> {
    let open = "SELECT COUNT(*) FROM subscription_invoices WHERE state = 'open'";
    Ok(sqlx::query_scalar(open).fetch_one(pool).await?)
}

/// The most requests between two looks that are at most a second apart.
fn busiest_second(looks: &[(Instant, usize)]) -> anyhow::Result<u32> {
    let mut most = 0;
    let mut first = 0;
    for (at, calls) in looks {
        while at.duration_since(looks[first].0) > Duration::from_secs(1) {
            first += 1;
        }
        most = most.max(calls - looks[first].1);
    }
    Ok(u32::try_from(most)?)
}
