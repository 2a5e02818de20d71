//! Years of monthly subscriptions in a sandbox, whose clock is moved.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use chrono::TimeDelta;
use flysk_domain::platform::events::EventKind;
use flysk_sandbox::{Options, Pace};
use flysk_simulators::vendor::{self, Vendor};
use flysk_simulators::{Control, Running};
use flysk_store::platform::widgets::{self, Changes};

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
/// Events of a renewal: the announcement of the charge, and the renewal.
const EVENTS_PER_RENEWAL: usize = 2;
/// Pace of the year of many: charges of one minute are due together, and several workers run them.
const CROWD_PACE: Pace = Pace { step: TimeDelta::minutes(1), jobs_at_once: 8, batches: true };

/// Measures both years; adds the verdicts.
pub(super) async fn run(servers: &Servers, verdicts: &mut Table) -> anyhow::Result<()> {
    let one = measure(servers, 1, Pace::EXACT).await?.as_secs_f64();
    let why = "every stop of the clock waits for its jobs";
    verdicts.row(vec![
        "a year of one monthly subscription with events, clock moved: < 5 s".to_owned(),
        format!("{one:.1} s"),
        at_most(one, MAX_YEAR_S, why),
    ]);
    let many = measure(servers, SUBSCRIPTIONS, CROWD_PACE).await?.as_secs_f64();
    verdicts.row(vec![
        format!("a year of {SUBSCRIPTIONS} subscriptions with events, minute by minute: < 6 min"),
        format!("{many:.0} s"),
        at_most(many, MAX_YEARS_S, "a renewal is about ten jobs and two events"),
    ]);
    Ok(())
}

/// A year of renewals of this many subscriptions, which began on the same day.
async fn measure(servers: &Servers, count: u32, pace: Pace) -> anyhow::Result<Duration> {
    let (_, pool) = servers.fresh_database().await?;
    let backend = vendor::start(None, None, Control::default()).await?;
    let allowed = ("FLYSK_OUTBOUND_ALLOW".to_owned(), backend.addr.to_string());
    let options = Options {
        pool,
        redis_url: servers.redis_url.clone(),
        starts_at: "2027-01-31T09:00:00Z".parse()?,
        variables: BTreeMap::from([allowed]),
    };
    let subscriber = Subscriber::open(options).await?;
    send_events(&subscriber, &backend).await?;
    subscriber.buy(CARD).await?;
    Crowd::of(&subscriber).await?.add_active(count - 1).await?;
    let sandbox = &subscriber.sandbox;
    let began = Instant::now();
    sandbox.walk_to(sandbox.now() + TimeDelta::days(366), pace).await?;
    let elapsed = began.elapsed();
    let paid: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM subscription_invoices WHERE state = 'paid'")
        .fetch_one(&sandbox.pool)
        .await?;
    let (renewals, wanted) = (i64::from(count) * i64::from(INVOICES - 1), i64::from(count * INVOICES));
    anyhow::ensure!(paid == wanted, "{paid} of {wanted} invoices were paid in a year");
    let (events, wanted) = (backend.state.received().len(), EVENTS_PER_RENEWAL * usize::try_from(renewals)?);
    anyhow::ensure!(events >= wanted, "{events} events of {wanted} were delivered");
    Ok(elapsed)
}

/// The backend receives every kind of event.
async fn send_events(subscriber: &Subscriber, backend: &Running<Vendor>) -> anyhow::Result<()> {
    let kinds = EventKind::ALL.iter().copied().filter(|kind| kind.is_optional()).collect();
    let changes = Changes {
        event_url: Some(Some(format!("{}/events", backend.url))),
        event_kinds: Some(Some(kinds)),
        ..Changes::default()
    };
    let sandbox = &subscriber.sandbox;
    let mut conn = sandbox.pool.acquire().await?;
    let widget = subscriber.row().await.context("the subscriber has a subscription")?.widget_id;
    widgets::update(&mut conn, widget, &changes, sandbox.now()).await?;
    Ok(())
}
