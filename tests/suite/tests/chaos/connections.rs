//! Connections to an address behind which the server changes, as with a virtual IP address, a proxy or DNS.

use std::time::{Duration, Instant};

use anyhow::ensure;
use flysk_config::Redis as RedisConfig;
use flysk_queue::{RedisConnection, RedisKeys, check_redis};
use flysk_suite::chaos::directory::own_directory;
use flysk_suite::chaos::freeze;
use flysk_suite::chaos::redis::find_redis;
use redis::RedisError;
use tempfile::TempDir;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use xtask::services::{Redis, Server};

/// Time in which the connection finds the server that took over. One that does not look for it never does.
const TAKE_OVER_TIMEOUT: Duration = Duration::from_mins(2);

/// Two servers, and an address that leads each new connection to one of them.
struct Address {
    servers: [Server; 2],
    target: watch::Sender<u16>,
    url: String,
    _dir: TempDir,
}

impl Address {
    async fn start() -> anyhow::Result<Self> {
        let (redis, dir) = (find_redis()?, own_directory()?);
        let first = redis.start(&dir.path().join("first"), None)?;
        let second = redis.start(&dir.path().join("second"), None).inspect_err(|_| first.kill())?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("redis://{}/0", listener.local_addr()?);
        let (target, chosen) = watch::channel(first.port);
        tokio::spawn(forward(listener, chosen));
        Ok(Self { servers: [first, second], target, url, _dir: dir })
    }

    /// A connection that gives up a server after this time without an answer.
    async fn connect(&self, response_timeout: Duration) -> anyhow::Result<RedisConnection> {
        let config = RedisConfig { response_timeout, ..RedisConfig::at(&self.url) };
        Ok(RedisConnection::connect(&config).await?)
    }

    /// New connections lead to the second server.
    fn take_over(&self) {
        self.target.send_replace(self.servers[1].port);
    }
}

impl Drop for Address {
    fn drop(&mut self) {
        self.servers.iter().for_each(Server::kill);
    }
}

async fn forward(listener: TcpListener, chosen: watch::Receiver<u16>) {
    while let Ok((mut client, _)) = listener.accept().await {
        let port = *chosen.borrow();
        tokio::spawn(async move {
            let Ok(mut server) = TcpStream::connect(("127.0.0.1", port)).await else { return };
            let _closed = tokio::io::copy_bidirectional(&mut client, &mut server).await;
        });
    }
}

/// Writes until it succeeds; returns the errors.
async fn write_until_taken(connection: &RedisConnection) -> anyhow::Result<Vec<RedisError>> {
    let (began, mut errors) = (Instant::now(), Vec::new());
    while let Err(error) = check_redis(&mut connection.clone(), &RedisKeys::new("chaos")).await {
        errors.push(error);
        ensure!(began.elapsed() < TAKE_OVER_TIMEOUT, "no server takes writes: {errors:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(errors)
}

/// The keys of a server, asked directly.
async fn keys(server: &Server) -> anyhow::Result<Vec<String>> {
    let mut direct = redis::Client::open(Redis::url(server))?.get_multiplexed_async_connection().await?;
    Ok(redis::cmd("KEYS").arg("*").query_async(&mut direct).await?)
}

/// The refusal is a reply on a connection that works, so nothing but the refusal tells that the primary is elsewhere.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_leaves_a_server_that_became_a_replica() -> anyhow::Result<()> {
    let address = Address::start().await?;
    let connection = address.connect(TAKE_OVER_TIMEOUT).await?;
    write_until_taken(&connection).await?;
    address.take_over();
    let mut first =
        redis::Client::open(Redis::url(&address.servers[0]))?.get_multiplexed_async_connection().await?;
    // A replica of nobody keeps its data and takes no writes.
    let () = redis::cmd("REPLICAOF").arg("127.0.0.1").arg(1).query_async(&mut first).await?;
    ensure!(keys(&address.servers[1]).await?.is_empty());
    let errors = write_until_taken(&connection).await?;
    ensure!(errors.iter().all(|error| error.code() == Some("READONLY")), "{errors:?}");
    ensure!(!errors.is_empty(), "the first server still takes writes");
    ensure!(keys(&address.servers[1]).await? == ["chaos:readiness"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_leaves_a_server_that_does_not_answer() -> anyhow::Result<()> {
    let address = Address::start().await?;
    let connection = address.connect(Duration::from_millis(500)).await?;
    write_until_taken(&connection).await?;
    freeze(&address.servers[0])?;
    address.take_over();
    let errors = write_until_taken(&connection).await?;
    ensure!(errors.first().is_some_and(RedisError::is_timeout), "{errors:?}");
    ensure!(keys(&address.servers[1]).await? == ["chaos:readiness"]);
    Ok(())
}
