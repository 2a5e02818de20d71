//! Retry delays of webhooks to vendors, in real time, with the worker killed between two attempts.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use chrono::{DateTime, Utc};
use flysk_domain::SystemClock;
use flysk_domain::trace::Trace;
use flysk_queue::Outbox;
use flysk_store::Pool;

use crate::bench::role::Role;
use crate::bench::servers::Servers;
use crate::bench::table::{Table, at_most, budgets};
use crate::bench::times::Sample;
use crate::chaos::marks::create_tables;
use crate::chaos::work::FailOnSchedule;

/// Documented delays after the previous failure, in seconds.
const PROMISED_DELAYS_SECS: [i64; 3] = [10, 60, 300];
/// Budget for the lateness of a retry, in milliseconds.
const MAX_LATENESS_MS: f64 = 1_000.0;
const WAIT_TIMEOUT: Duration = Duration::from_mins(7);

/// Runs the test, which takes 371 s.
pub(in crate::bench) async fn run(servers: &Servers) -> anyhow::Result<String> {
    let (database_url, pool) = servers.fresh_database().await?;
    create_tables(&pool).await?;
    let role = Role::Fail { database_url, redis_url: servers.redis_url.clone() };
    let outbox = Outbox::new(pool.clone(), None, Arc::new(SystemClock));
    let trace = Trace { correlation_id: "bench-schedule".to_owned(), traceparent: None };
    let mut unit = outbox.begin(trace).await?;
    unit.enqueue(&FailOnSchedule { key: 1 }).await?.context("no retry is scheduled yet")?;
    unit.commit().await?;

    let mut first = ChildGuard::start(servers, &role)?;
    wait_for_starts(&pool, 2).await?;
    first.kill()?;
    let _second = ChildGuard::start(servers, &role)?;
    let starts = wait_for_starts(&pool, 4).await?;

    let mut table = Table::new(&["attempt", "configured delay", "actual delay", "late"]);
    let mut latest = 0.0_f64;
    for (number, (pair, promised)) in starts.windows(2).zip(PROMISED_DELAYS_SECS).enumerate() {
        let [before, after] = pair else { continue };
        let due = *before + chrono::Duration::seconds(promised);
        let late = Sample(due.timestamp_micros(), after.timestamp_micros()).late().as_secs_f64() * 1_000.0;
        anyhow::ensure!(*after >= due, "attempt {} came early", number + 2);
        latest = latest.max(late);
        let came = Sample(before.timestamp_micros(), after.timestamp_micros()).late();
        table.row(vec![
            (number + 2).to_string(),
            format!("{promised} s"),
            format!("{:.3} s", came.as_secs_f64()),
            format!("{late:.0} ms"),
        ]);
    }
    let mut verdicts = budgets();
    verdicts.row(vec![
        "retries after 10, 60, 300 s, never early, less than 1 s late".to_owned(),
        format!("at most {latest:.0} ms late"),
        at_most(latest, MAX_LATENESS_MS, "due rows are polled every 250 ms; the machine was overloaded"),
    ]);
    Ok(format!(
        "{table}\n{verdicts}\nThe worker was killed (`kill -9`) after attempt 2 and another one was started; the schedule is stored in MySQL. Ran in parallel with the\n\
         other parts.\n"
    ))
}

/// Waits until the job was started `wanted` times; returns the times of the starts.
async fn wait_for_starts(pool: &Pool, wanted: usize) -> anyhow::Result<Vec<DateTime<Utc>>> {
    let deadline = Instant::now() + WAIT_TIMEOUT;
    loop {
        let starts: Vec<DateTime<Utc>> =
            sqlx::query_scalar("SELECT at FROM chaos_starts ORDER BY attempt").fetch_all(pool).await?;
        if starts.len() >= wanted {
            return Ok(starts);
        }
        if Instant::now() > deadline {
            bail!("{} of {wanted} attempts in {} s", starts.len(), WAIT_TIMEOUT.as_secs());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// A worker process that is killed with SIGKILL, on drop at the latest.
struct ChildGuard(Child);

impl ChildGuard {
    fn start(servers: &Servers, role: &Role) -> anyhow::Result<Self> {
        let mut child = Command::new(servers.binaries.join("flysk-bench"))
            .args(["--role", &serde_json::to_string(role)?])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let stdout = child.stdout.take().context("stdout")?;
        let worker = Self(child);
        BufReader::new(stdout).read_line(&mut line)?;
        if line.trim() == "ready" { Ok(worker) } else { bail!("the worker did not start") }
    }

    fn kill(&mut self) -> anyhow::Result<()> {
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }
}

impl Drop for ChildGuard {
    fn drop(&mut self) {
        let _gone_already = self.kill();
    }
}
