//! Performs `lifecycle.deliver_event`.
//!
//! Harmless when run twice: the event keeps its id and body, so a backend can detect a duplicate.
//!
//! An attempt is counted and logged with its result in one transaction, that of an ordinary delivery together with others
//! ([`crate::app::deliveries`]). If the worker dies, the job has counted the
//! attempt, so an event that kills its worker is not retried forever, and the rescuer of the job logs the attempt.
//!
//! Events of an install are sent one after another: an event is sent only if every earlier one has left the state
//! `waiting`, which is committed with the outcome of its last attempt. Until then its job waits without a slot.

use std::time::{Duration, Instant};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use flysk_clients::outbound::{OutboundError, PostLimits, Response};
use flysk_domain::id::EventId;
use flysk_domain::platform::breaker::Breaker;
use flysk_domain::platform::delivery::{DeliveryResponse, RetryDecision, decide_retry};
use flysk_jobs::platform::lifecycle::DeliverEvent;
use flysk_queue::{JobContext, JobError, JobHandler, JobOutcome, JobResult, UnitOfWork};
use flysk_services::events::{deliver_next, end_undelivered, pay_link};
use flysk_store::platform::attempts::{self, Attempt};
use flysk_store::platform::endpoints;
use flysk_store::platform::event_backends::EventBackend;
use flysk_store::platform::events::{self, Event, EventState, WAITING_EVENT};
use flysk_store::{StoreError, repeat_contended};
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::credentials::EventCredentials;
use super::request::{EventBody, headers};
use crate::App;
use crate::app::deliveries::EndedDelivery;
use crate::app::deliveries::endpoint::Endpoint;
use crate::app::deliveries::preparation::{PreparedDelivery, Step};

/// Error of an attempt whose worker stopped.
const INTERRUPTED: &str =
    "the worker stopped before the response arrived: the backend may have received the event";
/// Two jobs delivered an event at the same time, and this one was the later one.
const RECORDED_ELSEWHERE: &str = "another run has recorded the delivery";
/// Delay before an event is sent again whose delivery could not be recorded because a row stayed locked: the first one of the
/// ordinary schedule.
const RECORD_RETRY_DELAY: Duration = Duration::from_secs(10);
/// Time limit of reading credentials, during which the permit is held. A permit that is held for a second tells of a hanging backend.
const CREDENTIALS_TIMEOUT: Duration = Duration::from_millis(500);
/// What the log of an attempt has instead of a secret.
const MASK: &str = "…";
/// So many characters of a secret tell nothing about it.
const MIN_CUT_LEN: usize = 4;

impl JobHandler<App> for DeliverEvent {
    async fn handle(&self, run: &JobContext, app: &App) -> JobResult {
        let Some(prepared) = app.deliveries.prepare(self.event_id, run.job_id()).await? else {
            return end_without_backend(run, self.event_id).await;
        };
        let PreparedDelivery { event, backend, step } = prepared;
        let (endpoint, permit) = match step {
            Step::End(result) => return result,
            Step::Unaddressed => {
                let mut unit = run.begin().await?;
                end_undelivered(&mut unit, &event, EventState::Unaddressed).await?;
                return run.done(unit).await;
            }
            Step::Send(endpoint, permit) => (endpoint, permit),
        };
        let loading = EventCredentials::load(run.pool(), &app.vault, &backend, run.now());
        let loaded = tokio::time::timeout(CREDENTIALS_TIMEOUT, loading).await;
        let sent = match loaded.unwrap_or_else(|_| Err(credentials_late())) {
            Ok(credentials) => send(run, app, &credentials, &event, &endpoint.url).await,
            Err(error) => Err(error),
        };
        let release = permit.release();
        let sent = match sent {
            Ok(sent) => sent,
            Err(error) => {
                release.await;
                return Err(error);
            }
        };
        if let Some(state) = clean_end(&backend, &endpoint, &sent) {
            // In any order: the permit says that no request is under way any more, and the event says how it ended.
            let ((), ended) = tokio::join!(release, end_cleanly(run, app, event, sent.log, state));
            return ended;
        }
        release.await;
        // Repeated here, because a retried handler would send the event again.
        let recorded = repeat_contended(|| record_attempt(run, &backend, &endpoint, &event, &sent)).await;
        recorded.map_err(|error| error.wait_if_rolled_back(RECORD_RETRY_DELAY))
    }

