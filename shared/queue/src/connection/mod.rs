//! Connections to Redis that follow its primary. The only place that builds them.
//!
//! The crate's own `ConnectionManager` has one address for ever. It also keeps a connection whose server became a replica
//! (the refusal is a reply, so nothing seems lost) and one whose server does not answer at all (a command that timed out
//! leaves it in place). [`RedisConnection`] replaces its connection in all these cases, and asks the sentinels, if there
//! are any, which server is the primary now.

mod reply;
mod roots;
mod target;

use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use flysk_config::Redis;
use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared};
use redis::aio::{ConnectionLike, MultiplexedConnection, PubSub};
use redis::{Cmd, Pipeline, RedisFuture, RedisResult, Value};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::reply::{Health, Reply};
pub use self::roots::RootsError;
pub use self::target::ConnectError;
use self::target::{Opened, RedisTarget};

/// With Sentinel: a command that waits longer than this for its reply asks whether there is another primary.
const STALL_LIMIT: Duration = Duration::from_secs(1);
/// Pause between two searches for the primary.
const SEARCH_PAUSE: Duration = Duration::from_millis(500);

/// A connection to the primary. Clones share it.
///
/// The command that finds the connection lost fails. The next one connects again, to the server that is the primary then; commands
/// that arrive meanwhile wait for that connection.
#[derive(Clone)]
pub struct RedisConnection(Arc<Inner>);

impl std::fmt::Debug for RedisConnection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisConnection").field("database", &self.0.target.database()).finish_non_exhaustive()
    }
}

struct Inner {
    target: Arc<RedisTarget>,
    link: Mutex<Arc<Link>>,
    /// A task looks for the primary.
    is_searching: AtomicBool,
    /// Number of links that were replaced.
    replacements: watch::Sender<u64>,
}

/// One connection: being opened, open, or failed.
struct Link {
    opening: Shared<BoxFuture<'static, RedisResult<Opened>>>,
    is_started: AtomicBool,
    /// The server is not the primary any more, or does not answer: nobody waits for its replies.
    abandoned: CancellationToken,
}

/// Reason to look for another primary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Symptom {
    /// The server refuses commands.
    Refused,
    /// The server does not answer.
    Stalled,
}

impl RedisConnection {
    /// Connects.
    ///
    /// # Errors
    ///
    /// The configuration is malformed, or no primary is reachable.
    pub async fn connect(config: &Redis) -> Result<Self, ConnectError> {
        let connection = Self::lazy(config)?;
        let opened = connection.0.open_link().await;
        opened.map_err(|error| connection.0.target.unreachable(error))?;
        Ok(connection)
    }

    /// For a process that also works without Redis: the first command connects.
    ///
    /// # Errors
    ///
    /// The configuration is malformed.
    pub fn lazy(config: &Redis) -> Result<Self, ConnectError> {
        let target = Arc::new(RedisTarget::new(config)?);
        let link = Mutex::new(Arc::new(Link::to(&target)));
        let (replacements, _) = watch::channel(0);
        Ok(Self(Arc::new(Inner { target, link, is_searching: AtomicBool::new(false), replacements })))
    }

    /// Opens a connection of its own and subscribes to `channels`. It ends with its server; [`Self::replacements`] tells
    /// when it may lead to a server that is not the primary any more.
    pub(crate) async fn subscribe(&self, channels: &[String]) -> RedisResult<PubSub> {
        self.0.target.subscribe(channels).await
    }

    /// Changes whenever the connection is replaced.
    pub(crate) fn replacements(&self) -> watch::Receiver<u64> {
        self.0.replacements.subscribe()
    }
}

impl ConnectionLike for RedisConnection {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> RedisFuture<'a, Value> {
        async move {
            let (link, mut connection) = self.0.open_link().await?;
            self.0.supervise(&link, connection.send_packed_command(cmd)).await
        }
        .boxed()
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> RedisFuture<'a, Vec<Value>> {
        async move {
            let (link, mut connection) = self.0.open_link().await?;
            self.0.supervise(&link, connection.send_packed_commands(pipeline, offset, count)).await
        }
        .boxed()
    }

    fn get_db(&self) -> i64 {
        self.0.target.database()
    }
}

impl Inner {
    /// The current link and its connection. A link that failed is replaced, so that the next command tries again.
    async fn open_link(&self) -> RedisResult<(Arc<Link>, MultiplexedConnection)> {
        let link = Arc::clone(&self.link.lock().unwrap_or_else(PoisonError::into_inner));
        match link.opened().await {
            Ok(opened) => Ok((link, opened.connection)),
            Err(error) => {
                self.replace(&link, Link::to(&self.target));
                Err(error)
            }
        }
    }

