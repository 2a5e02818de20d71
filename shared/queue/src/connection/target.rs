//! The servers of an address: opens connections to the one that is the primary now.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use flysk_config::{HostPort, Redis, RedisAddress, RedisServers};
use redis::aio::{MultiplexedConnection, PubSub};
use redis::io::tcp::TcpSettings;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, IntoConnectionInfo as _, RedisConnectionInfo, RedisError,
    RedisResult, TlsCertificates, TlsMode,
};
use secrecy::ExposeSecret as _;
use tokio::sync::Mutex;

use super::roots::{self, RootsError};

/// Timeout of finding the primary and connecting to it.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(5);
/// Pause before the second attempt to connect. With it, a process whose Redis is down tries a few times a second.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// The configuration does not lead to a connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// `REDIS_URL` is malformed; the text completes the sentence.
    #[error("REDIS_URL: want {0}")]
    Address(String),
    /// The file of extra root certificates is of no use.
    #[error("FLYSK_REDIS_EXTRA_ROOTS: {0}")]
    Roots(#[from] RootsError),
    /// Redis or the sentinels cannot be reached, or refuse the connection.
    #[error("Redis ({servers}): {source}")]
    Unreachable {
        /// Where Redis was looked for, without its password.
        servers: String,
        /// Error of the last attempt.
        source: RedisError,
    },
    /// The crate cannot use the address or the certificates, or a command failed.
    #[error("Redis: {0}")]
    Redis(#[from] RedisError),
}

/// The servers of an address, and how to connect to them.
pub(super) struct RedisTarget {
    servers: Servers,
    /// The servers for errors.
    described: String,
    database: u32,
    options: AsyncConnectionConfig,
}

enum Servers {
    Single(Client),
    /// Keeps connections to the sentinels; one lookup at a time uses them.
    Sentinels(Mutex<SentinelClient>),
}

/// A connection and the server that it leads to.
#[derive(Clone)]
pub(super) struct Opened {
    pub(super) connection: MultiplexedConnection,
    /// `host:port`.
    pub(super) server: Arc<str>,
}

impl RedisTarget {
    /// Reads the file of root certificates; connects to nothing.
    pub(super) fn new(config: &Redis) -> Result<Self, ConnectError> {
        let address = RedisAddress::parse(config.url.expose_secret()).map_err(ConnectError::Address)?;
        let extra_roots = config.extra_roots.as_deref().filter(|_| address.is_encrypted);
        let roots = extra_roots.map(roots::with_extra).transpose()?;
        let certificates = roots.map(|pem| TlsCertificates { client_tls: None, root_cert: Some(pem) });
        let servers = match &address.servers {
            RedisServers::Single(server) => Servers::Single(single(server, &address, certificates)?),
            RedisServers::Sentinels { sentinels, service } => {
                let builder = sentinel_builder(sentinels, service, &address, certificates)?;
                let builder = match &config.sentinel_password {
                    Some(password) => builder.set_client_to_sentinel_password(password.expose_secret()),
                    None => builder,
                };
                Servers::Sentinels(Mutex::new(builder.build()?))
            }
        };
        // The crate allows 500 ms, too short for a snapshot or a load peak of Redis.
        let options = AsyncConnectionConfig::new()
            .set_response_timeout(Some(config.response_timeout))
            .set_connection_timeout(Some(CONNECTION_TIMEOUT));
        let described = address.servers.to_string();
        Ok(Self { servers, described, database: address.database, options })
    }

    /// Whether sentinels know which server is the primary.
    pub(super) fn has_sentinels(&self) -> bool {
        matches!(self.servers, Servers::Sentinels(_))
    }

    /// The error about servers that cannot be reached.
    pub(super) fn unreachable(&self, source: RedisError) -> ConnectError {
        ConnectError::Unreachable { servers: self.described.clone(), source }
    }

    /// Number of the database.
    pub(super) fn database(&self) -> i64 {
        self.database.into()
    }

    /// Connects to the primary; tries twice.
    pub(super) async fn open_patiently(&self) -> RedisResult<Opened> {
        match self.open().await {
            Err(error) => {
                tracing::debug!(error = %error, "failed to connect to Redis; trying once more");
                tokio::time::sleep(RETRY_PAUSE).await;
                self.open().await
            }
            opened => opened,
        }
    }

    /// Connects to the primary.
    pub(super) async fn open(&self) -> RedisResult<Opened> {
        within_timeout(async {
            let client = self.primary().await?;
            let server = client.get_connection_info().addr().to_string().into();
            let connection = client.get_multiplexed_async_connection_with_config(&self.options).await?;
            Ok(Opened { connection, server })
        })
        .await
    }

    /// Opens a connection to the primary for subscriptions, and subscribes to `channels`.
    pub(super) async fn subscribe(&self, channels: &[String]) -> RedisResult<PubSub> {
        within_timeout(async {
            let mut pubsub = self.primary().await?.get_async_pubsub().await?;
            pubsub.subscribe(channels).await?;
            Ok(pubsub)
        })
        .await
    }

    /// The client of the server that is the primary now. With Sentinel, its own answer to `ROLE` confirms it.
    async fn primary(&self) -> RedisResult<Client> {
        match &self.servers {
            Servers::Single(client) => Ok(client.clone()),
            Servers::Sentinels(sentinels) => sentinels.lock().await.async_get_client().await,
        }
    }
}

/// The crate limits neither a lookup as a whole nor the opening of a subscription.
async fn within_timeout<T>(opening: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    let timed_out = |_| RedisError::from(io::Error::from(io::ErrorKind::TimedOut));
    tokio::time::timeout(CONNECTION_TIMEOUT, opening).await.map_err(timed_out)?
}

fn single(
    server: &HostPort,
    address: &RedisAddress,
    certificates: Option<TlsCertificates>,
) -> RedisResult<Client> {
    let mut settings = RedisConnectionInfo::default().set_db(address.database.into());
    if let Some(username) = &address.username {
        settings = settings.set_username(username);
    }
    if let Some(password) = &address.password {
        settings = settings.set_password(password.expose_secret());
    }
    let info = socket(server, address.is_encrypted).into_connection_info()?;
    let info = info.set_redis_settings(settings).set_tcp_settings(tcp_settings());
    match certificates {
        Some(certificates) => Client::build_with_tls(info, certificates),
        None => Client::open(info),
    }
}

fn sentinel_builder(
    sentinels: &[HostPort],
    service: &str,
    address: &RedisAddress,
    certificates: Option<TlsCertificates>,
) -> RedisResult<SentinelClientBuilder> {
    let sockets: Vec<ConnectionAddr> =
        sentinels.iter().map(|sentinel| socket(sentinel, address.is_encrypted)).collect();
    let mut builder = SentinelClientBuilder::new(sockets, service, SentinelServerType::Master)?
        .set_client_to_redis_db(address.database.into())
        .set_client_to_redis_tcp_settings(tcp_settings())
        .set_client_to_sentinel_tcp_settings(tcp_settings());
    if let Some(username) = &address.username {
        builder = builder.set_client_to_redis_username(username);
    }
    if let Some(password) = &address.password {
        builder = builder.set_client_to_redis_password(password.expose_secret());
    }
    if address.is_encrypted {
        builder = builder.set_client_to_redis_tls_mode(TlsMode::Secure);
    }
    if let Some(certificates) = certificates {
        builder = builder
            .set_client_to_sentinel_certificates(certificates.clone())
            .set_client_to_redis_certificates(certificates);
    }
    Ok(builder)
}

fn socket(server: &HostPort, is_encrypted: bool) -> ConnectionAddr {
    let (host, port) = (server.host.clone(), server.port);
    if is_encrypted {
        ConnectionAddr::TcpTls { host, port, insecure: false, tls_params: None }
    } else {
        ConnectionAddr::Tcp(host, port)
    }
}

/// Commands are small and sent as they come: they do not wait for the acknowledgement of the one before.
fn tcp_settings() -> TcpSettings {
    TcpSettings::default().set_nodelay(true)
}