    /// A waiting event fails with its job; another state is final. The later events of the install go on.
    async fn on_dead(&self, unit: &mut UnitOfWork, _reason: &str, _app: &App) -> Result<(), JobError> {
        let Some(event) = events::find(unit, self.event_id).await? else { return Ok(()) };
        Ok(end_undelivered(unit, &event, EventState::Failed).await?)
    }

    /// Logs the attempt under the start of the job's run, so that a second call finds it. A run that lost its lease may still have
    /// logged its attempt itself, which started later.
    async fn on_interrupted(
        &self,
        unit: &mut UnitOfWork,
        started_at: DateTime<Utc>,
        _app: &App,
    ) -> Result<(), JobError> {
        let event = events::find(unit, self.event_id).await?;
        let Some(event) = event.filter(|event| event.state == EventState::Waiting) else { return Ok(()) };
        let logged = attempts::list(unit, event.id).await?;
        let is_of_run = |log: &Attempt| log.attempt == event.attempts && log.started_at >= started_at;
        if logged.iter().any(is_of_run) {
            return Ok(());
        }
        let log = Attempt {
            attempt: event.attempts + 1,
            started_at,
            took_ms: 0,
            status: None,
            error: Some(INTERRUPTED.to_owned()),
            answer_head: None,
            interrupted: true,
        };
        let now = unit.now();
        if events::write_attempted(unit, event.id, log.attempt, EventState::Waiting, now).await? {
            attempts::insert(unit, event.widget_id, event.id, &log).await?;
        }
        Ok(())
    }
}

/// The end of a job whose event was not found with its widget.
async fn end_without_backend(run: &JobContext, event: EventId) -> JobResult {
    let mut conn = run.pool().acquire().await?;
    match events::find(&mut conn, event).await? {
        None => Ok(JobOutcome::skip("the event is gone")),
        Some(_) => Err(StoreError::WrongState { what: "widget" }.into()),
    }
}

/// An attempt and its result.
struct Sent {
    log: Attempt,
    answer: DeliveryResponse,
}

async fn send(
    run: &JobContext,
    app: &App,
    credentials: &EventCredentials,
    event: &Event,
    url: &str,
) -> Result<Sent, JobError> {
    let pay_link = pay_link(event, &app.config().http.public_url, &app.keyring);
    let body = EventBody::new(event, pay_link.as_ref()).and_then(|body| serde_json::to_string(&body));
    let body = body.map_err(|error| JobError::give_up(format!("the event cannot be serialised: {error}")))?;
    let headers = headers(credentials, event, &body, run.now())?;
    let attempt = event.attempts + 1;
    let (started_at, started) = (run.now(), Instant::now());
    let result = app.outbound.post(url, headers, Bytes::from(body), &PostLimits::default()).await;
    let took_ms = u32::try_from(started.elapsed().as_millis()).unwrap_or(u32::MAX);
    let answer = classify(&result);
    let (status, error, head) = match result {
        Ok(response) => {
            let head = masked(response.text(), credentials, pay_link.as_ref());
            (Some(response.status), None, Some(head))
        }
        Err(error) => (None, Some(error.to_string()), None),
    };
    metrics::histogram!("flysk_event_delivery_seconds").record(started.elapsed().as_secs_f64());
    let log = Attempt { attempt, started_at, took_ms, status, error, answer_head: head, interrupted: false };
    Ok(Sent { log, answer })
}

