//! What comes before events are sent, for many deliveries at once: reads by one statement, and permits by one round trip.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use chrono::{DateTime, Utc};
use flysk_domain::id::{EventId, JobId, WidgetId};
use flysk_domain::platform::breaker::Breaker;
use flysk_jobs::platform::lifecycle::ORDER_RECHECK_DELAY;
use flysk_queue::limits::{LimitHolder, PermitOutcome, RateLimiter};
use flysk_queue::{JobError, JobOutcome, JobResult, Outbox};
use flysk_store::StoreResult;
use flysk_store::group_commit::CommitGroup;
use flysk_store::platform::endpoints;
use flysk_store::platform::event_backends::{self, EventBackend, QueuedEvent};
use flysk_store::platform::events::{Event, EventState};

use super::endpoint::Endpoint;
use super::pace::{MAX_GROUP_LEN, pause_after};
use super::permits::{HeldPermit, PermitReleases};

/// Number of waiting events from which on the delay until the next check does not grow any more.
const MAX_RECHECK_POSITIONS: u32 = 60;

/// A delivery whose job has begun.
#[derive(Debug)]
pub(crate) struct BegunDelivery {
    pub(crate) event: EventId,
    /// Holds the permit.
    pub(crate) job: JobId,
}

/// An event with what its delivery needs.
#[derive(Debug)]
pub(crate) struct PreparedDelivery {
    pub(crate) event: Event,
    pub(crate) backend: EventBackend,
    pub(crate) step: Step,
}

/// What the job of a delivery does next.
#[derive(Debug)]
pub(crate) enum Step {
    /// Nothing: it ends with this result.
    End(JobResult),
    /// The backend has no URL for this kind of event.
    Unaddressed,
    /// The event is sent there.
    Send(Endpoint, HeldPermit),
}

/// What a delivery may do as far as the database knows.
enum Readiness {
    End(JobResult),
    Unaddressed,
    Ready(Endpoint),
}

/// Circuit breakers of endpoints that have failed.
type Breakers = HashMap<endpoints::Endpoint, Breaker>;

/// Prepares groups of deliveries. A group begins after the jobs of its deliveries have begun, so what it reads is not older than what
/// each of them would read.
pub(crate) struct Preparations {
    outbox: Outbox,
    limits: RateLimiter,
    releases: PermitReleases,
}

impl CommitGroup for Preparations {
    type Key = ();
    type Item = BegunDelivery;
    /// `None` if the event or its widget is gone.
    type Outcome = Option<PreparedDelivery>;

    const MAX_GROUP_LEN: usize = MAX_GROUP_LEN;
    /// Jobs that were claimed together begin together.
    const GATHERS_FIRST: bool = true;

    async fn commit(&self, (): (), begun: &[BegunDelivery]) -> StoreResult<Vec<Option<PreparedDelivery>>> {
        let (queued, breakers) = self.read(begun).await?;
        let now = self.outbox.clock().now();
        let mut requests = Vec::new();
        let mut read = Vec::with_capacity(begun.len());
        for BegunDelivery { event, job } in begun {
            let Some(queued) = queued.get(event) else {
                read.push(None);
                continue;
            };
            let readiness = readiness(queued, &breakers, now);
            if let Readiness::Ready(endpoint) = &readiness {
                requests.push(endpoint.request(*job));
            }
            read.push(Some((queued.clone(), readiness)));
        }
        let mut answers = self.acquire(requests).await.into_iter();
        let prepared = read.into_iter().map(|read| {
            let (QueuedEvent { event, backend, .. }, readiness) = read?;
            let step = match readiness {
                Readiness::End(result) => Step::End(result),
                Readiness::Unaddressed => Step::Unaddressed,
                Readiness::Ready(endpoint) => {
                    answers.next().map_or_else(unanswered, |answer| self.step(endpoint, answer))
                }
            };
            Some(PreparedDelivery { event, backend, step })
        });
        Ok(prepared.collect())
    }

    fn pause_after(len: usize) -> Duration {
        pause_after(len)
    }
}

impl Preparations {
    pub(crate) fn new(outbox: &Outbox, limits: &RateLimiter) -> Self {
        let releases = PermitReleases::new(limits.clone());
        Self { outbox: outbox.clone(), limits: limits.clone(), releases }
    }

    /// Reads events with their backends, and the circuit breakers of the backends that have some.
    async fn read(&self, begun: &[BegunDelivery]) -> StoreResult<(HashMap<EventId, QueuedEvent>, Breakers)> {
        let ids: Vec<EventId> = begun.iter().map(|one| one.event).collect();
        let mut conn = self.outbox.pool().acquire().await?;
        let queued = event_backends::list_queued(&mut conn, &ids).await?;
        let failing = queued.iter().filter(|one| one.has_failures).map(|one| one.event.widget_id);
        let failing: BTreeSet<WidgetId> = failing.collect();
        let failing: Vec<WidgetId> = failing.into_iter().collect();
        let breakers = endpoints::list_failing(&mut conn, &failing).await?;
        let queued = queued.into_iter().map(|one| (one.event.id, one)).collect();
        Ok((queued, breakers.into_iter().collect()))
    }

    /// Asks for the permits of a group. Without Redis the deliveries wait: other processes may hold all permits.
    async fn acquire(
        &self,
        requests: Vec<LimitHolder>,
    ) -> Vec<(LimitHolder, Result<PermitOutcome, JobError>)> {
        match self.limits.acquire_permits(&requests).await {
            Ok(outcomes) => requests.into_iter().zip(outcomes.into_iter().map(Ok)).collect(),
            Err(error) => {
                let delayed = |request| (request, Err(RateLimiter::delay_without_redis(&error)));
                requests.into_iter().map(delayed).collect()
            }
        }
    }

    fn step(
        &self,
        endpoint: Endpoint,
        (request, answer): (LimitHolder, Result<PermitOutcome, JobError>),
    ) -> Step {
        match answer.map(|outcome| endpoint.refusal(outcome)) {
            Ok(None) => Step::Send(endpoint, self.releases.hold(request)),
            Ok(Some(refused)) | Err(refused) => Step::End(Err(refused)),
        }
    }
}

/// The step of a delivery about whose permit Redis has said nothing.
fn unanswered() -> Step {
    Step::End(Err(JobError::retry("the request for a permit was not answered")))
}

fn readiness(queued: &QueuedEvent, breakers: &Breakers, now: DateTime<Utc>) -> Readiness {
    let QueuedEvent { event, backend, waiting_before, .. } = queued;
    if event.state != EventState::Waiting {
        return Readiness::End(Ok(JobOutcome::skip("the event was already processed")));
    }
    let Some(url) = backend.event_url_of(event.kind) else { return Readiness::Unaddressed };
    let endpoint = Endpoint::new(backend.id, url, breakers);
    if let Some(snooze) = endpoint.circuit_open(now) {
        return Readiness::End(Ok(snooze));
    }
    if let Some(after) = order_delay(*waiting_before) {
        let reason = format!("{waiting_before} earlier events of the install are waiting");
        return Readiness::End(Err(JobError::Wait { after, reason }));
    }
    Readiness::Ready(endpoint)
}

/// Delay of an event while this many earlier events of its install wait; `None` if there are none.
fn order_delay(waiting_before: i64) -> Option<Duration> {
    let positions = u32::try_from(waiting_before).unwrap_or_default().min(MAX_RECHECK_POSITIONS);
    (positions > 0).then(|| ORDER_RECHECK_DELAY * positions)
}
