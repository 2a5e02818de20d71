//! Reads and ends of deliveries, many at once: deliveries that run at the same time share statements, and a flush.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use flysk_domain::id::{EventId, WidgetId};
use flysk_domain::platform::breaker::Breaker;
use flysk_domain::trace::Trace;
use flysk_jobs::platform::lifecycle::DeliverEvent;
use flysk_queue::{Outbox, UnitOfWork};
use flysk_store::group_commit::{CommitGroup, GroupCommit, clone_error};
use flysk_store::platform::attempts::{self, Attempt, NewAttempt};
use flysk_store::platform::endpoints;
use flysk_store::platform::events::{self, Event, EventState};
use flysk_store::platform::widgets::{self, Widget};
use flysk_store::{Pool, StoreError, StoreResult, repeat_while};

/// Deliveries that share a read or a transaction.
const MAX_GROUP_LEN: usize = 64;

/// Groups of deliveries of this process. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Deliveries {
    reads: GroupCommit<Reads>,
    ends: GroupCommit<Ends>,
}

/// An event to be delivered, with what its delivery needs.
#[derive(Debug, Clone)]
pub(super) struct QueuedDelivery {
    pub(super) event: Event,
    /// Number of earlier events of the install that still wait.
    pub(super) waiting_before: i64,
    /// The event's widget, if it exists.
    pub(super) widget: Option<Arc<Widget>>,
    /// Circuit breakers of endpoints that have failed, of this widget and others.
    failing: Arc<HashMap<endpoints::Endpoint, Breaker>>,
}

impl QueuedDelivery {
    /// The circuit breaker of an endpoint.
    pub(super) fn breaker(&self, endpoint: &endpoints::Endpoint) -> Breaker {
        self.failing.get(endpoint).copied().unwrap_or_default()
    }
}

/// A delivery that ended with its attempt.
#[derive(Debug)]
pub(super) struct EndedDelivery {
    /// The event as the delivery read it.
    pub(super) event: Event,
    pub(super) log: Attempt,
    /// The state of the event from now on.
    pub(super) state: EventState,
    /// Trace of the delivery's job.
    pub(super) trace: Trace,
}

impl Deliveries {
    /// Groups that use the pool of `outbox`.
    pub(crate) fn new(outbox: &Outbox) -> Self {
        Self {
            reads: GroupCommit::new(Reads { pool: outbox.pool().clone() }),
            ends: GroupCommit::new(Ends { outbox: outbox.clone() }),
        }
    }

    /// Reads an event, its widget and the circuit breakers, after this call began; `None` if the event is gone.
    pub(super) async fn read(&self, event: EventId) -> StoreResult<Option<QueuedDelivery>> {
        self.reads.submit((), event).await
    }

    /// Logs the attempt, ends the event and lets the next event of its install go, in one transaction.
    ///
    /// # Errors
    ///
    /// [`flysk_store::StoreError::WrongState`] with [`events::WAITING_EVENT`]: another run recorded the delivery.
    pub(super) async fn end(&self, ended: EndedDelivery) -> StoreResult<()> {
        self.ends.submit((), ended).await?
    }
}

struct Reads {
    pool: Pool,
}

impl CommitGroup for Reads {
    type Key = ();
    type Item = EventId;
    type Outcome = Option<QueuedDelivery>;

    const MAX_GROUP_LEN: usize = MAX_GROUP_LEN;

    async fn commit(&self, (): (), ids: &[EventId]) -> StoreResult<Vec<Option<QueuedDelivery>>> {
        let mut conn = self.pool.acquire().await?;
        let queued = events::list_queued(&mut conn, ids).await?;
        let of_widgets: BTreeSet<WidgetId> = queued.iter().map(|one| one.event.widget_id).collect();
        let of_widgets: Vec<WidgetId> = of_widgets.into_iter().collect();
        let widgets = widgets::list_by_ids(&mut conn, &of_widgets).await?;
        let widgets: HashMap<WidgetId, Arc<Widget>> =
            widgets.into_iter().map(|widget| (widget.id, Arc::new(widget))).collect();
        let failing = endpoints::list_failing(&mut conn, &of_widgets).await?;
        let failing: Arc<HashMap<endpoints::Endpoint, Breaker>> = Arc::new(failing.into_iter().collect());
        let deliveries = queued.into_iter().map(|one| {
            let widget = widgets.get(&one.event.widget_id).cloned();
            let (id, failing) = (one.event.id, Arc::clone(&failing));
            let (event, waiting_before) = (one.event, one.waiting_before);
            (id, QueuedDelivery { event, waiting_before, widget, failing })
        });
        let deliveries: HashMap<EventId, QueuedDelivery> = deliveries.collect();
        Ok(ids.iter().map(|id| deliveries.get(id).cloned()).collect())
    }
}

