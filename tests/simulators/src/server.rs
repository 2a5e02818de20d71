//! HTTP server of all simulators: listening, call log, scripted failures, control API.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use flysk_domain::Clock;
use poem::endpoint::BoxEndpoint;
use poem::error::BadRequest;
use poem::http::StatusCode;
use poem::web::{Data, Json};
use poem::{
    Body, Endpoint, EndpointExt, IntoResponse, Request, Response, Result, Route, Server, get, handler, post,
};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::control::{Act, Control, PlannedAct, Script};
use crate::cut::{Connections, CuttableAcceptor};

/// Grace time for requests in progress when a simulator stops.
const STOP_GRACE: Duration = Duration::from_millis(500);

/// A running simulator. It stops on drop.
#[derive(Debug)]
pub struct Running<S> {
    /// `http://<address>`, without a trailing slash.
    pub url: String,
    /// Listen address.
    pub addr: SocketAddr,
    /// State of the simulator, for tests in the same process.
    pub state: S,
    /// Call log, scripts, clock.
    pub control: Control,
    stop: CancellationToken,
    server: Option<JoinHandle<()>>,
}

impl<S> Running<S> {
    /// Takes ownership of a server that ends when `stop` is cancelled.
    pub fn new(
        addr: SocketAddr,
        state: S,
        control: Control,
        stop: CancellationToken,
        server: JoinHandle<()>,
    ) -> Self {
        Self { url: format!("http://{addr}"), addr, state, control, stop, server: Some(server) }
    }

    /// Token that is cancelled when the simulator stops, for its background tasks.
    pub fn stopping(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Stops listening and waits until requests in progress have ended or their grace time has passed.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if let Some(server) = self.server.take() {
            let _ = server.await;
        }
    }
}

impl<S> Drop for Running<S> {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Binds `addr` (`None`: a free port of 127.0.0.1) for a simulator.
pub async fn bind(addr: Option<SocketAddr>) -> io::Result<TcpListener> {
    TcpListener::bind(addr.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)))).await
}

/// Serves `routes` on `listener`, logged and subject to scripts, with the control API under `/_sim`: `log` (GET,
/// DELETE), `scripts` (GET, POST, DELETE), `clock` (GET, PUT), and `sim_routes`.
///
/// Requests under `/_sim` are neither logged nor scripted.
pub fn serve<S, E>(
    listener: TcpListener,
    control: Control,
    state: S,
    routes: E,
    sim_routes: Route,
) -> io::Result<Running<S>>
where
    E: Endpoint + 'static,
{
    let addr = listener.local_addr()?;
    let connections = Connections::default();
    let front = Stage {
        control: control.clone(),
        connections: connections.clone(),
        sim: control_endpoint(&control, sim_routes),
        stranger: routes.map_to_response().boxed(),
    };
    let stop = CancellationToken::new();
    let signal = stop.clone().cancelled_owned();
    let server = Server::new_with_acceptor(CuttableAcceptor::new(listener, connections)?);
    let task = tokio::spawn(async move {
        if let Err(error) = server.run_with_graceful_shutdown(front, signal, Some(STOP_GRACE)).await {
            tracing::error!(%addr, %error, "simulator stopped listening");
        }
    });
    Ok(Running::new(addr, state, control, stop, task))
}

/// What happens to the answer of a processed request, as an extension of the response. For faults of one operation,
/// where a [`Script`] would meet any request to the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AnswerFault {
    /// The connection is closed before the answer.
    Cut,
    /// There is never an answer.
    Hang,
}

/// Logs a request, applies scripts and passes it on.
struct Stage {
    control: Control,
    connections: Connections,
    sim: BoxEndpoint<'static, Response>,
    stranger: BoxEndpoint<'static, Response>,
}

impl Endpoint for Stage {
    type Output = Response;

    async fn call(&self, mut request: Request) -> Result<Response> {
        if request.uri().path() == "/_sim" || request.uri().path().starts_with("/_sim/") {
            return Ok(self.sim.get_response(request).await);
        }
        let next = self.control.next_act(request.method().as_str(), request.uri().path());
        let mut body = request.take_body();
        let mut logged = Bytes::new();
        if !next.as_ref().is_some_and(|planned| planned.act.is_bulk()) {
            logged = body.into_bytes().await.map_err(BadRequest)?;
            body = logged.clone().into();
        }
        let seq = self.control.record(request.method(), request.uri(), request.headers(), &logged);
        request.set_body(body);
        let response = self.play(next, request).await;
        self.control.record_status(seq, response.status().as_u16());
        Ok(response)
    }
}

