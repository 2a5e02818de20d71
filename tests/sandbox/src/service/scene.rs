//! A sandbox from its start to the next reset, with everything around it.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use chrono::{DateTime, TimeDelta, Utc};
use flysk_domain::error_text::with_causes;
use flysk_simulators::smtp::{self, Smtp};
use flysk_simulators::{Control, Running, SimClock};
use flysk_store::Pool;
use poem::Response;
use poem::endpoint::BoxEndpoint;
use tokio::sync::{MutexGuard, Notify, OwnedMutexGuard};

use super::definition::WidgetDefinition;
use super::event_proxy::RunningEventProxy;
use super::journal::Journal;
use super::note::Note;
use super::outside::Outside;
use super::problem::Problem;
use super::recorder::Recorder;
use super::registration::RegisteredWidget;
use crate::advance::Pace;
use crate::sandbox::{Options, Sandbox, SandboxContext};

/// Path below which the bank's form is shown at the address of the API.
pub(super) const BANK_PATH: &str = "/_sandbox/bank";
/// Every due date; jobs of a crowd run several at a time, in batches.
const PACE: Pace = Pace { step: TimeDelta::zero(), jobs_at_once: 8, batches: true };
/// Time that a request waits for another one's jobs while the backend has an event of theirs. A backend that asks for something
/// before it answers would otherwise wait for itself.
const MAX_WAIT_FOR_BACKEND: Duration = Duration::from_secs(2);
/// Time that a request waits for another one's jobs at all: a busy machine may need it.
const MAX_WAIT_FOR_JOBS: Duration = Duration::from_secs(30);
/// Time between looks at whether the backend is why a request waits.
const LOOK: Duration = Duration::from_millis(100);

/// How the clock goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ClockMode {
    /// It stands until it is advanced: the same at every run.
    Frozen,
    /// It runs from its start time on, and can be advanced.
    Running,
}

/// What a scene is made from.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) pool: Pool,
    pub(super) redis_url: String,
    pub(super) starts_at: DateTime<Utc>,
    pub(super) clock: ClockMode,
    /// Address at which simulators and the bank form reach the API.
    pub(super) api_url: String,
    /// Address at which people and backends reach it.
    pub(super) public_url: String,
    pub(super) widget: WidgetDefinition,
    pub(super) event_url: Option<String>,
    /// Whether events keep the signature with the sandbox's time.
    pub(super) keeps_signature: bool,
}

/// The sandbox and its vendor's things.
pub(super) struct Scene {
    pub(super) plan: Plan,
    pub(super) sandbox: Sandbox,
    pub(super) outside: Outside,
    pub(super) journal: Arc<Journal>,
    /// The API of the product.
    pub(super) api: BoxEndpoint<'static, Response>,
    /// Requests to the API that are to fail.
    pub(super) api_failures: Control,
    /// The widget with its secrets of now, once it is registered.
    widget: Mutex<Option<RegisteredWidget>>,
    /// Accounts of the simulated amoCRM.
    pub(super) accounts: Mutex<BTreeSet<u64>>,
    /// Told of requests that may have enqueued jobs.
    pub(super) work: Notify,
    /// What the console shows after an act, once.
    pub(super) console_note: Mutex<Option<Note>>,
    recorder: Recorder,
    /// Held by whoever runs jobs.
    job_lock: tokio::sync::Mutex<()>,
    is_advancing: AtomicBool,
    is_ready: AtomicBool,
}

/// What came of moving the clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moved {
    pub(super) from: DateTime<Utc>,
    pub(super) to: DateTime<Utc>,
    /// Number of moments at which something was due.
    pub(super) stops: u32,
    pub(super) jobs: usize,
    /// Number of the last entry of the timeline before.
    pub(super) after: u64,
}

impl Scene {
    /// Starts simulators and product. The caller serves [`Scene::api`], then registers the widget.
    ///
    /// # Errors
    ///
    /// The database or Redis is not reachable, or a port cannot be bound.
    pub(super) async fn start(plan: Plan) -> anyhow::Result<Self> {
        let clock = match plan.clock {
            ClockMode::Frozen => SimClock::frozen(plan.starts_at),
            ClockMode::Running => SimClock::default(),
        };
        clock.set(plan.starts_at);
        let journal = Arc::new(Journal::default());
        let target = plan.event_url.clone();
        let events =
            RunningEventProxy::start(clock.clone(), Arc::clone(&journal), target, plan.keeps_signature)
                .await?;
        let mail = smtp::start(smtp::Options::default(), Control::with_clock(clock.clone())).await?;
        let options = Options {
            pool: plan.pool.clone(),
            redis_url: plan.redis_url.clone(),
            starts_at: plan.starts_at,
            variables: variables(&plan, &mail, &events),
        };
        let context =
            SandboxContext { clock, api_url: plan.api_url.clone(), public_url: plan.public_url.clone() };
        let (sandbox, api) = Sandbox::build(options, context).await?;
        sandbox.bank.state.publish_form_at(&format!("{}{BANK_PATH}", plan.public_url));
        Ok(Self {
            recorder: Recorder::new(plan.starts_at),
            plan,
            sandbox,
            outside: Outside { mail, events },
            journal,
            api,
            api_failures: Control::default(),
            widget: Mutex::default(),
            accounts: Mutex::default(),
            work: Notify::new(),
            console_note: Mutex::default(),
            job_lock: tokio::sync::Mutex::default(),
            is_advancing: AtomicBool::new(false),
            is_ready: AtomicBool::new(false),
        })
    }

