//! Years of monthly subscriptions in a sandbox, whose clock is moved.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use flysk_sandbox::Options;

use crate::bench::servers::Servers;
use crate::bench::table::{Table, at_most};
use crate::subscriber::Subscriber;

use super::{CARD, crowd::Crowd};

/// Budget: a year of one monthly subscription, seconds.
const MAX_YEAR_S: f64 = 5.0;
/// Subscriptions of the second year.
const SUBSCRIPTIONS: u32 = 1_000;
/// Budget: a year of that many, seconds.
const MAX_YEARS_S: f64 = 360.0;
/// Invoices of a year: the purchase and twelve renewals.
const INVOICES: u32 = 13;

/// Measures both years; adds the verdicts.
pub(super) async fn run(servers: &Servers, verdicts: &mut Table) -> anyhow::Result<()> {
    let one = measure(servers, 1).await?.as_secs_f64();
    let why = "every stop of the clock runs the ticks of the schedule";
    verdicts.row(vec![
        "a year of one monthly subscription with events, clock moved: < 5 s".to_owned(),
        format!("{one:.1} s"),
        at_most(one, MAX_YEAR_S, why),
    ]);
    let many = measure(servers, SUBSCRIPTIONS).await?.as_secs_f64();
    verdicts.row(vec![
        format!("a year of {SUBSCRIPTIONS} subscriptions: < 6 min"),
        format!("{many:.0} s"),
        at_most(many, MAX_YEARS_S, "the sandbox runs one job after the other"),
    ]);
    Ok(())
}

/// A year of renewals of this many subscriptions, which began on the same day.
async fn measure(servers: &Servers, count: u32) -> anyhow::Result<Duration> {
    let (_, pool) = servers.fresh_database().await?;
    let options = Options {
        pool,
        redis_url: servers.redis_url.clone(),
        starts_at: "2027-01-31T09:00:00Z".parse()?,
        variables: BTreeMap::new(),
    };
    let subscriber = Subscriber::open(options).await?;
    subscriber.buy(CARD).await?;
    Crowd::of(&subscriber).await?.add_active(count - 1).await?;
    let began = Instant::now();
    subscriber.sandbox.advance(TimeDelta::days(366)).await?;
    let elapsed = began.elapsed();
    let paid: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM subscription_invoices WHERE state = 'paid'")
        .fetch_one(&subscriber.sandbox.pool)
        .await?;
    // The copies share the purchase of the first.
    let wanted = i64::from(count) * i64::from(INVOICES - 1) + 1;
    anyhow::ensure!(paid == wanted, "{paid} of {wanted} invoices were paid in a year");
    Ok(elapsed)
}
