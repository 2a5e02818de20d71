//! Shared dependencies of all pages.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use flysk_clients::storage::{self, Storage};
use flysk_crypto::Keyring;
use flysk_domain::Clock;
use flysk_queue::limits::RateLimiter;
use flysk_queue::{DatabaseClock, Outbox, QueueNotifier, RedisConnection, RedisKeys};
use flysk_store::Pool;
use secrecy::ExposeSecret as _;
use sqlx::MySql;
use sqlx::pool::PoolConnection;

use crate::config::Config;
use crate::fault::Fault;
use crate::page_times::PageTimes;
use crate::webauthn::RelyingParty;

/// Connections for reads: a page takes one for its session and all that it shows. Their statements have a time limit.
const READ_CONNECTIONS: u32 = 6;
/// Connections for acts and their sessions.
const WRITE_CONNECTIONS: u32 = 4;
/// Time to wait for a free connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// Timeout of connecting to object storage.
const STORAGE_CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Timeout of its first byte. The panel uploads nothing.
const STORAGE_TIMEOUT: Duration = Duration::from_secs(10);

/// A connection of one request. Clones share it.
#[derive(Clone, Default)]
struct Lent(Arc<Mutex<Option<PoolConnection<MySql>>>>);

impl Lent {
    fn slot(&self) -> MutexGuard<'_, Option<PoolConnection<MySql>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stores and keys that pages share. Clones share everything.
#[derive(Clone)]
pub struct Deps {
    /// Transactions of acts, and enqueueing of jobs.
    pub outbox: Outbox,
    /// Reads of lists and pages, and of their sessions.
    pub reads: Pool,
    /// The connection that found the session of a request, for the reads of its page.
    lent: Lent,
    /// Encryption at rest.
    pub keyring: Arc<Keyring>,
    /// Object storage with exported files; `None` if it is not configured: nothing is exported.
    pub storage: Option<Storage>,
    /// Limits of calls to amoCRM, of which the panel reads the pauses only; `None` if Redis is not configured properly.
    pub(crate) limits: Option<RateLimiter>,
    /// Checks passkeys; `None` if the panel's URL has no host name.
    pub(crate) relying_party: Option<RelyingParty>,
    /// How long the last pages took.
    pub(crate) page_times: PageTimes,
    /// Configuration of the process.
    pub config: Arc<Config>,
}

impl std::fmt::Debug for Deps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Deps").field("outbox", &self.outbox).finish_non_exhaustive()
    }
}

impl Deps {
    /// Connects to MySQL and Redis.
    ///
    /// # Errors
    ///
    /// The database is unreachable or its clock cannot be read.
    pub async fn connect(config: Config) -> anyhow::Result<Self> {
        let url = config.database.url.expose_secret();
        let writes = flysk_store::connect_within(url, WRITE_CONNECTIONS, ACQUIRE_TIMEOUT).await?;
        let reads = flysk_store::connect_for_reading(url, READ_CONNECTIONS, ACQUIRE_TIMEOUT).await?;
        let redis = RedisConnection::lazy(&config.redis)?;
        let notifier = QueueNotifier::new(redis, RedisKeys::new(config.redis.prefix.clone()));
        let clock = DatabaseClock::start(writes.clone()).await?;
        Ok(Self::new(config, Outbox::new(writes, Some(notifier), Arc::new(clock)), reads))
    }

    /// Creates the dependencies with existing connections.
    pub fn new(config: Config, outbox: Outbox, reads: Pool) -> Self {
        let keyring = Arc::new(config.keys.keyring.clone());
        let storage = config.storage.as_ref().map(open_storage);
        let relying_party = RelyingParty::of(&config.admin.url);
        let page_times = PageTimes::default();
        let keys = RedisKeys::new(config.redis.prefix.clone());
        let limits = RedisConnection::lazy(&config.redis).ok().map(|redis| RateLimiter::new(redis, keys));
        let config = Arc::new(config);
        let lent = Lent::default();
        Self { outbox, reads, lent, keyring, storage, limits, relying_party, page_times, config }
    }

    /// The dependencies of a request, which lends its pages no connection of another one.
    pub(crate) fn of_request(&self) -> Self {
        Self { lent: Lent::default(), ..self.clone() }
    }

    /// The clock of the outbox: everything in the process reads the same one.
    pub fn clock(&self) -> &dyn Clock {
        self.outbox.clock().as_ref()
    }

    /// A connection for reads of pages: the one that found the session, as long as nobody has taken it. Each connection
    /// that goes back to the pool costs two round trips.
    pub(crate) async fn read(&self) -> Result<PoolConnection<MySql>, Fault> {
        let lent = self.lent.slot().take();
        match lent {
            Some(conn) => Ok(conn),
            None => self.reads.acquire().await.map_err(Fault::from),
        }
    }

    /// Keeps a connection of [`Self::read`] for the next read of the same request. If there is none, it goes back to the
    /// pool at the end of the request.
    pub(crate) fn lend(&self, conn: PoolConnection<MySql>) {
        *self.lent.slot() = Some(conn);
    }

    /// A connection for acts, and for their sessions.
    pub(crate) async fn write(&self) -> Result<PoolConnection<MySql>, Fault> {
        self.outbox.pool().acquire().await.map_err(Fault::from)
    }
}

fn open_storage(config: &flysk_config::Storage) -> Storage {
    Storage::new(storage::Config {
        endpoint: config.endpoint.clone(),
        bucket: config.bucket.clone(),
        access_key_id: config.access_key_id.clone(),
        secret_access_key: config.secret_access_key.clone(),
        connect_timeout: STORAGE_CONNECT_TIMEOUT,
        operation_timeout: STORAGE_TIMEOUT,
        upload_timeout: STORAGE_TIMEOUT,
    })
}
