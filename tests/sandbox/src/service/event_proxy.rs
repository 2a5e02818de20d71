//! Passes events on to the vendor's backend, and notes each with its answer.
//!
//! The product sends events to the proxy, as it would to any backend. The proxy passes them on as they are, except for the
//! signature: it signs them again with the time of the machine, because a backend refuses messages that are not of the last
//! minutes, while the sandbox may be months ahead. The time of the sandbox is in `X-Sandbox-Time`.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use chrono::SecondsFormat;
use flysk_domain::error_text::with_causes;
use flysk_domain::platform::signature::sign;
use flysk_domain::{Clock as _, SystemClock};
use flysk_simulators::SimClock;
use poem::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use poem::web::Data;
use poem::{Body, EndpointExt as _, IntoResponse as _, Request, Response, Route, Server, handler, post};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

use super::journal::Journal;
use super::occurrence::{Occurrence, SentEvent};

/// Time limit of a backend. The product waits a little longer, and so gets the proxy's answer.
const BACKEND_TIMEOUT: Duration = Duration::from_secs(9);
/// Bytes of an answer that are read.
const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// Answer to the product for an event that did not arrive.
const LOST: &str = "the sandbox was told to lose this event";
/// Headers that concern the connection to the proxy.
const CONNECTION_HEADERS: [HeaderName; 4] =
    [header::HOST, header::CONNECTION, header::CONTENT_LENGTH, header::TRANSFER_ENCODING];

/// How the next events are lost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Losses {
    /// Number of events.
    pub(super) next: u32,
    /// Flysk believes that they were received, so it does not repeat them.
    pub(super) answered: bool,
}

/// The proxy. Clones share its state.
#[derive(Debug, Clone)]
pub(super) struct EventProxy(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    url: String,
    clock: SimClock,
    journal: Arc<Journal>,
    http: reqwest::Client,
    /// Address of the vendor's backend.
    target: Mutex<Option<String>>,
    /// Secrets that the product has signed events with, the former ones included.
    event_secrets: Mutex<Vec<SecretString>>,
    /// Whether events keep the signature with the sandbox's time.
    keeps_signature: bool,
    losses: Mutex<Losses>,
    /// When the events that the backend has not answered yet were sent to it.
    unanswered: Mutex<Vec<Instant>>,
}

/// A running proxy. It stops on drop.
#[derive(Debug)]
pub(super) struct RunningEventProxy {
    pub(super) proxy: EventProxy,
    _server: AbortOnDropHandle<std::io::Result<()>>,
}

/// A backend's answer, or why there is none.
struct Answer {
    status: Option<u16>,
    retry_after: Option<HeaderValue>,
    text: String,
}

impl RunningEventProxy {
    /// Starts a proxy on a free port of 127.0.0.1.
    ///
    /// # Errors
    ///
    /// No port can be bound.
    pub(super) async fn start(
        clock: SimClock,
        journal: Arc<Journal>,
        target: Option<String>,
        keeps_signature: bool,
    ) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("the proxy of events cannot listen")?;
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(BACKEND_TIMEOUT)
            .build()?;
        let proxy = EventProxy(Arc::new(Inner {
            url: format!("http://{}", listener.local_addr()?),
            clock,
            journal,
            http,
            target: Mutex::new(target),
            event_secrets: Mutex::default(),
            keeps_signature,
            losses: Mutex::default(),
            unanswered: Mutex::default(),
        }));
        let routes = Route::new().at("/events", post(receive)).data(proxy.clone());
        let acceptor = poem::listener::TcpAcceptor::from_tokio(listener)?;
        let server = tokio::spawn(Server::new_with_acceptor(acceptor).run(routes));
        Ok(Self { proxy, _server: AbortOnDropHandle::new(server) })
    }
}

impl EventProxy {
    /// Address of events at the proxy.
    pub(super) fn event_url(&self) -> String {
        format!("{}/events", self.0.url)
    }

    /// `host:port` of the proxy, for `FLYSK_OUTBOUND_ALLOW`.
    pub(super) fn address(&self) -> &str {
        self.0.url.trim_start_matches("http://")
    }

    /// One more secret that the product signs events with.
    pub(super) fn know_secret(&self, event_secret: SecretString) {
        self.0.event_secrets.lock().unwrap_or_else(PoisonError::into_inner).push(event_secret);
    }