    /// The registered widget.
    ///
    /// # Errors
    ///
    /// The sandbox is still starting.
    pub(super) fn widget(&self) -> Result<RegisteredWidget, Problem> {
        let widget = self.widget.lock().unwrap_or_else(PoisonError::into_inner).clone();
        widget.ok_or_else(Problem::starting)
    }

    /// Keeps the widget with its secrets of now.
    pub(super) fn know_widget(&self, widget: RegisteredWidget) {
        *self.widget.lock().unwrap_or_else(PoisonError::into_inner) = Some(widget);
    }

    pub(super) fn account_ids(&self) -> Vec<u64> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }

    /// Whether amoCRM's next webhook is lost; counts it.
    pub(super) fn loses_webhook(&self) -> bool {
        self.sandbox.amocrm.state.loses_webhook()
    }

    /// Runs what is due now, and reads what came of it into the timeline. `false`: it did not, because others run jobs, which may
    /// wait for the backend, or move the clock; they also run what became due meanwhile.
    ///
    /// # Errors
    ///
    /// The database failed, or jobs do not come to an end.
    pub(super) async fn run_due(&self) -> anyhow::Result<bool> {
        if self.is_advancing.load(Ordering::SeqCst) {
            return Ok(false);
        }
        let Some(_job_lock) = self.job_lock_in_time().await else {
            return Ok(false);
        };
        // Whoever moves the clock now, or has ended this scene, came while the lock was waited for.
        if self.is_advancing.load(Ordering::SeqCst) {
            return Ok(false);
        }
        match self.plan.clock {
            ClockMode::Frozen => self.sandbox.rest(PACE).await?,
            ClockMode::Running => self.sandbox.catch_up().await?,
        }
        self.sandbox.take_events().await;
        self.look().await?;
        Ok(true)
    }

    /// Waits until nobody else runs jobs. `None` if they wait for the backend, take too long, or the clock begins to move.
    async fn job_lock_in_time(&self) -> Option<MutexGuard<'_, ()>> {
        let began = Instant::now();
        let mut lock = pin!(self.job_lock.lock());
        loop {
            if let Ok(held) = tokio::time::timeout(LOOK, lock.as_mut()).await {
                return Some(held);
            }
            let is_held_up = self.outside.events.proxy.unanswered_for() >= MAX_WAIT_FOR_BACKEND;
            if is_held_up || self.is_advancing.load(Ordering::SeqCst) || began.elapsed() >= MAX_WAIT_FOR_JOBS
            {
                return None;
            }
        }
    }

    /// Reads what happened into the timeline.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub(super) async fn look(&self) -> anyhow::Result<()> {
        self.recorder.look(&self.journal, &self.sandbox, &self.outside).await
    }

    /// Moves the clock to `to` and runs everything that is due on the way.
    ///
    /// # Errors
    ///
    /// The clock is moving already, `to` is in the past, the database failed, or jobs do not come to an end.
    pub(super) async fn advance(&self, to: DateTime<Utc>) -> Result<Moved, Problem> {
        let _advancing = Advancing::begin(&self.is_advancing).ok_or_else(Problem::busy)?;
        let _job_lock = self.job_lock.lock().await;
        // What happened before belongs to the time before.
        self.look().await?;
        let from = self.sandbox.now();
        if to < from {
            return Err(Problem::invalid(format!("the clock shows {from} and does not go back")));
        }
        let mut moved = Moved { from, to, stops: 0, jobs: 0, after: self.journal.last() };
        let mut walk = self.sandbox.walk(to, PACE)?;
        while walk.step().await? {
            moved.stops += 1;
            moved.jobs += self.sandbox.take_events().await.iter().filter(|event| event.is_job()).count();
            self.look().await?;
        }
        Ok(moved)
    }

    /// Waits until nobody runs jobs, and keeps others from it until the returned value is dropped.
    ///
    /// # Errors
    ///
    /// The clock is moving.
    pub(super) async fn stop_work(&self) -> Result<NoWork<'_>, Problem> {
        let advancing = Advancing::begin(&self.is_advancing).ok_or_else(Problem::busy)?;
        Ok(NoWork { _job_lock: self.job_lock.lock().await, advancing })
    }

    /// Its accounts are installed.
    pub(super) fn is_ready(&self) -> bool {
        self.is_ready.load(Ordering::SeqCst)
    }

    /// Notes that its accounts are installed.
    pub(super) fn become_ready(&self) {
        self.is_ready.store(true, Ordering::SeqCst);
    }
}

