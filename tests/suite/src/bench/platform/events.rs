//! Events to vendors' backends: what backends that hang cost those that do not, and how many go through.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use chrono::SubsecRound as _;
use flysk_clients::amocrm::AmoCrm;
use flysk_domain::id::{AccountId, EventId, InstallId, WidgetId};
use flysk_domain::platform::crm::Crm;
use flysk_domain::platform::lifecycle::EventKind;
use flysk_domain::trace::Trace;
use flysk_domain::{Clock as _, SystemClock};
use flysk_jobs::lifecycle::DeliverEvent;
use flysk_jobs::{Keys, Outbox, Waker, connect_redis};
use flysk_runtime::Keyring;
use flysk_store::platform::events::{self, Event, EventState};
use flysk_store::platform::widgets::{self, Changes};
use flysk_vault::Vault;
use flysk_vault::registry::Registration;

use super::pace::steadily;
use super::sink::Sink;
use crate::bench::table::{Table, at_least};
use crate::bench::times::Times;
use crate::stand::Stand;

/// Vendors.
const WIDGETS: usize = 100;
/// Of which so many hang.
const HANGING: usize = 30;
/// Events a second, over all of them.
const PER_SECOND: u32 = 100;
/// Waiting when the throughput run begins.
const BACKLOG: usize = 5_000;
const BATCH: usize = 250;
const DELIVERIES_PER_SECOND: f64 = 1_000.0;
const PATIENCE: Duration = Duration::from_mins(2);

/// Vendors whose backends are the sink.
struct Vendors {
    outbox: Outbox,
    widgets: Vec<WidgetId>,
}

/// Runs it on a stand whose worker works and may call the sink.
pub(super) async fn run(
    stand: &Stand,
    sink: &Sink,
    time: Duration,
    verdicts: &mut Table,
) -> anyhow::Result<String> {
    let vendors = Vendors::register(stand).await?;
    vendors.lead_to(sink, 0).await?;
    let calm = vendors.steadily(sink, 0, time).await?;
    vendors.lead_to(sink, HANGING).await?;
    let beside = vendors.steadily(sink, HANGING, time).await?;
    vendors.lead_to(sink, 0).await?;
    let rate = vendors.backlog(stand, sink).await?;

    let mut table = Table::new(&["commit → the backend has it", "events", "p50", "p99"]);
    for (name, times) in [("none hangs".to_owned(), &calm), (format!("{HANGING} of {WIDGETS} hang"), &beside)]
    {
        let [p50, p99] = [50, 99].map(|percent| format!("{:.1} ms", times.ms(percent)));
        table.row(vec![name, times.count().to_string(), p50, p99]);
    }
    let ratio = beside.ms(99) / calm.ms(99).max(0.001);
    verdicts.row(vec![
        format!("p99 of healthy backends while {HANGING} % hang, of that with none"),
        format!("{ratio:.2} times"),
        "no budget".to_owned(),
    ]);
    verdicts.row(vec![
        "1,000 deliveries/s".to_owned(),
        format!("{rate:.0}/s"),
        at_least(
            rate,
            DELIVERIES_PER_SECOND,
            "each is a claim that is flushed, a request, and a log with its end that is flushed",
        ),
    ]);
    Ok(format!(
        "{table}\n{PER_SECOND} events/s over {WIDGETS} vendors for {} s, one worker process; times are of backends that do not hang. Deliveries/s: from the\n\
         first to the last of {BACKLOG} that wait, one worker process, the receiver in the process that measures.\n",
        time.as_secs()
    ))
}

impl Vendors {
    async fn register(stand: &Stand) -> anyhow::Result<Self> {
        let of = |name: &str| stand.environment().get(name).with_context(|| format!("the stand has {name}"));
        let redis = connect_redis(of("REDIS_URL")?).await?;
        let waker = Waker::new(redis, Keys::new(of("FLYSK_REDIS_PREFIX")?));
        let outbox = Outbox::new(stand.pool.clone(), Some(waker), Arc::new(SystemClock));
        let keyring = Arc::new(Keyring::parse(of("FLYSK_KEYRING")?)?);
        let amocrm = AmoCrm::new(flysk_clients::amocrm::Config::default())?;
        let vault = Vault::new(outbox.clone(), keyring, amocrm, vec!["amocrm.ru".to_owned()]);
        let mut widgets = Vec::new();
        for n in 0..WIDGETS {
            let wanted = Registration {
                code: format!("vendor-{n}"),
                name: format!("Vendor {n}"),
                crm: Crm::Amocrm,
                client_uuid: format!("00000000-0000-4000-8000-{n:012}"),
                client_secret: "measured".to_owned().into(),
                redirect_uri: "https://vendor.example.test/callback".to_owned(),
            };
            let mut conn = stand.pool.acquire().await?;
            widgets.push(vault.register(&mut conn, &wanted).await?.id);
        }
        Ok(Self { outbox, widgets })
    }

