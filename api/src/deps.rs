//! Shared dependencies of handlers.

use std::sync::Arc;

use flysk_clients::amocrm::AmoCrm;
use flysk_clients::http::HttpOptions;
use flysk_crypto::Keyring;
use flysk_domain::Clock;
use flysk_domain::trace::Trace;
use flysk_queue::limits::RateLimiter;
use flysk_queue::{DatabaseClock, Outbox, QueueNotifier, RedisConnection, RedisKeys, UnitOfWork};
use flysk_store::platform::ledger::WalletBatcher;
use flysk_tokens::Vault;
use secrecy::ExposeSecret;
use sqlx::pool::PoolConnection;

use crate::cache::InstallCache;
use crate::call_log::CallLog;
use crate::config::Config;
use crate::handshake_log::HandshakeLog;
use crate::hook_limits::HookLimits;
use crate::notification_writes::NotificationWrites;
use crate::problem::{Problem, ProblemCode};
use crate::quotas::{Limit, Quotas};
use crate::recordings::Recordings;
use crate::wallet_reads::WalletReads;
use crate::webhook_writes::WebhookWrites;

/// Length of the window in which requests of backends are counted, seconds.
const BACKEND_WINDOW_S: u32 = 60;

/// Stores, keys and clients that handlers share. Clones share everything.
#[derive(Clone)]
pub struct Deps {
    /// MySQL pool, transactions and enqueueing of jobs.
    pub outbox: Outbox,
    /// Encryption at rest.
    pub keyring: Arc<Keyring>,
    /// OAuth tokens of installs.
    pub vault: Vault,
    /// Executes commands of the ledger, those of many wallets in one transaction.
    pub wallet_batcher: WalletBatcher,
    /// amoCRM, for the gateway.
    pub amocrm: AmoCrm,
    /// Rate and concurrency limits, shared with all workers.
    pub limits: RateLimiter,
    /// Streams recordings to listeners; `None` in a deployment without FlySense.
    recordings: Option<Arc<Recordings>>,
    /// Configuration of the process.
    pub config: Arc<Config>,
    /// In-process cache of widgets and installs.
    pub(crate) cache: InstallCache,
    /// Writes of amoCRM's webhooks that share transactions.
    pub(crate) webhook_writes: WebhookWrites,
    /// Writes of T-Bank's notifications that share transactions.
    pub(crate) notification_writes: NotificationWrites,
    /// Reads of wallets that share statements.
    pub(crate) wallet_reads: WalletReads,
    /// Requests of backends per widget; `None` if they are not limited.
    pub(crate) quotas: Option<Quotas>,
    /// Webhooks of amoCRM per install and address; `None` if they are not limited.
    pub(crate) hook_limits: Option<HookLimits>,
    /// Calls of widgets and backends, for their vendors.
    pub(crate) call_log: CallLog,
    /// Handshakes of installs, for operators.
    pub(crate) handshakes: HandshakeLog,
    /// Redis. It may be unavailable; nothing durable depends on it.
    pub redis: RedisConnection,
}

impl std::fmt::Debug for Deps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deps").field("outbox", &self.outbox).finish_non_exhaustive()
    }
}

impl Deps {
    /// Connects to MySQL and Redis and creates all dependencies.
    pub async fn connect(config: Config) -> anyhow::Result<Self> {
        let url = config.database.url.expose_secret();
        let database = &config.database;
        let pool =
            flysk_store::connect_within(url, database.max_connections, database.acquire_timeout).await?;
        flysk_store::check_schema(&pool).await?;
        let redis = RedisConnection::lazy(&config.redis)?;
        let notifier = QueueNotifier::new(redis.clone(), RedisKeys::new(config.redis.prefix.clone()));
        let clock = DatabaseClock::start(pool.clone()).await?;
        let outbox = Outbox::new(pool, Some(notifier), Arc::new(clock));
        Ok(Self::new(config, outbox, redis)?.with_cache())
    }