/// The beginning of an answer for the log, which operators and vendors read. A backend that repeats what it got must put there
/// neither the permission to pay nor its project token.
fn masked(head: String, credentials: &EventCredentials, pay_link: Option<&Url>) -> String {
    let signature = pay_link.and_then(Url::path_segments).and_then(|mut parts| parts.next_back());
    let token = credentials.project_token.as_ref().map(SecretString::expose_secret);
    let secrets = signature.into_iter().chain(token).filter(|secret| !secret.is_empty());
    secrets.fold(head, mask)
}

/// Replaces a secret, also one that the end of the text cuts.
fn mask(text: String, secret: &str) -> String {
    let mut text = if text.contains(secret) { text.replace(secret, MASK) } else { text };
    let is_cut = |length: &usize| secret.get(..*length).is_some_and(|beginning| text.ends_with(beginning));
    if let Some(length) = (MIN_CUT_LEN..secret.len()).rev().find(is_cut) {
        text.truncate(text.len() - length);
        text.push_str(MASK);
    }
    text
}

fn classify(result: &Result<Response, OutboundError>) -> DeliveryResponse {
    match result {
        Ok(response) => {
            DeliveryResponse::Status { status: response.status, retry_after: response.retry_after }
        }
        Err(OutboundError::BadUrl(_) | OutboundError::ForbiddenAddress) => DeliveryResponse::Forbidden,
        Err(_) => DeliveryResponse::None,
    }
}

/// The final state of an event whose attempt ended the delivery and says nothing new about the endpoint, as most do.
fn clean_end(backend: &EventBackend, endpoint: &Endpoint, sent: &Sent) -> Option<EventState> {
    if endpoint.breaker != Breaker::default() {
        return None;
    }
    match decide_retry(sent.answer, sent.log.attempt, delays_of(backend)) {
        RetryDecision::Delivered => Some(EventState::Delivered),
        RetryDecision::Refused => Some(EventState::Refused),
        RetryDecision::Failed | RetryDecision::Retry(_) => None,
    }
}

/// Records such a delivery in one transaction with others. It does not name the job's lease: the event's state and number of
/// attempts, which the write compares, let one of two runs record it. The job ends afterwards; if it does not, its next run finds
/// that the event has ended.
async fn end_cleanly(
    run: &JobContext,
    app: &App,
    event: Event,
    log: Attempt,
    state: EventState,
) -> JobResult {
    let ended = EndedDelivery { event, log, state, trace: run.trace().clone() };
    match app.deliveries.end(ended).await {
        Ok(()) => Ok(JobOutcome::Done),
        Err(StoreError::WrongState { what: WAITING_EVENT }) => Ok(JobOutcome::skip(RECORDED_ELSEWHERE)),
        // Lost races were repeated by the group.
        Err(error) => Err(JobError::from(error).wait_if_rolled_back(RECORD_RETRY_DELAY)),
    }
}

/// The database is busy, not the backend.
fn credentials_late() -> JobError {
    JobError::Wait {
        after: Duration::from_secs(1),
        reason: "the credentials were not read in time".to_owned(),
    }
}

/// The widget's own delays between attempts.
fn delays_of(backend: &EventBackend) -> Option<&[u32]> {
    backend.delivery_delays.as_ref().map(|delays| delays.0.as_slice())
}