    /// The first `hanging` vendors' events go where nobody answers.
    async fn lead_to(&self, sink: &Sink, hanging: usize) -> anyhow::Result<()> {
        let mut conn = self.outbox.pool().acquire().await?;
        for (n, widget) in self.widgets.iter().enumerate() {
            let path = if n < hanging { "hang" } else { "take" };
            let changes =
                Changes { event_url: Some(Some(format!("{}/{path}/{n}", sink.url))), ..Changes::default() };
            widgets::update(&mut conn, *widget, &changes, SystemClock.now()).await?;
        }
        Ok(())
    }

    /// Events at a steady pace; how long those of healthy backends were under way, from before their transaction.
    async fn steadily(&self, sink: &Sink, hanging: usize, time: Duration) -> anyhow::Result<Times> {
        sink.forget();
        let sent = Arc::new(std::sync::Mutex::new(HashMap::new()));
        steadily(PER_SECOND, time, |n| {
            let at = n as usize % WIDGETS;
            let (outbox, widget, sent) = (self.outbox.clone(), self.widgets[at], Arc::clone(&sent));
            async move {
                let began = Instant::now();
                let id = tell(&outbox, &[widget]).await?;
                if at >= hanging
                    && let (Ok(mut sent), Some(id)) = (sent.lock(), id.first())
                {
                    sent.insert(id.to_string(), began);
                }
                Ok(())
            }
        })
        .await?;
        let sent = sent.lock().map(|sent| sent.clone()).unwrap_or_default();
        let came = sink.wait_for(sent.len(), PATIENCE).await?;
        let times =
            sent.iter().filter_map(|(id, began)| Some(came.get(id)?.saturating_duration_since(*began)));
        Times::new(times).context("no event came")
    }

    /// Deliveries a second with a backlog.
    async fn backlog(&self, stand: &Stand, sink: &Sink) -> anyhow::Result<f64> {
        sqlx::query("DELETE FROM event_endpoints").execute(&stand.pool).await?;
        sqlx::query("DELETE FROM jobs WHERE kind = 'lifecycle.deliver_event'").execute(&stand.pool).await?;
        sink.forget();
        let all: Vec<WidgetId> = self.widgets.iter().copied().cycle().take(BACKLOG).collect();
        for batch in all.chunks(BATCH) {
            tell(&self.outbox, batch).await?;
        }
        let came = sink.wait_for(BACKLOG, PATIENCE).await?;
        let (first, last) = (came.values().min().context("none")?, came.values().max().context("none")?);
        #[expect(clippy::cast_precision_loss, reason = "some thousands")]
        Ok(came.len() as f64 / (*last - *first).as_secs_f64().max(0.001))
    }
}

/// Writes an event for each of these widgets, with the job that delivers it, in one transaction.
async fn tell(outbox: &Outbox, to: &[WidgetId]) -> anyhow::Result<Vec<EventId>> {
    let trace = Trace { correlation_id: format!("bench-{:016x}", rand::random::<u64>()), traceparent: None };
    let mut unit = outbox.begin(trace).await?;
    let mut ids = Vec::new();
    // In one order everywhere: two transactions must not wait for each other's counters.
    let mut to = to.to_vec();
    to.sort_by_key(ToString::to_string);
    for widget_id in to {
        let number = widgets::next_event_number(&mut unit, widget_id).await?;
        let event = Event {
            id: EventId::generate(&SystemClock),
            widget_id,
            number,
            install_id: InstallId::generate(&SystemClock),
            sequence: 1,
            kind: EventKind::Activate,
            account_id: AccountId(1),
            host: "demo.amocrm.ru".to_owned(),
            state: EventState::Waiting,
            attempts: 0,
            happened_at: SystemClock.now().trunc_subsecs(6),
        };
        events::insert(&mut unit, &event).await?;
        unit.enqueue(&DeliverEvent { event_id: event.id }).await?;
        ids.push(event.id);
    }
    unit.commit().await?;
    Ok(ids)
}
