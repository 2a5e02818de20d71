//! Renewals due at the same time: the worker beside a naive loop, and the terminal's rate limit.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use flysk_domain::id::InvoiceId;
use flysk_domain::{Clock as _, SystemClock};
use flysk_sandbox::{Options, TERMINAL_KEY, TERMINAL_PASSWORD};
use flysk_simulators::control::{Act, Script};
use flysk_simulators::tbank::Behaviour;
use flysk_store::Pool;
use secrecy::ExposeSecret as _;

use super::{CARD, crowd};
use crate::bench::child::{self, ChildGuard};
use crate::bench::role::{NaiveRenewals, Role};
use crate::bench::servers::Servers;
use crate::bench::table::{Table, at_least, at_most};
use crate::subscriber::Subscriber;

/// Renewals due in the same hour.
const RENEWALS: u32 = 20_000;
/// Renewals of the naive loop; its rate does not depend on their number.
const NAIVE_RENEWALS: u32 = 200;
/// Renewals under the terminal's rate limit.
const LIMITED_RENEWALS: u32 = 1_000;
/// Time that the bank takes to answer, ms.
const BANK_LATENCY_MS: u64 = 150;
/// Rate limit of the terminal.
const REQUESTS_PER_SECOND: u32 = 20;
/// Budgets.
const MIN_SPEEDUP: f64 = 5.0;
const MAX_CPU: f64 = 2.0;
const MIN_USED: f64 = 0.95;
/// Interval of the looks at the progress.
const POLL_INTERVAL: Duration = Duration::from_millis(100);
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
    let (limited, requests) =
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
    add_verdicts(verdicts, &naive, &ours, &requests);
    Ok(format!("{table}\nThe bank answers after {BANK_LATENCY_MS} ms; a renewal is two requests to it.\n"))
}

fn add_verdicts(verdicts: &mut Table, naive: &Measured, ours: &Measured, requests: &Requests) {
    let speedup = ours.per_second / naive.per_second;
    verdicts.row(vec![
        "20,000 renewals due at once: ≥ 5 × a naive loop".to_owned(),
        format!("{speedup:.1} ×"),
        at_least(speedup, MIN_SPEEDUP, "each renewal is three transactions that are flushed"),
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
        format!("never above {REQUESTS_PER_SECOND} requests in any second"),
        format!("{} refused by the bank", requests.refused),
        at_most(f64::from(requests.refused), 0.0, "requests bunched up on their way"),
    ]);
    let used = requests.per_second / f64::from(REQUESTS_PER_SECOND);
    verdicts.row(vec![
        "≥ 95 % of that limit used".to_owned(),
        format!("{:.1} %", used * 100.0),
        at_least(
            used,
            MIN_USED,
            "the limiter's window of 1,040 ms leaves 96 %, and a waiting job returns late",
        ),
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

/// A worker charges all open invoices. Returns also its requests to the bank.
async fn measure_worker(
    servers: &Servers,
    subscriber: &Subscriber,
    database_url: &str,
    number: u32,
    requests_per_second: Option<u32>,
) -> anyhow::Result<(Measured, Requests)> {
    let sandbox = &subscriber.sandbox;
    // The bank itself counts, in real time, and refuses what is too much.
    sandbox.bank.state.behave(Behaviour { requests_per_second, ..Behaviour::default() });
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
    let control = &sandbox.bank.control;
    let first = control.next_seq();
    let mut looks = vec![(Instant::now(), 0)];
    // The invoice that was copied stays open.
    while has_open_invoices(&sandbox.pool).await? {
        anyhow::ensure!(
            Instant::now() < deadline,
            "invoices are still open: {}",
            std::fs::read_to_string(log.path()).unwrap_or_default()
        );
        tokio::time::sleep(POLL_INTERVAL).await;
        looks.push((Instant::now(), control.next_seq() - first));
    }
    let cpu = child::cpu_of(child.0.id())?;
    let ended = Instant::now();
    let began =
        looks.iter().rev().find(|(_, calls)| *calls == 0).context("a look before the first request")?;
    let measured = Measured {
        per_second: f64::from(number) / ended.duration_since(began.0).as_secs_f64(),
        cpu_ms: cpu.as_secs_f64() * 1_000.0 / f64::from(number),
    };
    let refused = control.calls_since(first).iter().filter(|call| call.status == Some(429)).count();
    Ok((measured, Requests { refused: u32::try_from(refused)?, per_second: rate_of(&looks, began.0)? }))
}

/// Requests to the bank.
struct Requests {
    /// Those that the bank refused, because there were too many.
    refused: u32,
    /// Rate from the first to the last.
    per_second: f64,
}

/// Requests per second between the last look before the first request, and the first look after the last.
fn rate_of(looks: &[(Instant, u64)], began: Instant) -> anyhow::Result<f64> {
    let calls = looks.last().context("nothing was looked at")?.1;
    let ended = looks.iter().find(|(_, made)| *made == calls).context("nothing was looked at")?.0;
    Ok(f64::from(u32::try_from(calls)?) / ended.duration_since(began).as_secs_f64())
}

/// Whether other invoices are open than the one that was copied.
async fn has_open_invoices(pool: &Pool) -> anyhow::Result<bool> {
    let few = "SELECT COUNT(*) FROM (SELECT id FROM subscription_invoices WHERE state = 'open' LIMIT 2) few";
    let few: i64 = sqlx::query_scalar(few).fetch_one(pool).await?;
    Ok(few > 1)
}
