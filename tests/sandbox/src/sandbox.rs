//! Starting a sandbox.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, bail};
use chrono::{DateTime, Utc};
use flysk_api::{Config as ApiConfig, Deps, routes};
use flysk_config::{Env, Redis};
use flysk_domain::Clock;
use flysk_queue::cron::Scheduler;
use flysk_queue::executor::{Executor, LeaseConfig};
use flysk_queue::limits::RateLimiter;
use flysk_queue::{EnqueuedJobs, EphemeralQueue, Outbox, RedisKeys, connect_redis};
use flysk_simulators::amocrm::{self, Amocrm, Behaviour};
use flysk_simulators::tbank::{self, TBank};
use flysk_simulators::{Control, Running, SimClock};
use flysk_store::Pool;
use flysk_workers::{App, config::Config as WorkerConfig, registry, schedule};
use poem::Response;
use poem::endpoint::BoxEndpoint;
use secrecy::ExposeSecret as _;
use tokio_util::task::AbortOnDropHandle;

use crate::crash::{Crash, take_planned};
use crate::ticks::Ticks;
use crate::timeline::Event;
use crate::variables::{Addresses, PUBLIC_ORIGIN, TERMINAL_KEY, TERMINAL_PASSWORD, environment, variables};

/// Options of a sandbox.
#[derive(Debug, Clone)]
pub struct Options {
    /// A migrated database of its own. Live rows must never be in it: its clock is not theirs.
    pub pool: Pool,
    /// Address of Redis. The sandbox uses its own key prefix.
    pub redis_url: String,
    /// First time that the clock shows.
    pub starts_at: DateTime<Utc>,
    /// Additional environment variables of the product.
    pub variables: BTreeMap<String, String>,
}

impl Options {
    /// Options for a database and the Redis of `REDIS_URL`.
    pub fn new(pool: Pool, starts_at: DateTime<Utc>) -> anyhow::Result<Self> {
        let redis = Redis::from_env(&Env::from_process())?;
        let redis_url = redis.url.expose_secret().to_owned();
        Ok(Self { pool, redis_url, starts_at, variables: BTreeMap::new() })
    }
}

/// The clock of a sandbox, and where its API is.
#[derive(Debug, Clone)]
pub(crate) struct SandboxContext {
    pub(crate) clock: SimClock,
    /// Address at which the simulators reach the API.
    pub(crate) api_url: String,
    /// Address at which people and backends reach it.
    pub(crate) public_url: String,
}

/// The product and the outside services on one clock. It stops on drop; the database stays.
#[derive(Debug)]
pub struct Sandbox {
    /// The clock. Set it with [`Sandbox::advance`], which does not jump over due dates.
    pub clock: SimClock,
    /// Simulated amoCRM.
    pub amocrm: Running<Amocrm>,
    /// Simulated T-Bank.
    pub bank: Running<TBank>,
    /// Address of the API, `http://127.0.0.1:<port>`.
    pub api_url: String,
    /// The worker: runs the jobs, gives handlers their clients.
    pub executor: Executor<App>,
    /// Database connections.
    pub pool: Pool,
    /// Environment variables of the product, for processes beside the sandbox. `DATABASE_URL` is a placeholder.
    pub variables: BTreeMap<String, String>,
    pub(crate) scheduler: Scheduler,
    /// The entries of the schedule, one by one.
    pub(crate) ticks: Ticks,
    /// Due jobs that were enqueued since the due jobs were read.
    pub(crate) enqueued: EnqueuedJobs,
    /// Whether so many accounts are installed that they are a crowd, once that was seen.
    pub(crate) is_crowd: AtomicBool,
    /// What happened since the last answer of [`Sandbox::advance`].
    pub(crate) events: tokio::sync::Mutex<Vec<Event>>,
    /// Numbers of the next calls of amoCRM and of the bank that were not noted.
    pub(crate) seen: [AtomicU64; 2],
    /// The crashes that are planned.
    pub(crate) crashes: Mutex<Vec<Crash>>,
    /// Whether a job may be waiting for the end of its dead worker's lease.
    pub(crate) has_crashed: AtomicBool,
    /// The server of the API, unless somebody else serves it.
    _api: Option<AbortOnDropHandle<std::io::Result<()>>>,
}

