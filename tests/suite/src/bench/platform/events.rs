//! Events to vendors' backends: effect of hanging backends on healthy ones, and throughput.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use flysk_clients::amocrm::AmoCrm;
use flysk_crypto::Keyring;
use flysk_domain::id::{AccountId, EventId, InstallId, WidgetId};
use flysk_domain::platform::crm::Crm;
use flysk_domain::platform::events::EventKind;
use flysk_domain::trace::Trace;
use flysk_domain::{Clock as _, SystemClock};
use flysk_jobs::platform::lifecycle::DeliverEvent;
use flysk_queue::{Outbox, QueueNotifier, RedisKeys, connect_redis};
use flysk_services::widgets::Registration;
use flysk_store::platform::events::{self, Event, EventState};
use flysk_store::platform::widgets::{self, Changes};
use flysk_tokens::Vault;

use super::pace::steadily;
use super::sink::Sink;
use crate::bench::child::{cpu_of, cpu_of_machine};
use crate::bench::table::{Table, at_least};
use crate::bench::times::Times;
use crate::environment::Environment;

/// Number of vendors.
const WIDGET_COUNT: usize = 100;
/// Vendors whose backends hang.
const HANGING_WIDGETS: usize = 30;
/// Events per second, over all vendors.
const EVENTS_PER_SECOND: u32 = 100;
/// Backlog of the throughput run, in deliveries: several seconds of work, so that its first and last moments weigh
/// little.
const BACKLOG: usize = 15_000;
const INSERT_BATCH_SIZE: usize = 250;
const MIN_DELIVERIES_PER_SECOND: f64 = 3_000.0;
/// Time until the backlog is due, in which all of it is inserted.
const BACKLOG_DELAY: TimeDelta = TimeDelta::seconds(40);
const WAIT_TIMEOUT: Duration = Duration::from_mins(2);

/// Vendors whose backends are the sink.
struct Vendors {
    outbox: Outbox,
    widgets: Vec<WidgetId>,
}

/// Deliveries of a backlog.
struct Backlog {
    /// Deliveries per second, from the first to the last.
    rate: f64,
    /// Connections of the worker to the receiver.
    connections: usize,
    /// Cores in use: of the worker, of the receiver, and of the whole machine.
    cores: [f64; 3],
}

impl Backlog {
    /// What bounds the rate: who uses the CPU.
    fn bound(&self) -> String {
        let [worker, receiver, machine] = self.cores;
        format!(
            "{machine:.1} cores are busy: {worker:.1} by the worker, {receiver:.1} by the receiver, {:.1} by the databases and \
             everything else",
            (machine - worker - receiver).max(0.0)
        )
    }
}

/// Runs the benchmark. The environment must have a running worker that may call the sink.
pub(super) async fn run(
    env: &Environment,
    sink: &Sink,
    time: Duration,
    verdicts: &mut Table,
) -> anyhow::Result<String> {
    let vendors = Vendors::register(env).await?;
    vendors.set_target(sink, 0).await?;
    let calm = vendors.steadily(sink, 0, time).await?;
    vendors.set_target(sink, HANGING_WIDGETS).await?;
    let beside = vendors.steadily(sink, HANGING_WIDGETS, time).await?;
    vendors.set_target(sink, 0).await?;
    let backlog = vendors.backlog(env, sink).await?;

    let mut table = Table::new(&["commit → received by the backend", "events", "p50", "p99"]);
    for (name, times) in [
        ("no backend hangs".to_owned(), &calm),
        (format!("{HANGING_WIDGETS} of {WIDGET_COUNT} backends hang"), &beside),
    ] {
        let [p50, p99] = [50, 99].map(|percent| format!("{:.1} ms", times.ms(percent)));
        table.row(vec![name, times.count().to_string(), p50, p99]);
    }
    let ratio = beside.ms(99) / calm.ms(99).max(0.001);
    verdicts.row(vec![
        format!("p99 of healthy backends while {HANGING_WIDGETS} % hang, relative to none hanging"),
        format!("{ratio:.2} times"),
        "no budget".to_owned(),
    ]);
    verdicts.row(vec![
        "3,000 deliveries/s".to_owned(),
        format!("{:.0}/s", backlog.rate),
        at_least(backlog.rate, MIN_DELIVERIES_PER_SECOND, &backlog.bound()),
    ]);
    Ok(format!(
        "{table}\n{EVENTS_PER_SECOND} events/s over {WIDGET_COUNT} vendors for {} s, one worker process; times are for backends that do not hang. Deliveries/s: from the\n\
         first to the last of {BACKLOG} waiting deliveries that become due together, one worker process, over {} connections to the receiver in the\n\
         measuring process. Meanwhile {}.\n",
        time.as_secs(),
        backlog.connections,
        backlog.bound()
    ))
}