/// While it lives, nobody runs jobs.
pub(super) struct NoWork<'a> {
    _job_lock: MutexGuard<'a, ()>,
    advancing: Advancing<'a>,
}

impl NoWork<'_> {
    /// Nobody runs jobs of this scene any more: its rows are those of the next one.
    pub(super) fn forever(&mut self) {
        self.advancing.forever = true;
    }
}

/// While it lives, the clock moves.
struct Advancing<'a> {
    flag: &'a AtomicBool,
    /// Whether that stays so.
    forever: bool,
}

impl<'a> Advancing<'a> {
    /// `None` if the clock is moving already.
    fn begin(flag: &'a AtomicBool) -> Option<Self> {
        // Not `then_some`, whose value would be dropped, and end what the other began.
        (!flag.swap(true, Ordering::SeqCst)).then(|| Self { flag, forever: false })
    }
}

impl Drop for Advancing<'_> {
    fn drop(&mut self) {
        self.flag.store(self.forever, Ordering::SeqCst);
    }
}

/// Variables of the product beside those of every sandbox.
fn variables(plan: &Plan, mail: &Running<Smtp>, events: &RunningEventProxy) -> BTreeMap<String, String> {
    [
        ("FLYSK_OUTBOUND_ALLOW", events.proxy.address().to_owned()),
        ("FLYSK_SMTP_URL", format!("{}?tls=none", mail.url)),
        ("FLYSK_SMTP_FROM", "Flysk <notices@flysk.example>".to_owned()),
        // The form is shown at the address of the API, which is its origin for buyers.
        ("FLYSK_TBANK_FORM_HOSTS", plan.public_url.clone()),
        // No answer of the bank is lost on purpose, so none is waited for in vain; a busy machine may take its time.
        ("FLYSK_TBANK_TIMEOUT_MS", "15000".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// The current scene; there is none while the sandbox is being reset, and after a reset that failed. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Current(Arc<Inner>);

#[derive(Default)]
struct Inner {
    scene: std::sync::RwLock<Option<Arc<Scene>>>,
    /// What the last scene was made from, or should have been.
    plan: Mutex<Option<Plan>>,
    /// Whoever holds it makes a scene.
    opening: Arc<tokio::sync::Mutex<()>>,
}

impl Current {
    /// The scene.
    ///
    /// # Errors
    ///
    /// The sandbox is being reset.
    pub(super) fn scene(&self) -> Result<Arc<Scene>, Problem> {
        self.0.scene.read().unwrap_or_else(PoisonError::into_inner).clone().ok_or_else(Problem::starting)
    }

    /// Replaces the scene; returns the former one.
    pub(super) fn replace(&self, scene: Option<Arc<Scene>>) -> Option<Arc<Scene>> {
        std::mem::replace(&mut *self.0.scene.write().unwrap_or_else(PoisonError::into_inner), scene)
    }

    /// Keeps others from making a scene until the returned value is dropped.
    ///
    /// # Errors
    ///
    /// Somebody makes one.
    pub(super) fn begin(&self) -> Result<OwnedMutexGuard<()>, Problem> {
        Arc::clone(&self.0.opening).try_lock_owned().map_err(|_| Problem::starting())
    }

    /// What the last scene was made from, or should have been.
    ///
    /// # Errors
    ///
    /// The sandbox is starting.
    pub(super) fn plan(&self) -> Result<Plan, Problem> {
        self.0.plan.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or_else(Problem::starting)
    }

    /// Keeps what a scene is made from.
    pub(super) fn know_plan(&self, plan: Plan) {
        *self.0.plan.lock().unwrap_or_else(PoisonError::into_inner) = Some(plan);
    }
}

/// Runs what becomes due until the process ends: after requests to the API, and from time to time.
pub(super) async fn run_work(current: Current, clock: ClockMode) {
    let interval = match clock {
        // Requests tell of their work; commands of an operator do not.
        ClockMode::Frozen => Duration::from_secs(1),
        ClockMode::Running => Duration::from_millis(250),
    };
    loop {
        let Ok(scene) = current.scene() else {
            tokio::time::sleep(interval).await;
            continue;
        };
        // Either way there may be work.
        let _told = tokio::time::timeout(interval, scene.work.notified()).await;
        if let Err(error) = scene.run_due().await.context("jobs of the sandbox") {
            tracing::error!(error = with_causes(&*error), "the sandbox does not come to rest");
        }
    }
}
