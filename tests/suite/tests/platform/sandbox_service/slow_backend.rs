//! A backend that stands at a breakpoint: it has an event and does not answer until it is let go on.

use std::sync::Arc;

use anyhow::Context as _;
use poem::http::StatusCode;
use poem::{Request, Server, endpoint};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::task::AbortOnDropHandle;

use flysk_suite::environment::SandboxProcess;

/// The backend. It must be let go on within nine seconds, the sandbox's time limit for an answer.
pub(super) struct SlowBackend {
    gate: Arc<Semaphore>,
    arrivals: mpsc::UnboundedReceiver<Value>,
    _server: AbortOnDropHandle<std::io::Result<()>>,
}

impl SlowBackend {
    /// Starts it, and sends it the sandbox's events from now on.
    pub(super) async fn start(sandbox: &SandboxProcess) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/events", listener.local_addr()?);
        let gate = Arc::new(Semaphore::new(0));
        let (arrived, arrivals) = mpsc::unbounded_channel();
        let passed = Arc::clone(&gate);
        let backend = endpoint::make(move |mut request: Request| {
            let (arrived, passed) = (arrived.clone(), Arc::clone(&passed));
            async move {
                let event: Value = request.take_body().into_json().await?;
                arrived.send(event["type"].clone()).ok();
                let _permit = passed.acquire().await;
                Ok::<_, poem::Error>(StatusCode::NO_CONTENT)
            }
        });
        let acceptor = poem::listener::TcpAcceptor::from_tokio(listener)?;
        let server = AbortOnDropHandle::new(tokio::spawn(Server::new_with_acceptor(acceptor).run(backend)));
        sandbox.control(Method::PUT, "/event-url", Some(&json!({ "url": url }))).await?;
        Ok(Self { gate, arrivals, _server: server })
    }

    /// Type of the next event that arrives.
    pub(super) async fn next(&mut self) -> anyhow::Result<Value> {
        self.arrivals.recv().await.context("the backend has stopped")
    }

    /// It answers everything from now on.
    pub(super) fn go_on(&self) {
        self.gate.add_permits(1);
    }
}