impl Vendors {
    async fn register(env: &Environment) -> anyhow::Result<Self> {
        let of =
            |name: &str| env.variables().get(name).with_context(|| format!("the environment has {name}"));
        let redis = connect_redis(of("REDIS_URL")?).await?;
        let notifier = QueueNotifier::new(redis, RedisKeys::new(of("FLYSK_REDIS_PREFIX")?));
        let outbox = Outbox::new(env.pool.clone(), Some(notifier), Arc::new(SystemClock));
        let keyring = Arc::new(Keyring::parse(of("FLYSK_KEYRING")?)?);
        let amocrm = AmoCrm::new(flysk_clients::amocrm::Config::default())?;
        let vault = Vault::new(outbox.clone(), keyring, amocrm, vec!["amocrm.ru".to_owned()]);
        let mut widgets = Vec::new();
        for n in 0..WIDGET_COUNT {
            let wanted = Registration {
                code: format!("vendor-{n}"),
                name: format!("Vendor {n}"),
                crm: Crm::Amocrm,
                client_uuid: format!("00000000-0000-4000-8000-{n:012}"),
                client_secret: "measured".to_owned().into(),
                redirect_uri: "https://vendor.example.test/oauth/amocrm/callback".to_owned(),
            };
            let mut conn = env.pool.acquire().await?;
            widgets.push(vault.widgets().register(&mut conn, &wanted).await?.id);
        }
        Ok(Self { outbox, widgets })
    }

    /// Points the first `hanging` vendors at a path that never responds.
    async fn set_target(&self, sink: &Sink, hanging: usize) -> anyhow::Result<()> {
        let mut conn = self.outbox.pool().acquire().await?;
        for (n, widget) in self.widgets.iter().enumerate() {
            let path = if n < hanging { "hang" } else { "take" };
            let changes =
                Changes { event_url: Some(Some(format!("{}/{path}/{n}", sink.url))), ..Changes::default() };
            widgets::update(&mut conn, *widget, &changes, SystemClock.now()).await?;
        }
        Ok(())
    }

    /// Sends events at a steady rate. Returns the delivery times of healthy backends, measured from before the
    /// transaction.
    async fn steadily(&self, sink: &Sink, hanging: usize, time: Duration) -> anyhow::Result<Times> {
        sink.forget();
        let sent = Arc::new(std::sync::Mutex::new(HashMap::new()));
        steadily(EVENTS_PER_SECOND, time, |n| {
            let at = n as usize % WIDGET_COUNT;
            let (outbox, widget, sent) = (self.outbox.clone(), self.widgets[at], Arc::clone(&sent));
            async move {
                let began = Instant::now();
                let id = tell(&outbox, &[widget], SystemClock.now()).await?;
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
        let came = sink.wait_for(sent.len(), WAIT_TIMEOUT).await?;
        let times =
            sent.iter().filter_map(|(id, began)| Some(came.get(id)?.saturating_duration_since(*began)));
        Times::new(times).context("no event was received")
    }

    /// Deliveries with a backlog.
    async fn backlog(&self, env: &Environment, sink: &Sink) -> anyhow::Result<Backlog> {
        sqlx::query("DELETE FROM event_endpoints").execute(&env.pool).await?;
        sqlx::query("DELETE FROM jobs WHERE kind = 'lifecycle.deliver_event'").execute(&env.pool).await?;
        sink.forget();
        let all: Vec<WidgetId> = self.widgets.iter().copied().cycle().take(BACKLOG).collect();
        let due_at = SystemClock.now() + BACKLOG_DELAY;
        for batch in all.chunks(INSERT_BATCH_SIZE) {
            tell(&self.outbox, batch, due_at).await?;
        }
        let left = (due_at - SystemClock.now()).to_std().context("the backlog was not inserted in time")?;
        tokio::time::sleep(left).await;
        let (began, before) = (Instant::now(), cpu_times(env)?);
        let came = sink.wait_for(BACKLOG, WAIT_TIMEOUT).await?;
        let (took, after) = (began.elapsed(), cpu_times(env)?);
        let (first, last) = (came.values().min().context("none")?, came.values().max().context("none")?);
        let cores = std::array::from_fn(|party| {
            after[party].saturating_sub(before[party]).as_secs_f64() / took.as_secs_f64()
        });
        #[expect(clippy::cast_precision_loss, reason = "some thousands")]
        let rate = came.len() as f64 / (*last - *first).as_secs_f64().max(0.001);
        Ok(Backlog { rate, connections: sink.connections(), cores })
    }
}

/// CPU time so far of the worker, of this process, which receives, and of the machine.
fn cpu_times(env: &Environment) -> anyhow::Result<[Duration; 3]> {
    Ok([cpu_of(env.pid(1)?)?, cpu_of(std::process::id())?, cpu_of_machine()?])
}

/// Inserts an event for each of these widgets and the job that delivers it at `due_at`, in one transaction.
async fn tell(outbox: &Outbox, to: &[WidgetId], due_at: DateTime<Utc>) -> anyhow::Result<Vec<EventId>> {
    let trace = Trace { correlation_id: format!("bench-{:016x}", rand::random::<u64>()), traceparent: None };
    let mut unit = outbox.begin(trace).await?;
    let mut ids = Vec::new();
    // Always in the same order, so that transactions do not deadlock on the counters.
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
            data: None,
        };
        events::insert(&mut unit, &event).await?;
        unit.enqueue_at(&DeliverEvent::new(event.widget_id, event.id), due_at).await?;
        ids.push(event.id);
    }
    unit.commit().await?;
    Ok(ids)
}