    /// Creates the dependencies with existing connections, without a cache.
    pub fn new(config: Config, outbox: Outbox, redis: RedisConnection) -> anyhow::Result<Self> {
        let limits = RateLimiter::new(redis.clone(), RedisKeys::new(config.redis.prefix.clone()));
        let keys = RedisKeys::new(config.redis.prefix.clone());
        let permits = config.http.backend_requests_per_minute;
        let quotas = (permits > 0)
            .then(|| Quotas::new(redis.clone(), keys.clone(), Limit { permits, window_s: BACKEND_WINDOW_S }));
        let hooks = config.http.hooks_per_hour;
        let hook_limits = (hooks > 0).then(|| HookLimits::new(&redis, &keys, hooks));
        let wallet_batcher = WalletBatcher::new(outbox.pool().clone(), Arc::clone(outbox.clock()));
        let wallet_reads = WalletReads::new(outbox.pool().clone());
        let webhook_writes = WebhookWrites::new(outbox.clone());
        let notification_writes = NotificationWrites::new(outbox.clone());
        let amocrm = AmoCrm::new(flysk_clients::amocrm::Config {
            via: config.amocrm.egress_url.clone(),
            http: HttpOptions::with_timeout(config.amocrm.timeout),
            ..flysk_clients::amocrm::Config::default()
        })?;
        let keyring = Arc::new(config.keys.keyring.clone());
        let suffixes = config.amocrm.host_suffixes.clone();
        let vault = Vault::new(outbox.clone(), Arc::clone(&keyring), amocrm.clone(), suffixes)
            .with_rate_limit(limits.clone(), config.amocrm.token_requests_per_second);
        let recordings = config
            .flysense
            .as_ref()
            .map(|flysense| Recordings::new(flysense, &config, amocrm.clone(), limits.clone()));
        let recordings = recordings.transpose()?.map(Arc::new);
        let call_log = CallLog::new(outbox.pool().clone());
        let handshakes = HandshakeLog::new(outbox.pool().clone());
        Ok(Self {
            outbox,
            keyring,
            vault,
            wallet_batcher,
            amocrm,
            limits,
            recordings,
            config: Arc::new(config),
            cache: InstallCache::default(),
            webhook_writes,
            notification_writes,
            wallet_reads,
            quotas,
            hook_limits,
            call_log,
            handshakes,
            redis,
        })
    }

    /// Enables the in-process cache (`cache.rs`).
    #[must_use]
    pub fn with_cache(self) -> Self {
        Self { cache: InstallCache::with_invalidation(self.outbox.pool().clone()), ..self }
    }

    /// Writes the counts of calls and the handshakes that still wait. For the end of the process.
    pub async fn flush_logs(&self) {
        self.call_log.flush().await;
        self.handshakes.flush().await;
    }

    /// The dependencies of the request's handler.
    pub(crate) fn from_request(request: &poem::Request) -> Result<&Self, Problem> {
        let absent = || Problem::new(ProblemCode::Internal, "quote X-Request-Id to support");
        request.data::<Self>().ok_or_else(absent)
    }

    /// The streams of recordings; an authorized caller implies that FlySense is configured.
    pub(crate) fn recordings(&self) -> Result<&Recordings, Problem> {
        let unconfigured = || Problem::new(ProblemCode::Internal, "quote X-Request-Id to support");
        self.recordings.as_deref().ok_or_else(unconfigured)
    }

    /// The clock.
    pub fn clock(&self) -> &dyn Clock {
        self.outbox.clock().as_ref()
    }

    /// A connection for reads.
    pub(crate) async fn conn(&self) -> Result<PoolConnection<sqlx::MySql>, Problem> {
        self.outbox.pool().acquire().await.map_err(Problem::from)
    }

    /// Begins a transaction with the request's trace. Callers must run it with [`flysk_store::repeat_contended`].
    pub(crate) async fn begin(&self, trace: &Trace) -> Result<UnitOfWork, Problem> {
        self.outbox.begin(trace.clone()).await.map_err(Problem::from)
    }
}