impl Sandbox {
    /// Starts simulators and product. Nothing is registered yet.
    pub async fn start(options: Options) -> anyhow::Result<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let api_url = format!("http://{}", listener.local_addr()?);
        let clock = SimClock::frozen(options.starts_at);
        let context = SandboxContext { clock, public_url: api_url.clone(), api_url };
        let (sandbox, api) = Self::build(options, context).await?;
        let acceptor = poem::listener::TcpAcceptor::from_tokio(listener)?;
        let server = tokio::spawn(poem::Server::new_with_acceptor(acceptor).run(api));
        Ok(Self { _api: Some(AbortOnDropHandle::new(server)), ..sandbox })
    }

    /// Starts simulators and product, except for the server of the API: the caller serves the returned endpoint at the
    /// addresses of `context`.
    pub(crate) async fn build(
        options: Options,
        context: SandboxContext,
    ) -> anyhow::Result<(Self, BoxEndpoint<'static, Response>)> {
        let SandboxContext { clock, api_url, public_url } = context;
        let control = || Control::with_clock(clock.clone());
        let amocrm = amocrm::start(None, control()).await?;
        amocrm.state.route(PUBLIC_ORIGIN, &api_url);
        if clock.is_frozen() {
            lift_rate_limits(&amocrm.state);
        }
        let terminal = tbank::Terminal {
            key: TERMINAL_KEY.to_owned(),
            password: TERMINAL_PASSWORD.to_owned(),
            notification_url: Some(format!("{api_url}/hooks/tbank")),
            cash_register: true,
            charge_enabled: true,
            blocked: false,
        };
        let bank = tbank::start(tbank::Options { bind: None, terminals: vec![terminal] }, control()).await?;
        if public_url != api_url {
            bank.state.route(&public_url, &api_url);
        }
        let addresses =
            Addresses { amocrm: &amocrm.url, bank: &bank.url, api: &public_url, redis: &options.redis_url };
        let variables = variables(&addresses, &options.variables, clock.is_frozen());
        let env = environment(&variables);
        let enqueued = EnqueuedJobs::default();
        let outbox =
            Outbox::new(options.pool.clone(), None, Arc::new(clock.clone())).telling(enqueued.clone());
        let executor = executor(&env, &outbox).await?;
        let redis = connect_redis(&options.redis_url).await?;
        let deps = Deps::new(ApiConfig::from_env(&env)?, outbox.clone(), redis)?;
        let sandbox = Self {
            ticks: Ticks::new(&outbox)?,
            scheduler: Scheduler::new(outbox, schedule::entries(false)?),
            clock,
            amocrm,
            bank,
            api_url,
            executor,
            pool: options.pool,
            variables,
            enqueued,
            is_crowd: AtomicBool::new(false),
            events: tokio::sync::Mutex::default(),
            seen: [AtomicU64::new(0), AtomicU64::new(0)],
            crashes: Mutex::default(),
            has_crashed: AtomicBool::new(false),
            _api: None,
        };
        Ok((sandbox, routes::boxed(deps)))
    }

    /// By the clock that the caller moves.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Deletes everything that the sandbox keeps in Redis, as a crash of Redis would.
    pub async fn wipe_redis(&self) -> anyhow::Result<()> {
        let redis = &self.executor.app().config().redis;
        let mut conn = connect_redis(redis.url.expose_secret()).await?;
        let pattern = format!("{}*", redis.prefix);
        let keys: Vec<String> = redis::cmd("KEYS").arg(pattern).query_async(&mut conn).await?;
        if !keys.is_empty() {
            redis::cmd("UNLINK").arg(&keys).query_async::<()>(&mut conn).await?;
        }
        Ok(())
    }

    /// Plans a crash: the worker's process ends while it runs the next job of this kind, after the job has gone on
    /// `after_polls` times. A job that ends earlier is not affected; one that only waits is, in its next run. Another worker takes the job when the lease is over.
    /// Replaces the crashes that were planned before.
    pub fn plan_crash(&self, kind: &str, after_polls: u32) {
        self.plan_crashes(vec![Crash { kind: kind.to_owned(), skip: 0, after_polls }]);
    }

    /// Plans crashes, each of one run. Replaces those that were planned before.
    pub fn plan_crashes(&self, crashes: Vec<Crash>) {
        *self.crashes.lock().unwrap_or_else(PoisonError::into_inner) = crashes;
    }

    /// Runs the due job of a kind until `happened`, and ends its worker's process there, whatever the job waits for: unlike a
    /// number of steps, this point does not depend on how quick the machine is. Another worker takes the job when the lease is
    /// over. Fails if no job of this kind is due, or if the job ends first.
    pub async fn crash_when(&self, kind: &str, happened: impl Future<Output = ()>) -> anyhow::Result<()> {
        let due = self.due_jobs(&mut *self.pool.acquire().await?).await?;
        let job = due.into_iter().find(|job| job.kind == kind);
        let job = job.with_context(|| format!("no {kind} is due"))?;
        tokio::select! {
            result = self.executor.execute(job.id.parse()?) => bail!("{kind} ended first: {result:?}"),
            () = happened => self.has_crashed.store(true, Ordering::SeqCst),
        }
        Ok(())
    }

    /// Takes the crash that is planned for this run of a kind of job.
    pub(crate) fn take_crash(&self, kind: &str) -> Option<Crash> {
        take_planned(&mut self.crashes.lock().unwrap_or_else(PoisonError::into_inner), kind)
    }

    /// Plans a crash that was taken for the next run of its kind.
    pub(crate) fn plan_again(&self, crash: Crash) {
        self.crashes.lock().unwrap_or_else(PoisonError::into_inner).insert(0, crash);
    }

    /// The outbox, for use cases and for enqueueing.
    pub fn outbox(&self) -> &Outbox {
        self.executor.outbox()
    }
}

/// amoCRM counts the requests of a second by its clock. On one that stands it would refuse, of any number of requests, all but the
/// first seven until the clock is moved, and block the account after fifty more.
fn lift_rate_limits(amocrm: &Amocrm) {
    amocrm.set_behaviour(Behaviour {
        requests_per_s: usize::MAX,
        account_requests_per_s: usize::MAX,
        ..amocrm.behaviour()
    });
}

async fn executor(env: &Env, outbox: &Outbox) -> anyhow::Result<Executor<App>> {
    let config = Redis::from_env(env)?;
    let redis = connect_redis(config.url.expose_secret()).await?;
    let keys = RedisKeys::new(config.prefix);
    let limits = RateLimiter::new(redis.clone(), keys.clone());
    let app = App::new(
        WorkerConfig::from_env(env).context("the configuration of a sandbox")?,
        outbox.clone(),
        limits,
        EphemeralQueue::new(redis, keys),
    )?;
    let owner = format!("sandbox-{:08x}", rand::random::<u32>());
    Ok(Executor::new(outbox.clone(), registry(), Arc::new(app), owner, LeaseConfig::default()))
}