/// Logs the attempt and updates the circuit breaker and the event's state, in one transaction. An event that failed
/// finally stays `waiting` until `on_dead`, which marks job and event together.
async fn record_attempt(
    run: &JobContext,
    backend: &EventBackend,
    endpoint: &Endpoint,
    event: &Event,
    sent: &Sent,
) -> JobResult {
    let delays = delays_of(backend);
    let next = decide_retry(sent.answer, sent.log.attempt, delays);
    let state = match next {
        RetryDecision::Delivered => EventState::Delivered,
        RetryDecision::Refused => EventState::Refused,
        RetryDecision::Failed | RetryDecision::Retry(_) => EventState::Waiting,
    };
    let mut unit = run.begin().await?;
    if !events::write_attempted(&mut unit, event.id, sent.log.attempt, state, run.now()).await? {
        return Ok(JobOutcome::skip(RECORDED_ELSEWHERE));
    }
    attempts::insert(&mut unit, event.widget_id, event.id, &sent.log).await?;
    if let Some(worked) = endpoint_worked(sent.answer, next)
        && !(worked && endpoint.breaker == Breaker::default())
    {
        update_breaker(&mut unit, backend, endpoint, worked).await?;
    }
    match next {
        RetryDecision::Retry(after) => {
            unit.commit().await?;
            retry_result(run, &sent.log, after, delays.is_some())
        }
        RetryDecision::Delivered | RetryDecision::Refused => {
            deliver_next(&mut unit, event).await?;
            run.done(unit).await
        }
        RetryDecision::Failed => {
            unit.commit().await?;
            Err(JobError::give_up(format!(
                "attempt {} was the last: {}",
                sent.log.attempt,
                attempt_summary(&sent.log)
            )))
        }
    }
}

/// Whether the endpoint works; `None` if the attempt does not show it. A 410 counts as success, because the endpoint
/// refuses events deliberately. A forbidden address was not called.
fn endpoint_worked(answer: DeliveryResponse, next: RetryDecision) -> Option<bool> {
    match (answer, next) {
        (DeliveryResponse::Forbidden, _) => None,
        (_, RetryDecision::Delivered | RetryDecision::Refused) => Some(true),
        (_, RetryDecision::Retry(_) | RetryDecision::Failed) => Some(false),
    }
}

/// Counts a failure, or resets the count. The caller skips this for a success while the breaker was closed without
/// failures: it would wait for the row's lock, and says nothing about failures that came meanwhile.
async fn update_breaker(
    unit: &mut UnitOfWork,
    backend: &EventBackend,
    endpoint: &Endpoint,
    worked: bool,
) -> Result<(), JobError> {
    let now = unit.now();
    let before = endpoints::lock(unit, &endpoint.row).await?;
    let after = if worked { before.succeeded() } else { before.failed(now) };
    if after != before {
        endpoints::write(unit, &endpoint.row, &after, now).await?;
    }
    if after.opened_since(&before) {
        tracing::error!(alert = "backend_down", widget = %backend.code, "circuit breaker of a vendor's backend opened");
    }
    Ok(())
}

/// Events count their attempts themselves; the job's attempts only bound events that kill their worker. A widget's own
/// list of delays may be longer than the job's attempts, so such retries cost none.
fn retry_result(run: &JobContext, log: &Attempt, after: Duration, own_schedule: bool) -> JobResult {
    let reason = attempt_summary(log);
    if own_schedule || run.is_last_attempt() {
        return Err(JobError::Wait { after, reason });
    }
    Err(JobError::Retry { reason, after: Some(after) })
}

fn attempt_summary(log: &Attempt) -> String {
    match (log.status, &log.error) {
        (Some(status), _) => format!("status {status}"),
        (None, Some(error)) => error.clone(),
        (None, None) => "no answer".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_repeats_the_request_shows_no_secrets() {
        let credentials =
            EventCredentials { project_token: Some("pt_0123456789".into()), event_secrets: Vec::new() };
        let link: Url = "https://example.com/pay/7/signature01".parse().unwrap();
        let of = |head: &str| masked(head.to_owned(), &credentials, Some(&link));
        assert_eq!(of("{\"X-Project-Token\":\"pt_0123456789\"}"), "{\"X-Project-Token\":\"…\"}");
        assert_eq!(of("pay/7/signature01, pt_0123456789"), "pay/7/…, …");
        assert_eq!(of("the token is pt_012345678"), "the token is …", "cut by the limit of the log");
        assert_eq!(of("the link is pay/7/signatu"), "the link is pay/7/…");
        assert_eq!(of("received, pt"), "received, pt");
        let none = EventCredentials { project_token: None, event_secrets: Vec::new() };
        assert_eq!(masked("pt_0123456789".to_owned(), &none, None), "pt_0123456789");
    }
}
