//! Backends of vendors: some take events at once, some never answer.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::bail;
use poem::http::StatusCode;
use poem::listener::TcpAcceptor;
use poem::web::Data;
use poem::{EndpointExt as _, Request, Route, Server, handler, post};

type Came = Arc<Mutex<HashMap<String, Instant>>>;

/// Where events come, and when each came.
#[derive(Debug)]
pub(super) struct Sink {
    /// `http://127.0.0.1:…`.
    pub(super) url: String,
    /// The same without the scheme.
    pub(super) addr: String,
    came: Came,
}

impl Sink {
    /// Takes events until the process ends.
    pub(super) async fn start() -> anyhow::Result<Self> {
        let came = Came::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let addr = listener.local_addr()?.to_string();
        let app = Route::new().at("/take/:n", post(take)).at("/hang/:n", post(hang)).data(Arc::clone(&came));
        tokio::spawn(Server::new_with_acceptor(TcpAcceptor::from_tokio(listener)?).run(app));
        Ok(Self { url: format!("http://{addr}"), addr, came })
    }

    /// Forgets what came.
    pub(super) fn forget(&self) {
        locked(&self.came).clear();
    }

    /// Waits until so many different events came; when each did.
    pub(super) async fn wait_for(
        &self,
        wanted: usize,
        patience: Duration,
    ) -> anyhow::Result<HashMap<String, Instant>> {
        let deadline = Instant::now() + patience;
        loop {
            let count = locked(&self.came).len();
            if count >= wanted {
                return Ok(locked(&self.came).clone());
            }
            if Instant::now() > deadline {
                bail!("{count} of {wanted} events came in {} s", patience.as_secs());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[handler]
fn take(request: &Request, Data(came): Data<&Came>) -> StatusCode {
    let id = request.header("webhook-id").unwrap_or_default().to_owned();
    locked(came).entry(id).or_insert_with(Instant::now);
    StatusCode::NO_CONTENT
}

#[handler]
async fn hang() -> StatusCode {
    tokio::time::sleep(Duration::from_mins(10)).await;
    StatusCode::NO_CONTENT
}

fn locked(came: &Came) -> std::sync::MutexGuard<'_, HashMap<String, Instant>> {
    came.lock().unwrap_or_else(PoisonError::into_inner)
}
