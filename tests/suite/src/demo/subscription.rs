//! The last part of the demo: a trial, a purchase, and a year of renewals with the clock moved.

use std::time::Instant;

use chrono::{FixedOffset, TimeDelta};
use flysk_domain::money::Kopecks;
use flysk_store::platform::subscriptions::{self, Action};
use serde_json::Value;

use super::show;
use crate::environment::{Options, SandboxDatabase};
use crate::subscriber::{SEATS, Subscriber, TRIAL_DAYS};

/// The simulated bank's card that pays.
const CARD: &str = "2200000000000004";
/// More entries of the log than a year has.
const MAX_ENTRIES: u32 = 1_000;

/// Runs a year in a sandbox and prints it as a timeline.
pub(super) async fn show_year(options: &Options) -> anyhow::Result<()> {
    show::headline("A subscription: a trial, a purchase, and a year of renewals with the clock moved");
    let database = SandboxDatabase::create(options, "2027-01-18T09:00:00Z".parse()?).await?;
    let began = Instant::now();
    let subscriber = Subscriber::open(database.options.clone()).await?;
    subscriber.sandbox.advance(TimeDelta::days(i64::from(TRIAL_DAYS) - 1)).await?;
    subscriber.buy(CARD).await?;
    let events = subscriber.sandbox.advance(TimeDelta::days(366)).await?;
    let mut conn = subscriber.sandbox.pool.acquire().await?;
    let mut log = subscriptions::list_actions(&mut conn, subscriber.subscription, MAX_ENTRIES).await?;
    drop(conn);
    log.reverse();
    for entry in &log {
        show::note(&line(entry)?);
    }
    let paid: i64 = subscriber.sandbox.bank.state.payments().iter().map(|payment| payment.left).sum();
    show::note(&format!(
        "{SEATS} seats, {} invoices, {} taken by the bank, {} jobs and calls in {:.1} s",
        subscriber.invoices().await?.len(),
        Kopecks(paid),
        events.len(),
        began.elapsed().as_secs_f64()
    ));
    Ok(())
}

/// A line of the timeline, in Moscow time.
fn line(entry: &Action) -> anyhow::Result<String> {
    const MOSCOW_OFFSET_S: i32 = 3 * 3600;
    let moscow = FixedOffset::east_opt(MOSCOW_OFFSET_S).ok_or_else(|| anyhow::anyhow!("no such offset"))?;
    let at = entry.acted_at.with_timezone(&moscow).format("%Y-%m-%d %H:%M");
    let total = entry.details.get("total_kopecks").and_then(Value::as_i64);
    let total = total.map(|total| format!(" {}", Kopecks(total))).unwrap_or_default();
    Ok(format!("{at}  {:<20}{total} ({})", entry.action, entry.actor))
}