impl Stage {
    async fn play(&self, next: Option<PlannedAct>, mut request: Request) -> Response {
        let peer = request.remote_addr().clone();
        let Some(planned) = next else { return self.answer(request, &peer).await };
        self.control.pause_before(&planned).await;
        match planned.act {
            Act::Serve => self.answer(request, &peer).await,
            Act::Answer { status, headers, body } => scripted(status, &headers, body),
            Act::Hang => std::future::pending().await,
            Act::Cut => self.cut(&peer),
            Act::ServeThenCut => {
                self.stranger.get_response(request).await;
                self.cut(&peer)
            }
            Act::ServeThenHang => {
                self.stranger.get_response(request).await;
                std::future::pending().await
            }
            Act::Drain => self.control.bulk().drain(request.take_body()).await,
            Act::Ignore => self.control.bulk().ignore(request.take_body()).await,
            Act::Flood { bytes } => self.control.bulk().flood(bytes),
        }
    }

    /// Processes the request and answers, unless the answer carries a fault.
    async fn answer(&self, request: Request, peer: &poem::web::RemoteAddr) -> Response {
        let response = self.stranger.get_response(request).await;
        match response.extensions().get::<AnswerFault>() {
            None => response,
            Some(AnswerFault::Cut) => self.cut(peer),
            Some(AnswerFault::Hang) => std::future::pending().await,
        }
    }

    /// The response only wakes the connection, which then fails to write it.
    fn cut(&self, peer: &poem::web::RemoteAddr) -> Response {
        self.connections.cut(peer);
        StatusCode::SERVICE_UNAVAILABLE.into_response()
    }
}

fn scripted(status: u16, headers: &[(String, String)], body: String) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(name.as_str(), value.as_str());
    }
    response.body(Body::from_string(body))
}

/// The control API, for simulators that are not served by [`serve`].
pub(crate) fn control_endpoint(control: &Control, sim_routes: Route) -> BoxEndpoint<'static, Response> {
    Route::new().nest("/_sim", control_routes(sim_routes)).data(control.clone()).map_to_response().boxed()
}

fn control_routes(sim_routes: Route) -> Route {
    sim_routes
        .at("/log", get(read_log).delete(clear_log))
        .at("/scripts", post(add_script).get(read_scripts).delete(clear_scripts))
        .at("/clock", get(read_clock).put(set_clock))
}

#[handler]
fn read_log(Data(control): Data<&Control>) -> Json<Vec<crate::control::Call>> {
    Json(control.calls())
}

#[handler]
fn clear_log(Data(control): Data<&Control>) -> StatusCode {
    control.clear_calls();
    StatusCode::NO_CONTENT
}

#[handler]
fn add_script(Data(control): Data<&Control>, Json(script): Json<Script>) -> StatusCode {
    control.script(script);
    StatusCode::NO_CONTENT
}

#[handler]
fn read_scripts(Data(control): Data<&Control>) -> Json<Vec<Script>> {
    Json(control.scripts())
}

#[handler]
fn clear_scripts(Data(control): Data<&Control>) -> StatusCode {
    control.clear_scripts();
    StatusCode::NO_CONTENT
}

/// Body of `GET /_sim/clock`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Time {
    /// By the simulator's clock, UTC.
    pub now: DateTime<Utc>,
}

/// Body of `PUT /_sim/clock`: `{"now": "<RFC 3339>"}` or `{"advance_ms": n}`.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SetTime {
    /// Moves the clock to this time, backwards too.
    Now(DateTime<Utc>),
    /// Advances the clock by this many ms, or sets it back if negative.
    AdvanceMs(i64),
}

#[handler]
fn read_clock(Data(control): Data<&Control>) -> Json<Time> {
    Json(Time { now: control.clock().now() })
}

#[handler]
fn set_clock(Data(control): Data<&Control>, Json(set): Json<SetTime>) -> Json<Time> {
    match set {
        SetTime::Now(moment) => control.clock().set(moment),
        SetTime::AdvanceMs(ms) => control.clock().advance(chrono::Duration::milliseconds(ms)),
    }
    Json(Time { now: control.clock().now() })
}
