//! Performs `lifecycle.deliver_event`.
//!
//! Harmless when run twice: the event keeps its id and its body, and a backend that gets it twice can
//! tell. An attempt is counted and logged with what became of it, in one transaction; one that dies on the way was
//! counted by its job, so an event that kills its worker does not do so for ever.

use std::time::{Duration, Instant};

use bytes::Bytes;
use flysk_clients::outbound::{OutboundError, PostLimits, Response};
use flysk_domain::platform::breaker::Breaker;
use flysk_domain::platform::delivery::{Answer, Next, next};
use flysk_jobs::lifecycle::DeliverEvent;
use flysk_jobs::{Handle, JobError, JobResult, Run, Unit, Verdict};
use flysk_store::platform::attempts::{self, Attempt};
use flysk_store::platform::endpoints;
use flysk_store::platform::events::{self, Event, EventState};
use flysk_store::platform::widgets::{self, Widget};
use flysk_store::{StoreError, repeat_contended};

use super::endpoint::Endpoint;
use super::request::{Body, headers};
use crate::App;

impl Handle<App> for DeliverEvent {
    async fn handle(&self, run: &Run, app: &App) -> JobResult {
        let mut conn = run.pool().acquire().await?;
        let Some(event) = events::find(&mut conn, self.event_id).await? else {
            return Ok(Verdict::skip("the event is gone"));
        };
        if event.state != EventState::Waiting {
            return Ok(Verdict::skip("the event was dealt with"));
        }
        let widget = widgets::find(&mut conn, event.widget_id).await?;
        let widget = widget.ok_or(StoreError::Stale { what: "widget" })?;
        let Some(url) = widget.event_url_of(event.kind) else {
            events::end_waiting(&mut conn, event.id, EventState::Unaddressed, run.now()).await?;
            return Ok(Verdict::skip("the widget has no address for it"));
        };
        let row = Endpoint::row(widget.id, url);
        let endpoint = Endpoint { doing: endpoints::find(&mut conn, &row).await?, row };
        if let Some(snooze) = endpoint.left_alone(run.now()) {
            return Ok(snooze);
        }
        drop(conn);
        let holder = run.job_id().to_string();
        endpoint.enter(&app.limits, &holder).await?;
        let sent = send(run, app, &widget, &event, url).await;
        endpoint.leave(&app.limits, &holder).await;
        let sent = sent?;
        // Repeated here: a handler that is run again would send the event again.
        repeat_contended(|| settle(run, &widget, &endpoint, &event, &sent)).await
    }

    /// An event whose last attempt failed is still waiting until now, so nobody can have started it again meanwhile.
    async fn bury(&self, unit: &mut Unit, _reason: &str, app: &App) -> Result<(), JobError> {
        Ok(events::end_waiting(unit, self.event_id, EventState::Failed, app.clock().now()).await?)
    }
}

/// An attempt and what it came to.
struct Sent {
    log: Attempt,
    answer: Answer,
}

async fn send(run: &Run, app: &App, widget: &Widget, event: &Event, url: &str) -> Result<Sent, JobError> {
    let body = serde_json::to_string(&Body::from(event));
    let body = body.map_err(|error| JobError::give_up(format!("the event cannot be written: {error}")))?;
    let headers = headers(&app.vault, widget, event, &body, run.now())?;
    let attempt = event.attempts + 1;
    let (started_at, started) = (run.now(), Instant::now());
    let result = app.outbound.post(url, headers, Bytes::from(body), &PostLimits::default()).await;
    let took_ms = u32::try_from(started.elapsed().as_millis()).unwrap_or(u32::MAX);
    let answer = meaning(&result);
    let (status, error, head) = match result {
        Ok(response) => (Some(response.status), None, Some(response.text())),
        Err(error) => (None, Some(error.to_string()), None),
    };
    metrics::histogram!("flysk_event_delivery_seconds").record(started.elapsed().as_secs_f64());
    Ok(Sent { log: Attempt { attempt, started_at, took_ms, status, error, answer_head: head }, answer })
}

fn meaning(result: &Result<Response, OutboundError>) -> Answer {
    match result {
        Ok(response) => Answer::Status { status: response.status, retry_after: response.retry_after },
        Err(OutboundError::BadUrl(_) | OutboundError::ForbiddenAddress) => Answer::Forbidden,
        Err(_) => Answer::None,
    }
}

/// Logs the attempt, notes how the address is doing and what became of the event, in one transaction. An event that
/// failed for good goes on waiting until its job is buried, which says so of both.
async fn settle(run: &Run, widget: &Widget, endpoint: &Endpoint, event: &Event, sent: &Sent) -> JobResult {
    let delays = widget.delivery_delays.as_ref().map(|delays| delays.0.as_slice());
    let next = next(sent.answer, sent.log.attempt, delays);
    let now = run.now();
    let mut unit = run.begin().await?;
    attempts::insert(&mut unit, event.id, &sent.log).await?;
    if let Some(worked) = verdict(sent.answer, next)
        && !(worked && endpoint.doing == Breaker::default())
    {
        note_doing(&mut unit, widget, endpoint, worked).await?;
    }
    let state = match next {
        Next::Delivered => EventState::Delivered,
        Next::Refused => EventState::Refused,
        Next::Failed | Next::Retry(_) => EventState::Waiting,
    };
    events::write_attempted(&mut unit, event.id, sent.log.attempt, state, now).await?;
    match next {
        Next::Retry(after) => {
            unit.commit().await?;
            retry(run, &sent.log, after, delays.is_some())
        }
        Next::Delivered | Next::Refused => run.done(unit).await,
        Next::Failed => {
            unit.commit().await?;
            Err(JobError::give_up(format!(
                "attempt {} was the last: {}",
                sent.log.attempt,
                summary(&sent.log)
            )))
        }
    }
}

/// Whether the address works; `None` if the attempt does not say. One that wants no events (410) does: it answered as it
/// was meant to. One that we do not call was not asked.
fn verdict(answer: Answer, next: Next) -> Option<bool> {
    match (answer, next) {
        (Answer::Forbidden, _) => None,
        (_, Next::Delivered | Next::Refused) => Some(true),
        (_, Next::Retry(_) | Next::Failed) => Some(false),
    }
}

/// Counts a failure, or ends the count. A success of an address that was doing well when it began is not counted at
/// all: it would have to wait for the row, and says nothing of failures that came meanwhile.
async fn note_doing(
    unit: &mut Unit,
    widget: &Widget,
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
        tracing::error!(alert = "backend_down", widget = %widget.code, "a vendor's backend fails again and again");
    }
    Ok(())
}

/// The event counts its attempts itself; the job's own count only ends events that kill their worker. A
/// schedule of the widget's own may be longer than the job's, so its retries cost the job nothing.
fn retry(run: &Run, log: &Attempt, after: Duration, own_schedule: bool) -> JobResult {
    let reason = summary(log);
    if own_schedule || run.is_last_attempt() {
        return Err(JobError::Wait { after, reason });
    }
    Err(JobError::Retry { reason, after: Some(after) })
}

fn summary(log: &Attempt) -> String {
    match (log.status, &log.error) {
        (Some(status), _) => format!("status {status}"),
        (None, Some(error)) => error.clone(),
        (None, None) => "no answer".to_owned(),
    }
}
