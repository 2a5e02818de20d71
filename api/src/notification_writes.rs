//! Writes of T-Bank's notifications: those that wait for the database share a transaction, which is flushed before they are
//! answered. The bank sends two of every charge at the same time, and charges many cards in the same minutes.

use flysk_domain::trace::Trace;
use flysk_jobs::platform::billing::ApplyTbankNotification;
use flysk_queue::Outbox;
use flysk_store::group_commit::{CommitGroup, GroupCommit};
use flysk_store::platform::purchases::{self, NotificationRow};
use flysk_store::{StoreResult, answered, repeat_contended};

/// A verified notification that is to be stored.
#[derive(Debug)]
pub(crate) struct Arrived {
    pub(crate) row: NotificationRow,
    /// Trace of the request, for its job.
    pub(crate) trace: Trace,
}

/// Stores notifications and enqueues their processing. Clones share the transactions.
#[derive(Debug, Clone)]
pub(crate) struct NotificationWrites {
    groups: GroupCommit<Writes>,
}

impl NotificationWrites {
    /// Writes through `outbox`.
    pub(crate) fn new(outbox: Outbox) -> Self {
        Self { groups: GroupCommit::new(Writes { outbox }) }
    }

    /// Returns when the notification and the job that applies it are durable; `false` if it was stored before.
    pub(crate) async fn store(&self, arrived: Arrived) -> StoreResult<bool> {
        self.groups.submit((), arrived).await
    }
}

struct Writes {
    outbox: Outbox,
}

impl CommitGroup for Writes {
    type Key = ();
    type Item = Arrived;
    type Outcome = bool;

    /// As many as a commit wakes workers for.
    const MAX_GROUP_LEN: usize = 64;

    async fn commit(&self, (): (), arrived: &[Arrived]) -> StoreResult<Vec<bool>> {
        repeat_contended(|| answered(self.commit_once(arrived))).await
    }
}

impl Writes {
    async fn commit_once(&self, arrived: &[Arrived]) -> StoreResult<Vec<bool>> {
        let Some(first) = arrived.first() else { return Ok(Vec::new()) };
        let mut unit = self.outbox.begin(first.trace.clone()).await?;
        let mut kept = Vec::with_capacity(arrived.len());
        for Arrived { row, .. } in arrived {
            kept.push(purchases::insert_notification(&mut unit, row).await?);
        }
        let new = arrived.iter().zip(&kept).filter(|(_, is_new)| **is_new).map(|(one, _)| one);
        let jobs: Vec<(ApplyTbankNotification, &Trace)> =
            new.map(|one| (ApplyTbankNotification { notification_id: one.row.id }, &one.trace)).collect();
        let jobs: Vec<_> = jobs.iter().map(|(job, trace)| (job, *trace)).collect();
        unit.enqueue_traced(&jobs).await?;
        unit.commit().await?;
        Ok(kept)
    }
}