struct Ends {
    outbox: Outbox,
}

impl CommitGroup for Ends {
    type Key = ();
    type Item = EndedDelivery;
    type Outcome = StoreResult<()>;

    const MAX_GROUP_LEN: usize = MAX_GROUP_LEN;

    /// Records deliveries one by one if a row stays locked: the events of the others would be sent again. No locked row is waited for
    /// a second time: with a few of them, the group would reach its time limit, and so would the deliveries behind it.
    async fn commit(&self, (): (), ended: &[EndedDelivery]) -> StoreResult<Vec<StoreResult<()>>> {
        match self.record(ended).await {
            Ok(()) => Ok(ended.iter().map(|_| Ok(())).collect()),
            Err(conflict @ StoreError::Conflict(_)) => {
                let mut outcomes = Vec::with_capacity(ended.len());
                for one in ended {
                    let recorded = self.record_if_unlocked(one).await;
                    outcomes.push(recorded.and_then(|is_recorded| {
                        if is_recorded { Ok(()) } else { Err(clone_error(&conflict)) }
                    }));
                }
                Ok(outcomes)
            }
            Err(error) => Err(error),
        }
    }
}

impl Ends {
    /// Repeats lost races, because a retried handler would send the events again.
    async fn record(&self, ended: &[EndedDelivery]) -> StoreResult<()> {
        repeat_while(StoreError::is_lost_race, || async {
            let Some(first) = ended.first() else { return Ok(()) };
            let unit = self.outbox.begin(first.trace.clone()).await?;
            write(unit, ended).await
        })
        .await
    }

    /// Records a delivery; `false` if another transaction has locked its event, or the event is gone.
    async fn record_if_unlocked(&self, ended: &EndedDelivery) -> StoreResult<bool> {
        repeat_while(StoreError::is_lost_race, || async {
            let mut unit = self.outbox.begin(ended.trace.clone()).await?;
            if !events::lock_if_unlocked(&mut unit, ended.event.id).await? {
                return Ok(false);
            }
            write(unit, std::slice::from_ref(ended)).await?;
            StoreResult::Ok(true)
        })
        .await
    }
}

/// Writes the ends of deliveries and commits.
async fn write(mut unit: UnitOfWork, ended: &[EndedDelivery]) -> StoreResult<()> {
    let now = unit.now();
    for state in [EventState::Delivered, EventState::Refused] {
        let mut by_attempt: BTreeMap<u32, Vec<EventId>> = BTreeMap::new();
        for one in ended.iter().filter(|one| one.state == state) {
            by_attempt.entry(one.log.attempt).or_default().push(one.event.id);
        }
        for (attempt, ids) in by_attempt {
            events::end_attempted(&mut unit, &ids, attempt, state, now).await?;
        }
    }
    let logs: Vec<NewAttempt<'_>> = ended.iter().map(log_of).collect();
    attempts::insert_all(&mut unit, &logs).await?;
    let ids: Vec<EventId> = ended.iter().map(|one| one.event.id).collect();
    let by_event: HashMap<EventId, &EndedDelivery> = ended.iter().map(|one| (one.event.id, one)).collect();
    for (before, next) in events::list_next_waiting(&mut unit, &ids).await? {
        let Some(before) = by_event.get(&before) else { continue };
        unit.set_trace(before.trace.clone());
        unit.enqueue_or_expedite(&DeliverEvent::new(before.event.widget_id, next)).await?;
    }
    unit.commit().await
}

fn log_of(ended: &EndedDelivery) -> NewAttempt<'_> {
    let EndedDelivery { event, log, .. } = ended;
    NewAttempt { widget_id: event.widget_id, event_id: event.id, attempt: log }
}
