//! Backends of vendors: some accept events at once, some never respond.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::bail;
use poem::http::StatusCode;
use poem::listener::TcpAcceptor;
use poem::web::Data;
use poem::{Body, EndpointExt as _, Request, Route, Server, handler, post};

type Arrivals = Arc<Mutex<Received>>;

/// What has arrived.
#[derive(Debug, Default)]
struct Received {
    events: HashMap<String, Instant>,
    /// Ports of the sender, one for each of its connections.
    ports: HashSet<u16>,
}

/// Receiver of events, with the arrival time of each.
#[derive(Debug)]
pub(super) struct Sink {
    /// `http://127.0.0.1:…`.
    pub(super) url: String,
    /// `127.0.0.1:…`, without the scheme.
    pub(super) addr: String,
    arrivals: Arrivals,
}

impl Sink {
    /// Starts a server that runs until the process ends.
    pub(super) async fn start() -> anyhow::Result<Self> {
        let arrivals = Arrivals::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?.to_string();
        let app =
            Route::new().at("/take/:n", post(take)).at("/hang/:n", post(hang)).data(Arc::clone(&arrivals));
        tokio::spawn(Server::new_with_acceptor(TcpAcceptor::from_tokio(listener)?).run(app));
        Ok(Self { url: format!("http://{addr}"), addr, arrivals })
    }

    /// Clears the recorded arrivals.
    pub(super) fn forget(&self) {
        *locked(&self.arrivals) = Received::default();
    }

    /// Number of connections over which events have arrived.
    pub(super) fn connections(&self) -> usize {
        locked(&self.arrivals).ports.len()
    }

    /// Waits until `wanted` different events have arrived; returns their arrival times.
    pub(super) async fn wait_for(
        &self,
        wanted: usize,
        timeout: Duration,
    ) -> anyhow::Result<HashMap<String, Instant>> {
        let deadline = Instant::now() + timeout;
        loop {
            let count = locked(&self.arrivals).events.len();
            if count >= wanted {
                return Ok(locked(&self.arrivals).events.clone());
            }
            if Instant::now() > deadline {
                bail!("{count} of {wanted} events arrived within {} s", timeout.as_secs());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Reads the body to its end, as a backend does. A connection with an unread body could not be used again.
#[handler]
async fn take(request: &Request, Data(arrivals): Data<&Arrivals>, body: Body) -> StatusCode {
    let id = request.header("webhook-id").unwrap_or_default().to_owned();
    let port = request.remote_addr().as_socket_addr().map(std::net::SocketAddr::port);
    if body.into_bytes().await.is_err() {
        return StatusCode::BAD_REQUEST;
    }
    let mut received = locked(arrivals);
    received.events.entry(id).or_insert_with(Instant::now);
    received.ports.extend(port);
    StatusCode::NO_CONTENT
}

#[handler]
async fn hang() -> StatusCode {
    tokio::time::sleep(Duration::from_mins(10)).await;
    StatusCode::NO_CONTENT
}

fn locked(arrivals: &Arrivals) -> std::sync::MutexGuard<'_, Received> {
    arrivals.lock().unwrap_or_else(PoisonError::into_inner)
}
