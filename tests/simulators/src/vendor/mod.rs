//! A minimal vendor's backend: accepts lifecycle events with its project token and a valid signature, once each,
//! and tracks installs by their sequence numbers.
//!
//! [`Script`](crate::Script)s make it fail: status 500 or 410, `Retry-After`, a hang.

mod installs;
mod signature;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};
use flysk_domain::Clock;
use poem::http::StatusCode;
use poem::web::{Data, Json};
use poem::{Body, EndpointExt, IntoResponse, Request, Response, Route, get, handler, post};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Running;
use crate::control::Control;
use crate::index::index;
use crate::lock::locked;
use crate::server;
pub use installs::Install;
use installs::Installs;

/// An accepted event.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Received {
    /// Arrival time, by the simulator's clock.
    pub at: DateTime<Utc>,
    /// Request path.
    pub path: String,
    /// Request body.
    pub body: Value,
}

/// Test handle of the backend. Clones share its state.
#[derive(Debug, Clone)]
pub struct Vendor(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    project_token: Mutex<Option<String>>,
    event_secret: Mutex<Option<String>>,
    received: Mutex<Vec<Received>>,
    installs: Mutex<Installs>,
    control: Control,
}

impl Vendor {
    /// Requires this `X-Project-Token` from now on (`None`: accepts any).
    pub fn expect_token(&self, token: Option<String>) {
        *locked(&self.0.project_token) = token;
    }

    /// Requires signatures with this secret (`whsec_…`) from now on (`None`: does not verify).
    pub fn expect_signature(&self, event_secret: Option<String>) {
        *locked(&self.0.event_secret) = event_secret;
    }

    /// State of installs, derived from the received events in any order.
    pub fn installs(&self) -> Vec<Install> {
        locked(&self.0.installs).list()
    }

    /// Accepted events, oldest first, duplicates included.
    pub fn received(&self) -> Vec<Received> {
        locked(&self.0.received).clone()
    }
}

/// Starts a backend on `addr` (`None`: a free port of 127.0.0.1).
pub async fn start(
    addr: Option<SocketAddr>,
    project_token: Option<String>,
    control: Control,
) -> std::io::Result<Running<Vendor>> {
    let state = Vendor(Arc::new(Inner {
        project_token: Mutex::new(project_token),
        event_secret: Mutex::default(),
        received: Mutex::default(),
        installs: Mutex::default(),
        control: control.clone(),
    }));
    let routes = Route::new().at("/*path", post(take)).data(state.clone());
    let sim_routes = Route::new()
        .at("/", index(include_str!("index.md")))
        .at("/received", get(read_received).data(state.clone()))
        .at("/installs", get(read_installs).data(state.clone()))
        .at("/token", post(set_token).data(state.clone()));
    server::serve(server::bind(addr).await?, control, state, routes, sim_routes)
}

#[handler]
async fn take(request: &Request, body: Body, Data(vendor): Data<&Vendor>) -> Response {
    let expected = locked(&vendor.0.project_token).clone();
    if expected.is_some() && request.header("x-project-token") != expected.as_deref() {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    if request.content_type().is_none_or(|value| !value.starts_with("application/json")) {
        return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
    }
    let Ok(text) = body.into_string().await else { return StatusCode::BAD_REQUEST.into_response() };
    let secret = locked(&vendor.0.event_secret).clone();
    if secret
        .is_some_and(|secret| !signature::is_good(&secret, request, &text, vendor.0.control.clock().now()))
    {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let Ok(body) = serde_json::from_str(&text) else { return StatusCode::BAD_REQUEST.into_response() };
    locked(&vendor.0.installs).take(&body);
    let path = request.uri().path().to_owned();
    let at = vendor.0.control.clock().now();
    locked(&vendor.0.received).push(Received { at, path, body });
    StatusCode::NO_CONTENT.into_response()
}

#[handler]
fn read_received(Data(vendor): Data<&Vendor>) -> Json<Vec<Received>> {
    Json(vendor.received())
}

#[handler]
fn read_installs(Data(vendor): Data<&Vendor>) -> Json<Vec<Install>> {
    Json(vendor.installs())
}

/// Body of `POST /_sim/token`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Token {
    token: Option<String>,
}

#[handler]
fn set_token(Data(vendor): Data<&Vendor>, Json(told): Json<Token>) -> StatusCode {
    vendor.expect_token(told.token);
    StatusCode::NO_CONTENT
}