    /// Address of the vendor's backend.
    pub(super) fn target(&self) -> Option<String> {
        self.0.target.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends events elsewhere from now on; `None`: the proxy accepts them itself.
    pub(super) fn send_to(&self, target: Option<String>) {
        *self.0.target.lock().unwrap_or_else(PoisonError::into_inner) = target;
    }

    /// Loses the next events.
    pub(super) fn lose(&self, losses: Losses) {
        *self.0.losses.lock().unwrap_or_else(PoisonError::into_inner) = losses;
    }

    /// What is still to be lost.
    pub(super) fn losses(&self) -> Losses {
        *self.0.losses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long the backend has had an event without answering; zero if it has none.
    pub(super) fn unanswered_for(&self) -> Duration {
        let unanswered = self.0.unanswered.lock().unwrap_or_else(PoisonError::into_inner);
        unanswered.iter().min().map_or(Duration::ZERO, Instant::elapsed)
    }

    /// Whether this event is lost, and whether the product is told so.
    fn lose_one(&self) -> Option<Losses> {
        let mut losses = self.0.losses.lock().unwrap_or_else(PoisonError::into_inner);
        losses.next = losses.next.checked_sub(1)?;
        Some(*losses)
    }

    async fn send(&self, url: &str, headers: &HeaderMap, body: &str) -> Answer {
        let mut passed = headers.clone();
        for name in CONNECTION_HEADERS {
            passed.remove(name);
        }
        let time = self.0.clock.now().to_rfc3339_opts(SecondsFormat::Millis, true);
        let restamped = if self.0.keeps_signature { None } else { self.restamp(headers, body) };
        let own = restamped.into_iter().flatten().chain([("x-sandbox-time", time)]);
        for (name, value) in own {
            if let Ok(value) = HeaderValue::from_str(&value) {
                passed.insert(HeaderName::from_static(name), value);
            }
        }
        let _unanswered = Unanswered::begin(&self.0.unanswered);
        match self.0.http.post(url).headers(passed).body(body.to_owned()).send().await {
            Ok(answer) => read(answer).await,
            Err(error) => Answer { status: None, retry_after: None, text: reason(error) },
        }
    }

    /// Timestamp and signatures of this moment of the machine, one for each that the product made; `None` if it has signed with no
    /// known secret.
    fn restamp(&self, headers: &HeaderMap, body: &str) -> Option<[(&'static str, String); 2]> {
        let secrets = self.0.event_secrets.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let text = |name: &str| headers.get(name)?.to_str().ok();
        let (id, sent_at) = (text("webhook-id")?, text("webhook-timestamp")?.parse().ok()?);
        let now = SystemClock.now().timestamp();
        let resign = |theirs: &str| {
            let signed_it = |secret: &&SecretString| {
                sign(secret.expose_secret(), id, sent_at, body).is_ok_and(|known| known == theirs)
            };
            sign(secrets.iter().find(signed_it)?.expose_secret(), id, now, body).ok()
        };
        let ours: Vec<String> = text("webhook-signature")?.split(' ').filter_map(resign).collect();
        if ours.is_empty() {
            return None;
        }
        Some([("webhook-timestamp", now.to_string()), ("webhook-signature", ours.join(" "))])
    }

    /// Notes an attempt to deliver an event.
    fn note(&self, event: Value, url: Option<String>, answer: &Answer, took: Duration, lost: bool) {
        let text =
            |name: &str| event.get(name).and_then(Value::as_str).map(str::to_owned).unwrap_or_default();
        let sent = SentEvent {
            account_id: event.get("account_id").and_then(Value::as_u64),
            event_id: text("id"),
            event_type: text("type"),
            url,
            status: answer.status,
            answer: answer.text.clone(),
            took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            lost,
            body: event,
        };
        self.0.journal.note(self.0.clock.now(), Occurrence::Event(sent));
    }
}

/// While it lives, the backend has an event that it has not answered.
struct Unanswered<'a> {
    all: &'a Mutex<Vec<Instant>>,
    since: Instant,
}

impl<'a> Unanswered<'a> {
    fn begin(all: &'a Mutex<Vec<Instant>>) -> Self {
        let since = Instant::now();
        all.lock().unwrap_or_else(PoisonError::into_inner).push(since);
        Self { all, since }
    }
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = all.iter().position(|since| *since == self.since) {
            all.swap_remove(at);
        }
    }
}

/// Reads the beginning of an answer.
async fn read(mut answer: reqwest::Response) -> Answer {
    let status = Some(answer.status().as_u16());
    let retry_after = answer.headers().get(header::RETRY_AFTER).cloned();
    let mut bytes = Vec::new();
    while bytes.len() < MAX_ANSWER_BYTES {
        match answer.chunk().await {
            Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
            Ok(None) => break,
            Err(error) => return Answer { status: None, retry_after: None, text: reason(error) },
        }
    }
    bytes.truncate(MAX_ANSWER_BYTES);
    Answer { status, retry_after, text: String::from_utf8_lossy(&bytes).into_owned() }
}

/// Why there is no answer, with the causes.
fn reason(error: reqwest::Error) -> String {
    with_causes(&error.without_url())
}

/// An event of the product.
#[handler]
async fn receive(request: &Request, body: Body, Data(proxy): Data<&EventProxy>) -> Response {
    let Ok(text) = body.into_string().await else { return StatusCode::BAD_REQUEST.into_response() };
    let event: Value = serde_json::from_str(&text).unwrap_or_default();
    if let Some(losses) = proxy.lose_one() {
        let answer = Answer { status: None, retry_after: None, text: LOST.to_owned() };
        proxy.note(event, proxy.target(), &answer, Duration::ZERO, true);
        let status = if losses.answered { StatusCode::NO_CONTENT } else { StatusCode::GATEWAY_TIMEOUT };
        return status.into_response();
    }
    let Some(url) = proxy.target() else {
        let answer = Answer { status: Some(204), retry_after: None, text: String::new() };
        proxy.note(event, None, &answer, Duration::ZERO, false);
        return StatusCode::NO_CONTENT.into_response();
    };
    let started = Instant::now();
    let answer = proxy.send(&url, request.headers(), &text).await;
    proxy.note(event, Some(url), &answer, started.elapsed(), false);
    let status = answer.status.and_then(|status| StatusCode::from_u16(status).ok());
    let mut response =
        Response::builder().status(status.unwrap_or(StatusCode::BAD_GATEWAY)).body(answer.text);
    if let Some(retry_after) = answer.retry_after {
        response.headers_mut().insert(header::RETRY_AFTER, retry_after);
    }
    response
}
