//! `flysk-chaos-worker DATABASE_URL REDIS_URL CONCURRENCY LEASE_MS GRACE_MS WALL_AHEAD_MS [CLOCK_FILE]`: worker
//! process of the chaos tests.

use std::time::Duration;

use anyhow::Context as _;
use chrono::TimeDelta;
use flysk_config::{LogFormat, Telemetry};
use flysk_suite::chaos::worker::ChaosWorker;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let telemetry = Telemetry { format: LogFormat::Human, filter: "info".to_owned(), metrics_listen: None };
    flysk_config::process::telemetry::install(&telemetry)?;
    let mut args = std::env::args().skip(1);
    let mut next = |what| args.next().context(what);
    let worker = ChaosWorker {
        database_url: next("DATABASE_URL")?,
        redis_url: next("REDIS_URL")?,
        concurrency: next("CONCURRENCY")?.parse()?,
        lease: Duration::from_millis(next("LEASE_MS")?.parse()?),
        grace: Duration::from_millis(next("GRACE_MS")?.parse()?),
        wall_ahead: TimeDelta::milliseconds(next("WALL_AHEAD_MS")?.parse()?),
        clock: args.next().map(Into::into),
    };
    worker.run().await
}
