//! Ends of jobs without an effect of their own, written together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use flysk_domain::Clock;
use flysk_domain::id::JobId;
use flysk_store::group_commit::{CommitGroup, GroupCommit, clone_error};
use flysk_store::jobs::{self, Fence};
use flysk_store::{Pool, StoreError, StoreResult, answered, repeat_while};
use tokio::sync::{Semaphore, SemaphorePermit};

/// Maximum number of ends of a process that wait for the database after their jobs have given their run permits back. Their
/// jobs would run again after a crash.
const MAX_ENDS_IN_FLIGHT: usize = 512;

/// Pause after a group of several ends, which are durable by then. Without it, groups would be as small as the time of one commit
/// allows, and a commit costs as much as many ends. Nobody waits for the next ones: their jobs hold no run permits.
const GROUP_PAUSE: Duration = Duration::from_millis(3);

/// Writes ends. A single end is written at once.
pub(super) struct EndGroups {
    groups: GroupCommit<EndCommits>,
    permits: Semaphore,
}

impl EndGroups {
    pub(super) fn new(pool: Pool, clock: Arc<dyn Clock>) -> Self {
        Self {
            groups: GroupCommit::new(EndCommits { pool, clock }),
            permits: Semaphore::new(MAX_ENDS_IN_FLIGHT),
        }
    }

    /// Waits for one of [`MAX_ENDS_IN_FLIGHT`] permits.
    pub(super) async fn reserve(&self) -> Option<SemaphorePermit<'_>> {
        // The semaphore is never closed.
        self.permits.acquire().await.ok()
    }

    /// Marks a job as done, with others of this process. [`StoreError::WrongState`] if the fence has changed.
    pub(super) async fn complete(&self, fence: Fence, note: Option<&str>) -> StoreResult<()> {
        let end = PlainEnd { job: fence.job, note: note.map(str::to_owned) };
        self.groups.submit(fence.number, end).await?
    }
}

/// The end of a job that writes nothing else.
#[derive(Debug)]
struct PlainEnd {
    job: JobId,
    note: Option<String>,
}

#[derive(Debug)]
struct EndCommits {
    pool: Pool,
    clock: Arc<dyn Clock>,
}

/// Groups are of one fence number, which one statement can check.
impl CommitGroup for EndCommits {
    type Key = u64;
    type Item = PlainEnd;
    type Outcome = StoreResult<()>;

    /// Keeps the locks of rows below some tens of milliseconds.
    const MAX_GROUP_LEN: usize = 256;
    /// Handlers whose effects were written together return together.
    const GATHERS_FIRST: bool = true;

    async fn commit(&self, number: u64, ends: &[PlainEnd]) -> StoreResult<Vec<StoreResult<()>>> {
        let mut by_note: BTreeMap<Option<&str>, Vec<JobId>> = BTreeMap::new();
        for end in ends {
            by_note.entry(end.note.as_deref()).or_default().push(end.job);
        }
        let mut written = Written::default();
        for (note, group) in by_note {
            self.write(number, &group, note, &mut written).await?;
        }
        Ok(ends.iter().map(|end| written.outcome(end.job)).collect())
    }

    fn pause_after(len: usize) -> Duration {
        if len > 1 { GROUP_PAUSE } else { Duration::ZERO }
    }
}

