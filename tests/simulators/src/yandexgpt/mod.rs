//! Foundation Models, text generation in synchronous mode: `POST /foundationModels/v1/completion`.
//!
//! Control in addition to the common one: `GET/PUT /_sim/behaviour` (see [`Behaviour`]; `PUT` sets all fields,
//! and omitted fields to their defaults).

mod answer;
mod request;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use http::HeaderMap;
use poem::web::{Data, Json};
use poem::{EndpointExt as _, Response, Route, get, handler, post};
use serde::{Deserialize, Serialize};

use crate::control::Control;
use crate::index::index;
use crate::lock::locked;
use crate::server::{self, Running};
use crate::yandex::{BodyShape, Code, Credential, Scope, Shaper, Status, authorize};

/// Limit of concurrent generations in synchronous mode (AI Studio, "Quotas and limits").
pub const MAX_CONCURRENT_REQUESTS: usize = 10;

/// Options of the simulator.
#[derive(Debug, Clone)]
pub struct Options {
    /// Listen address; `None`: a free port of 127.0.0.1.
    pub bind: Option<SocketAddr>,
    /// Accepted credentials.
    pub credentials: Vec<Credential>,
}

/// Outcome of a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// An answer in the requested format.
    #[default]
    Answer,
    /// Blocked by the ethics filter: status `…_CONTENT_FILTER` and a polite sentence.
    ContentFilter,
    /// Truncated to half: status `…_TRUNCATED_FINAL`.
    Truncated,
    /// JSON in a Markdown code fence.
    Fenced,
    /// HTTP 500.
    Failure,
}

/// Behaviour set by a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Behaviour {
    /// Outcome of generations.
    pub outcome: Outcome,
    /// Duration of a generation, ms of real time.
    pub answer_ms: u64,
    /// Errors have bodies of this shape.
    pub error_shape: BodyShape,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self { outcome: Outcome::default(), answer_ms: 20, error_shape: BodyShape::default() }
    }
}

/// The simulator. Clones share its state.
#[derive(Debug, Clone)]
pub struct YandexGpt(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    credentials: Vec<Credential>,
    behaviour: Mutex<Behaviour>,
    running: AtomicUsize,
    shaper: Shaper,
}

impl YandexGpt {
    /// Sets the behaviour.
    pub fn behave(&self, behaviour: Behaviour) {
        *locked(&self.0.behaviour) = behaviour;
    }

    /// A copy; changes of it have no effect.
    pub fn behaviour(&self) -> Behaviour {
        *locked(&self.0.behaviour)
    }

    async fn complete(&self, headers: &HeaderMap, body: &[u8]) -> Result<Response, Status> {
        authorize(&self.0.credentials, headers, Scope::LanguageModels)?;
        let task = request::read(body)?;
        let _slot = Slot::take(&self.0.running)?;
        let behaviour = self.behaviour();
        tokio::time::sleep(Duration::from_millis(behaviour.answer_ms)).await;
        if behaviour.outcome == Outcome::Failure {
            return Err(Status::new(Code::Internal, "Internal error"));
        }
        Ok(answer::write(&task, behaviour.outcome))
    }
}

/// Slot of one concurrent generation.
struct Slot<'a>(&'a AtomicUsize);

impl<'a> Slot<'a> {
    fn take(running: &'a AtomicUsize) -> Result<Self, Status> {
        if running.fetch_add(1, Ordering::SeqCst) >= MAX_CONCURRENT_REQUESTS {
            running.fetch_sub(1, Ordering::SeqCst);
            let message = "ai.textGenerationCompletionSessionsCount.count quota limit exceed";
            return Err(Status::new(Code::ResourceExhausted, message));
        }
        Ok(Self(running))
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Starts the simulator.
///
/// # Errors
/// When the address cannot be bound.
pub async fn start(options: Options, control: Control) -> anyhow::Result<Running<YandexGpt>> {
    let state = YandexGpt(Arc::new(Inner {
        credentials: options.credentials,
        behaviour: Mutex::default(),
        running: AtomicUsize::new(0),
        shaper: Shaper::default(),
    }));
    let routes = Route::new().at("/foundationModels/v1/completion", post(complete)).data(state.clone());
    let behaviour = get(read_behaviour).put(set_behaviour).data(state.clone());
    let listener = server::bind(options.bind).await.context("YandexGPT cannot listen")?;
    let sim_routes = Route::new().at("/", index(include_str!("index.md"))).at("/behaviour", behaviour);
    server::serve(listener, control, state, routes, sim_routes).context("YandexGPT cannot serve")
}

#[handler]
async fn complete(Data(state): Data<&YandexGpt>, headers: &HeaderMap, body: Bytes) -> Response {
    match state.complete(headers, &body).await {
        Ok(response) => response,
        Err(status) => state.0.shaper.response(&status, state.behaviour().error_shape),
    }
}

#[handler]
fn read_behaviour(Data(state): Data<&YandexGpt>) -> Json<Behaviour> {
    Json(state.behaviour())
}

#[handler]
fn set_behaviour(Data(state): Data<&YandexGpt>, Json(behaviour): Json<Behaviour>) -> Json<Behaviour> {
    state.behave(behaviour);
    Json(behaviour)
}
