//! Preparations and ends of deliveries, many at once: deliveries that run at the same time share statements, and a flush.

pub(crate) mod endpoint;
mod pace;
mod permits;
pub(crate) mod preparation;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use flysk_domain::id::{EventId, JobId};
use flysk_domain::trace::Trace;
use flysk_jobs::platform::lifecycle::DeliverEvent;
use flysk_queue::limits::RateLimiter;
use flysk_queue::{Outbox, UnitOfWork};
use flysk_store::group_commit::{CommitGroup, GroupCommit, clone_error};
use flysk_store::platform::attempts::{self, Attempt, NewAttempt};
use flysk_store::platform::events::{self, Event, EventState};
use flysk_store::{StoreError, StoreResult, repeat_while};

use self::pace::{MAX_GROUP_LEN, pause_after};
use self::preparation::{BegunDelivery, Preparations, PreparedDelivery};

/// Groups of deliveries of this process. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Deliveries {
    preparations: GroupCommit<Preparations>,
    ends: GroupCommit<Ends>,
}

/// A delivery that ended with its attempt.
#[derive(Debug)]
pub(crate) struct EndedDelivery {
    /// The event as the delivery read it.
    pub(crate) event: Event,
    pub(crate) log: Attempt,
    /// The state of the event from now on.
    pub(crate) state: EventState,
    /// Trace of the delivery's job.
    pub(crate) trace: Trace,
}

impl Deliveries {
    /// Groups that use the pool of `outbox`.
    pub(crate) fn new(outbox: &Outbox, limits: &RateLimiter) -> Self {
        Self {
            preparations: GroupCommit::new(Preparations::new(outbox, limits)),
            ends: GroupCommit::new(Ends { outbox: outbox.clone() }),
        }
    }

    /// Reads an event and its backend, after this call began, and acquires the endpoint's permit for `job` if the event may be sent
    /// now. `None` if the event or its widget is gone.
    pub(crate) async fn prepare(&self, event: EventId, job: JobId) -> StoreResult<Option<PreparedDelivery>> {
        self.preparations.submit((), BegunDelivery { event, job }).await
    }

    /// Logs the attempt, ends the event and lets the next event of its install go, in one transaction.
    ///
    /// # Errors
    ///
    /// [`flysk_store::StoreError::WrongState`] with [`events::WAITING_EVENT`]: another run recorded the delivery.
    pub(crate) async fn end(&self, ended: EndedDelivery) -> StoreResult<()> {
        self.ends.submit((), ended).await?
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
    const GATHERS_FIRST: bool = true;

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

    fn pause_after(len: usize) -> Duration {
        pause_after(len)
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
