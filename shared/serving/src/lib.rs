//! Limits of connections: their number, and how long they may last without a request, with an incomplete head, or with an
//! answer that nobody reads.
//!
//! poem's server closes an idle connection only after its last request was answered, and never one whose client stops in the
//! middle of a head or of reading. So the sockets themselves end such connections, with every version of HTTP.

mod guarded_io;

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use poem::http::uri::Scheme;
use poem::listener::Acceptor;
use poem::web::{LocalAddr, RemoteAddr};
use poem::{Endpoint, Middleware, Request, Result};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use guarded_io::GuardedIo;

/// Maximum number of concurrent requests of one HTTP/2 connection.
pub const MAX_HTTP2_STREAMS: u32 = 64;
/// Pause after a failure to accept a connection, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Bounds that protect a server from slow or many clients.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionLimits {
    /// Maximum number of connections; further ones wait in the system's queue.
    pub connections: usize,
    /// Maximum time from the first byte of a request to the end of its head.
    pub head: Duration,
    /// Maximum time without a request.
    pub idle: Duration,
    /// Maximum time in which the client reads nothing of an answer.
    pub unread: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            connections: 4_096,
            head: Duration::from_secs(15),
            idle: Duration::from_secs(90),
            unread: Duration::from_secs(30),
        }
    }
}

/// The open connections, by the client's address.
#[derive(Debug, Clone, Default)]
pub struct Connections {
    open: Arc<Mutex<HashMap<SocketAddr, Arc<Mutex<Activity>>>>>,
}

impl Connections {
    /// Accepts connections of `listener` within `limits`.
    ///
    /// # Errors
    ///
    /// The listener has no local address.
    pub fn accept_within(
        &self,
        listener: TcpListener,
        limits: ConnectionLimits,
    ) -> io::Result<LimitedAcceptor> {
        let local = LocalAddr(listener.local_addr()?.into());
        let permits = Arc::new(Semaphore::new(limits.connections));
        Ok(LimitedAcceptor { listener, local, connections: self.clone(), limits, permits })
    }

    fn add(&self, client: SocketAddr) -> OpenConnection {
        let activity = Arc::new(Mutex::new(Activity::new()));
        lock(&self.open).insert(client, Arc::clone(&activity));
        OpenConnection { activity, client, connections: self.clone() }
    }
}

/// Middleware that reports to a connection while requests run on it. It must be the outermost one.
impl<E: Endpoint> Middleware<E> for Connections {
    type Output = CountedRequests<E>;

    fn transform(&self, inner: E) -> CountedRequests<E> {
        CountedRequests { inner, connections: self.clone() }
    }
}

/// Endpoint of [`Connections`].
pub struct CountedRequests<E> {
    inner: E,
    connections: Connections,
}

impl<E: Endpoint> Endpoint for CountedRequests<E> {
    type Output = E::Output;

    async fn call(&self, request: Request) -> Result<E::Output> {
        let client = request.remote_addr().as_socket_addr().copied();
        let activity = client.and_then(|client| lock(&self.connections.open).get(&client).cloned());
        let _running = activity.map(RunningRequest::start);
        self.inner.call(request).await
    }
}

/// A request until its handler has answered. Then the client reads, which is limited by [`ConnectionLimits::unread`].
struct RunningRequest(Arc<Mutex<Activity>>);

impl RunningRequest {
    fn start(activity: Arc<Mutex<Activity>>) -> Self {
        {
            let mut state = lock(&activity);
            state.requests += 1;
            state.has_served = true;
            state.head_since = None;
        }
        Self(activity)
    }
}

impl Drop for RunningRequest {
    fn drop(&mut self) {
        let mut state = lock(&self.0);
        state.requests = state.requests.saturating_sub(1);
        state.idle_since = Instant::now();
    }
}

#[derive(Debug)]
struct Activity {
    /// Number of running requests.
    requests: usize,
    /// Whether a request has begun on it.
    has_served: bool,
    /// End of the last request, or of the last progress of its answer.
    idle_since: Instant,
    /// Arrival of the first byte after that.
    head_since: Option<Instant>,
}

impl Activity {
    fn new() -> Self {
        Self { requests: 0, has_served: false, idle_since: Instant::now(), head_since: None }
    }

    /// Time until which a connection may wait for the client; `None` while a request runs.
    fn deadline(&self, limits: &ConnectionLimits) -> Option<Instant> {
        let idle = self.idle_since + limits.idle;
        let deadline = self.head_since.map_or(idle, |since| idle.min(since + limits.head));
        (self.requests == 0).then_some(deadline)
    }
}

/// Registration of an open connection, removed on drop.
struct OpenConnection {
    activity: Arc<Mutex<Activity>>,
    client: SocketAddr,
    connections: Connections,
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        let mut open = lock(&self.connections.open);
        // A newer connection may have the same address.
        if open.get(&self.client).is_some_and(|other| Arc::ptr_eq(other, &self.activity)) {
            open.remove(&self.client);
        }
    }
}

/// Accepts TCP connections within [`ConnectionLimits`].
pub struct LimitedAcceptor {
    listener: TcpListener,
    local: LocalAddr,
    connections: Connections,
    limits: ConnectionLimits,
    permits: Arc<Semaphore>,
}

impl LimitedAcceptor {
    async fn next(&self) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(io::Error::other)?;
        match self.listener.accept().await {
            Ok((stream, client)) => Ok((stream, client, permit)),
            Err(error) => {
                // The server tries again at once.
                tokio::time::sleep(ACCEPT_PAUSE).await;
                Err(error)
            }
        }
    }
}

impl Acceptor for LimitedAcceptor {
    type Io = GuardedIo;

    fn local_addr(&self) -> Vec<LocalAddr> {
        vec![self.local.clone()]
    }

    async fn accept(&mut self) -> io::Result<(GuardedIo, LocalAddr, RemoteAddr, Scheme)> {
        let (stream, client, permit) = self.next().await?;
        let io = GuardedIo::new(stream, self.connections.add(client), self.limits, permit);
        Ok((io, self.local.clone(), RemoteAddr(client.into()), Scheme::HTTP))
    }
}

fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
