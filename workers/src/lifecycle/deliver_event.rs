//! Performs `lifecycle.deliver_event`.
//!
//! Harmless when run twice: the event keeps its id and its body, and a backend that gets it twice can
//! tell. An attempt is counted and logged with what became of it, in one transaction; one that dies on the way was
//! counted by its job, so an event that kills its worker does not do so for ever.

use std::time::{Duration, Instant};

use bytes::Bytes;
use flysk_clients::outbound::{OutboundError, PostLimits, Response};
use flysk_domain::platform::delivery::{Answer, Next, next};
use flysk_jobs::lifecycle::DeliverEvent;
use flysk_jobs::runtime::limits::Room;
use flysk_jobs::{Handle, JobError, JobResult, Run, Unit, Verdict};
use flysk_store::StoreError;
use flysk_store::platform::attempts::{self, Attempt};
use flysk_store::platform::endpoints;
use flysk_store::platform::events::{self, Event, EventState};
use flysk_store::platform::widgets::{self, Widget};

use super::request::{Body, headers};
use crate::App;

/// Deliveries to one backend at once; to one whose last answer was a failure there is one at a time.
const AT_ONCE: u32 = 8;
/// A delivery that takes longer keeps others to the same backend from joining it: however many backends hang, each
/// holds the few places it took in its first second.
const HANGS_AFTER: Duration = Duration::from_secs(1);
/// A place whose holder died is free after this; a delivery takes 10 s at most.
const PLACE_KEPT: Duration = Duration::from_secs(15);
const ROOM_RETRY: Duration = Duration::from_secs(1);

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
            events::write_state(&mut conn, event.id, EventState::Unaddressed, run.now()).await?;
            return Ok(Verdict::skip("the widget has no address for it"));
        };
        let doing = endpoints::find(&mut conn, widget.id).await?;
        if let Some(wait) = doing.wait(run.now()) {
            let reason = "the backend failed too often and is left alone for a while";
            return Ok(Verdict::snooze(run.now() + wait, reason));
        }
        drop(conn);
        let room = Room {
            name: format!("events.{}", widget.id),
            places: if doing.failures == 0 { AT_ONCE } else { 1 },
            kept_for: PLACE_KEPT,
            closes_after: Some(HANGS_AFTER),
        };
        let holder = run.job_id().to_string();
        app.limits.enter_or_wait(&room, &holder, ROOM_RETRY).await?;
        let sent = send(run, app, &widget, &event, url).await;
        app.limits.leave(&room, &holder).await;
        settle(run, &widget, &event, sent?).await
    }

    async fn bury(&self, unit: &mut Unit, _reason: &str, app: &App) -> Result<(), JobError> {
        Ok(events::write_state(unit, self.event_id, EventState::Failed, app.clock().now()).await?)
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

/// Logs the attempt, notes how the backend is doing and what became of the event, in one transaction.
async fn settle(run: &Run, widget: &Widget, event: &Event, sent: Sent) -> JobResult {
    let delays = widget.delivery_delays.as_ref().map(|delays| delays.0.as_slice());
    let next = next(sent.answer, sent.log.attempt, delays);
    let now = run.now();
    let mut unit = run.begin().await?;
    attempts::insert(&mut unit, event.id, &sent.log).await?;
    let before = endpoints::lock(&mut unit, widget.id).await?;
    let after = if next == Next::Delivered { before.succeeded() } else { before.failed(now) };
    if after != before {
        endpoints::write(&mut unit, widget.id, &after, now).await?;
    }
    if after.opened_since(&before) {
        tracing::error!(alert = "backend_down", widget = %widget.code, "a vendor's backend fails again and again");
    }
    let state = match next {
        Next::Delivered => EventState::Delivered,
        Next::Refused => EventState::Refused,
        Next::Failed => EventState::Failed,
        Next::Retry(_) => EventState::Waiting,
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