impl EndCommits {
    /// Writes the ends of a group, one by one if a row of it stays locked: the others must not wait for that one again.
    async fn write(
        &self,
        number: u64,
        group: &[JobId],
        note: Option<&str>,
        written: &mut Written,
    ) -> StoreResult<()> {
        match self.complete(number, group, note).await {
            Ok(done) => written.done.extend(done),
            Err(conflict @ StoreError::Conflict(_)) if group.len() > 1 => {
                let unlocked = answered(self.list_unlocked(group)).await?;
                for job in group {
                    // What it waits for may last as long again. A job may be named twice.
                    if !unlocked.contains(job) {
                        written.failed.entry(*job).or_insert_with(|| clone_error(&conflict));
                    }
                    if written.failed.contains_key(job) {
                        continue;
                    }
                    match self.complete(number, &[*job], note).await {
                        Ok(done) => written.done.extend(done),
                        Err(error) => drop(written.failed.insert(*job, error)),
                    }
                }
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    async fn list_unlocked(&self, group: &[JobId]) -> StoreResult<BTreeSet<JobId>> {
        jobs::list_unlocked(&mut *self.pool.acquire().await?, group).await
    }

    /// A lost race is repeated; a wait for a lock that reached the session's limit is not, because it may be as long again.
    async fn complete(
        &self,
        number: u64,
        group: &[JobId],
        note: Option<&str>,
    ) -> StoreResult<BTreeSet<JobId>> {
        let complete = || async {
            let mut conn = self.pool.acquire().await?;
            jobs::complete_many(&mut conn, number, group, note, self.clock.now()).await
        };
        repeat_while(StoreError::is_lost_race, || answered(complete())).await
    }
}

/// Results of writing the ends of a group.
#[derive(Default)]
struct Written {
    done: BTreeSet<JobId>,
    failed: BTreeMap<JobId, StoreError>,
}

impl Written {
    fn outcome(&self, job: JobId) -> StoreResult<()> {
        match self.failed.get(&job) {
            Some(error) => Err(clone_error(error)),
            None if self.done.contains(&job) => Ok(()),
            None => Err(StoreError::WrongState { what: "job" }),
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use flysk_domain::ManualClock;
    use sqlx::MySqlPool;
    use sqlx::mysql::MySqlPoolOptions;

    use super::*;
    use crate::job_fixture::insert_job;

    /// Longer than one wait for a lock, 10 s, and shorter than two.
    const ONE_WAIT: Duration = Duration::from_secs(15);

    /// The others wait for the locked row once, with it, and not again.
    #[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
    async fn an_end_whose_row_stays_locked_delays_the_others_once(pool: MySqlPool) {
        let options = MySqlPoolOptions::new().max_connections(2);
        let own = flysk_store::configure_pool(options).connect_with((*pool.connect_options()).clone());
        let own = own.await.unwrap();
        let clock = ManualClock::at(DateTime::from_timestamp(1_793_000_000, 0).unwrap());
        let mut ends = Vec::new();
        for _ in 0..3 {
            let job = insert_job(&pool, &clock, "test.work", clock.now()).await;
            let mut conn = pool.acquire().await.unwrap();
            let claimed = jobs::claim(&mut conn, job, "test", clock.now(), clock.now()).await;
            assert_eq!(claimed.unwrap().unwrap().fence.number, 1);
            ends.push(PlainEnd { job, note: None });
        }
        let mut open = pool.begin().await.unwrap();
        assert!(jobs::lock_if_owned(&mut open, Fence { job: ends[1].job, number: 1 }).await.unwrap());

        let commits = EndCommits { pool: own, clock: Arc::new(clock) };
        let written = tokio::time::timeout(ONE_WAIT, commits.commit(1, &ends)).await;
        let written = written.expect("the locked row was waited for twice").unwrap();
        assert!(written[0].is_ok() && written[2].is_ok(), "{written:?}");
        assert!(matches!(written[1], Err(StoreError::Conflict(_))), "{written:?}");
    }

    /// [`StoreError::WrongState`] would tell the second one that the lease was lost, and the end would not be written again.
    #[test]
    fn a_job_that_is_named_twice_fails_twice() {
        let [failed, done, lost] =
            [1, 2, 3].map(|number| format!("job_{number:026}").parse::<JobId>().unwrap());
        let mut written = Written::default();
        written.failed.insert(failed, StoreError::Conflict(sqlx::Error::PoolTimedOut));
        written.done.insert(done);
        for _ in 0..2 {
            assert!(matches!(written.outcome(failed), Err(StoreError::Conflict(_))));
            assert!(written.outcome(done).is_ok());
            assert!(matches!(written.outcome(lost), Err(StoreError::WrongState { .. })));
        }
    }
}
