//! What handlers work with.

use std::sync::Arc;

use flysk_clients::amocrm::AmoCrm;
use flysk_clients::http::HttpOptions;
use flysk_domain::Clock;
use flysk_domain::trace::Trace;
use flysk_jobs::runtime::limits::Limits;
use flysk_jobs::{DatabaseClock, Keys, Outbox, Unit, Waker, connect_redis_when_there};
use flysk_runtime::Keyring;
use flysk_store::Conn;
use flysk_store::ledger::Teller;
use flysk_vault::Vault;
use redis::aio::ConnectionManager;
use secrecy::ExposeSecret;
use sqlx::pool::PoolConnection;

use crate::config::Config;
use crate::flysense::Recordings;
use crate::known::Known;
use crate::problem::Problem;

/// Stores, keys and clients that handlers share. Clones share everything.
#[derive(Clone)]
pub struct Deps {
    /// MySQL, and jobs written with state.
    pub outbox: Outbox,
    /// Encryption at rest.
    pub keyring: Arc<Keyring>,
    /// Tokens.
    pub vault: Vault,
    /// Whoever moves Flycoins.
    pub teller: Teller,
    /// amoCRM, for the gateway.
    pub amocrm: AmoCrm,
    /// Limits kept together with all workers.
    pub limits: Limits,
    /// Recordings on their way to listeners; `None` in a deployment of the bare platform.
    pub(crate) recordings: Option<Arc<Recordings>>,
    /// What the process was configured with.
    pub config: Arc<Config>,
    /// What is answered from memory.
    pub(crate) known: Known,
    /// Redis, whenever it is there: everything that is durable works without.
    pub redis: ConnectionManager,
}

impl std::fmt::Debug for Deps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deps").field("outbox", &self.outbox).finish_non_exhaustive()
    }
}

impl Deps {
    /// Connects and composes.
    pub async fn connect(config: Config) -> anyhow::Result<Self> {
        let url = config.database.url.expose_secret();
        let database = &config.database;
        let pool =
            flysk_store::connect_within(url, database.max_connections, database.acquire_timeout).await?;
        let redis =
            connect_redis_when_there(config.redis.url.expose_secret(), config.redis.response_timeout)?;
        let waker = Waker::new(redis.clone(), Keys::new(config.redis.prefix.clone()));
        let clock = DatabaseClock::start(pool.clone()).await?;
        let outbox = Outbox::new(pool, Some(waker), Arc::new(clock));
        Ok(Self::new(config, outbox, redis)?.remembering())
    }

    /// Composes on connections that are there; nothing is answered from memory.
    pub fn new(config: Config, outbox: Outbox, redis: ConnectionManager) -> anyhow::Result<Self> {
        let limits = Limits::new(redis.clone(), Keys::new(config.redis.prefix.clone()));
        let teller = Teller::new(outbox.pool().clone(), Arc::clone(outbox.clock()));
        let amocrm = AmoCrm::new(flysk_clients::amocrm::Config {
            via: config.amocrm.egress_url.clone(),
            http: HttpOptions::with_timeout(config.amocrm.timeout),
            ..flysk_clients::amocrm::Config::default()
        })?;
        let keyring = Arc::new(config.keys.keyring.clone());
        let suffixes = config.amocrm.host_suffixes.clone();
        let vault = Vault::new(outbox.clone(), Arc::clone(&keyring), amocrm.clone(), suffixes)
            .paced(limits.clone(), config.amocrm.token_requests_per_second);
        let recordings = config.flysense.as_ref().map(|flysense| Recordings::new(flysense, &config));
        let recordings = recordings.transpose()?.map(Arc::new);
        Ok(Self {
            outbox,
            keyring,
            vault,
            teller,
            amocrm,
            limits,
            recordings,
            config: Arc::new(config),
            known: Known::default(),
            redis,
        })
    }

    /// The same, answering from memory what it can (`known.rs`).
    #[must_use]
    pub fn remembering(self) -> Self {
        Self { known: Known::watching(self.outbox.pool().clone()), ..self }
    }

    /// The clock.
    pub fn clock(&self) -> &dyn Clock {
        self.outbox.clock().as_ref()
    }

    /// A connection for reads.
    pub(crate) async fn conn(&self) -> Result<PoolConnection<sqlx::MySql>, Problem> {
        self.outbox.pool().acquire().await.map_err(Problem::from)
    }

    /// A transaction on the request's thread; who opens one runs it with [`flysk_store::repeat_contended`].
    pub(crate) async fn begin(&self, trace: &Trace) -> Result<Unit, Problem> {
        self.outbox.begin(trace.clone()).await.map_err(Problem::from)
    }
}

/// A connection as the store's functions take it.
pub(crate) fn on(conn: &mut PoolConnection<sqlx::MySql>) -> &mut Conn {
    conn
}

/// What the request's handler works with.
pub(crate) fn of(request: &poem::Request) -> Result<&Deps, Problem> {
    request
        .data::<Deps>()
        .ok_or_else(|| Problem::new(crate::problem::ProblemCode::Internal, "told to our operators"))
}
