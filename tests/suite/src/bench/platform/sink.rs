//! Backends of vendors: some accept events at once, some never respond.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::bail;
use poem::http::StatusCode;
use poem::listener::TcpAcceptor;
use poem::web::Data;
use poem::{EndpointExt as _, Request, Route, Server, handler, post};

type Arrivals = Arc<Mutex<HashMap<String, Instant>>>;

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
        locked(&self.arrivals).clear();
    }

    /// Waits until `wanted` different events have arrived; returns their arrival times.
    pub(super) async fn wait_for(
        &self,
        wanted: usize,
        timeout: Duration,
    ) -> anyhow::Result<HashMap<String, Instant>> {
        let deadline = Instant::now() + timeout;
        loop {
            let count = locked(&self.arrivals).len();
            if count >= wanted {
                return Ok(locked(&self.arrivals).clone());
            }
            if Instant::now() > deadline {
                bail!("{count} of {wanted} events arrived within {} s", timeout.as_secs());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[handler]
fn take(request: &Request, Data(arrivals): Data<&Arrivals>) -> StatusCode {
    let id = request.header("webhook-id").unwrap_or_default().to_owned();
    locked(arrivals).entry(id).or_insert_with(Instant::now);
    StatusCode::NO_CONTENT
}

#[handler]
async fn hang() -> StatusCode {
    tokio::time::sleep(Duration::from_mins(10)).await;
    StatusCode::NO_CONTENT
}

fn locked(arrivals: &Arrivals) -> std::sync::MutexGuard<'_, HashMap<String, Instant>> {
    arrivals.lock().unwrap_or_else(PoisonError::into_inner)
}