    /// Waits for the reply, and draws the consequences for the link.
    async fn supervise<R: Reply>(
        self: &Arc<Self>,
        link: &Arc<Link>,
        reply: impl Future<Output = RedisResult<R>>,
    ) -> RedisResult<R> {
        tokio::pin!(reply);
        loop {
            let stalled = async {
                if self.target.has_sentinels() {
                    tokio::time::sleep(STALL_LIMIT).await;
                } else {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                biased;
                reply = &mut reply => {
                    match Health::of(&reply) {
                        Health::Good => {}
                        Health::Refused => self.search(link, Symptom::Refused),
                        Health::Lost => self.lose(link),
                    }
                    return reply;
                }
                () = link.abandoned.cancelled() => {
                    let reason = "the connection was replaced while the command was running";
                    return Err(io::Error::new(io::ErrorKind::ConnectionReset, reason).into());
                }
                () = stalled => self.search(link, Symptom::Stalled),
            }
        }
    }

    /// Replaces a link that is lost. The next command connects.
    fn lose(&self, link: &Arc<Link>) {
        if self.replace(link, Link::to(&self.target)) {
            tracing::debug!("the connection to Redis is lost");
        }
        link.abandoned.cancel();
    }

    /// Searches for the primary in the background, one search at a time. Until it is found, the link stays in use.
    fn search(self: &Arc<Self>, link: &Arc<Link>, symptom: Symptom) {
        if self.is_searching.swap(true, Ordering::AcqRel) {
            return;
        }
        let (inner, link) = (Arc::clone(self), Arc::clone(link));
        tokio::spawn(async move {
            match inner.target.open().await {
                Ok(found) => inner.take_over(&link, found, symptom),
                Err(error) => tracing::debug!(error = %error, "found no primary of Redis"),
            }
            tokio::time::sleep(SEARCH_PAUSE).await;
            inner.is_searching.store(false, Ordering::Release);
        });
    }

    /// Replaces the link by a connection that was found. A slow server that is still the primary keeps its link; a server that
    /// refuses commands does not, because another one may listen at its address now.
    fn take_over(&self, link: &Arc<Link>, found: Opened, symptom: Symptom) {
        let has_moved = link.server().is_some_and(|server| server != found.server);
        if !has_moved && symptom == Symptom::Stalled {
            return;
        }
        let server = Arc::clone(&found.server);
        if self.replace(link, Link::open(found)) && has_moved {
            tracing::info!(server = %server, "Redis has another primary");
        }
        if has_moved {
            link.abandoned.cancel();
        }
    }

    /// Replaces `old` if it is the current link; `false` if it has been replaced before.
    fn replace(&self, old: &Arc<Link>, new: Link) -> bool {
        let mut current = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&current, old) {
            return false;
        }
        *current = Arc::new(new);
        drop(current);
        self.replacements.send_modify(|count| *count += 1);
        true
    }
}

impl Link {
    /// Connects when it is first used.
    fn to(target: &Arc<RedisTarget>) -> Self {
        let target = Arc::clone(target);
        Self::new(async move { target.open_patiently().await }.boxed())
    }

    /// A connection that is open.
    fn open(opened: Opened) -> Self {
        Self::new(std::future::ready(Ok(opened)).boxed())
    }

    fn new(opening: BoxFuture<'static, RedisResult<Opened>>) -> Self {
        Self {
            opening: opening.shared(),
            is_started: AtomicBool::new(false),
            abandoned: CancellationToken::new(),
        }
    }

    /// Waits until the connection is open or has failed. It is opened in a task, so that a caller with a short time limit
    /// does not interrupt it.
    async fn opened(&self) -> RedisResult<Opened> {
        if let Some(opened) = self.opening.peek() {
            return opened.clone();
        }
        if !self.is_started.swap(true, Ordering::Relaxed) {
            tokio::spawn(self.opening.clone().map(drop));
        }
        self.opening.clone().await
    }

    /// Address of the server, if the connection is open.
    fn server(&self) -> Option<Arc<str>> {
        let opened = self.opening.peek()?.as_ref().ok()?;
        Some(Arc::clone(&opened.server))
    }
}

/// [`RedisConnection::connect`] with the defaults of the configuration, for tests and tools.
///
/// # Errors
///
/// The address is malformed, or no primary is reachable.
pub async fn connect_redis(url: &str) -> Result<RedisConnection, ConnectError> {
    RedisConnection::connect(&Redis::at(url)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_server_that_refuses_connections_is_named_without_its_password() {
        let refused = connect_redis("redis://:hunter2@127.0.0.1:1/0").await.unwrap_err();
        let told = flysk_domain::error_text::with_causes(&refused);
        assert!(told.starts_with("Redis (127.0.0.1:1): ") && !told.contains("hunter2"), "{told}");
        assert_eq!(told.matches("refused").count(), 1, "the cause is told once: {told}");
    }
}
