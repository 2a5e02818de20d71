//! Deletion in pieces: short statements with pauses between them, so that nothing waits for them, and short runs, so that a
//! stopping worker does not wait either.
//!
//! A run that has not finished is snoozed and continues at once. Its tables take turns, and each run begins with another one, so
//! that those with millions of old rows do not keep the others waiting. Nor does one that cannot be deleted from.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use flysk_queue::{JobContext, JobError, JobOutcome};
use flysk_store::retention::Pruning;

const RUN_TIME: Duration = Duration::from_secs(15);
/// Time slice of a table before the others have theirs, seconds.
const SLICE_SECONDS: u32 = 3;
/// Longest pause after a statement.
const MAX_PAUSE: Duration = Duration::from_secs(1);
/// A statement that took longer than [`PieceSize::LONG`] is followed by a pause of this many times its duration: the server has to
/// write pages before it can change others, and further deletions would only wait for that, as would everybody else.
const PAUSE_FACTOR_WHEN_SLOW: u32 = 4;

/// Number of rows that are deleted at once: as many as take a short time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct PieceSize(u32);

impl PieceSize {
    /// Small, because nothing is known about the table yet.
    const FIRST: Self = Self(50);
    const MIN: u32 = 10;
    const MAX: u32 = 500;
    /// A piece that took less is followed by a larger one, a piece that took more by a smaller one.
    const SHORT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_millis(50);

    /// A piece that took more is followed by one of the smallest size.
    const MUCH_TOO_LONG: Duration = Duration::from_millis(100);

    /// The size after a piece that took this long.
    fn after(self, took: Duration) -> Self {
        if took < Self::SHORT {
            Self(self.0.saturating_mul(2).min(Self::MAX))
        } else if took > Self::MUCH_TOO_LONG {
            Self(Self::MIN)
        } else if took > Self::LONG {
            Self((self.0 / 2).max(Self::MIN))
        } else {
            self
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct RunTime {
    end: Instant,
}

impl RunTime {
    /// The time of a run that begins now.
    pub(super) fn start() -> Self {
        Self { end: Instant::now() + RUN_TIME }
    }

    /// Whether the run has to end.
    pub(super) fn is_over(self) -> bool {
        Instant::now() >= self.end
    }
}

/// Waits as long as a statement took, so that others have their turn at the database, and longer if it was slow.
pub(super) async fn pause_after(took: Duration) {
    tokio::time::sleep(pause_length(took)).await;
}

fn pause_length(took: Duration) -> Duration {
    let pause = if took > PieceSize::LONG { took * PAUSE_FACTOR_WHEN_SLOW } else { took };
    pause.min(MAX_PAUSE)
}

/// Deletes what is out of its time at `now`; `false` if the time of the run was over before everything was deleted.
///
/// # Errors
///
/// The first one, after the other tables have had their turns.
pub(super) async fn prune(
    run: &JobContext,
    time: RunTime,
    prunings: Vec<Pruning>,
    now: DateTime<Utc>,
) -> Result<bool, JobError> {
    let (mut open, mut failed) = (rotated(prunings, now), None);
    loop {
        let mut unfinished = Vec::new();
        for pruning in open {
            if time.is_over() {
                unfinished.push(pruning);
                continue;
            }
            match prune_slice(run, time, pruning, now).await {
                Ok(true) => {}
                Ok(false) => unfinished.push(pruning),
                Err(error) => {
                    tracing::warn!(tables = ?pruning.tables, error = %error, "failed to delete old rows");
                    failed.get_or_insert(error);
                }
            }
        }
        if unfinished.is_empty() || time.is_over() {
            return failed.map_or(Ok(unfinished.is_empty()), Err);
        }
        open = unfinished;
    }
}

/// The tables in the order of a run that begins at `now`: later runs begin with those for which the time of this one does not
/// suffice.
fn rotated<T>(mut tables: Vec<T>, now: DateTime<Utc>) -> Vec<T> {
    let slices = usize::try_from(now.timestamp() / i64::from(SLICE_SECONDS)).unwrap_or_default();
    if let Some(first) = slices.checked_rem(tables.len()) {
        tables.rotate_left(first);
    }
    tables
}

/// Deletes rows of one table until its time slice is over; `true` if none is left.
async fn prune_slice(
    run: &JobContext,
    time: RunTime,
    pruning: Pruning,
    now: DateTime<Utc>,
) -> Result<bool, JobError> {
    let slice_end = Instant::now() + Duration::from_secs(SLICE_SECONDS.into());
    let mut size = PieceSize::FIRST;
    loop {
        let mut conn = run.pool().acquire().await?;
        let start = Instant::now();
        let deleted = pruning.delete_piece(&mut conn, now, size.0).await?;
        let took = start.elapsed();
        drop(conn);
        count(pruning, deleted);
        if deleted < u64::from(size.0) {
            return Ok(true);
        }
        if time.is_over() || Instant::now() >= slice_end {
            return Ok(false);
        }
        size = size.after(took);
        pause_after(took).await;
    }
}

fn count(pruning: Pruning, deleted: u64) {
    if let Some(table) = pruning.tables.first().filter(|_| deleted > 0) {
        metrics::counter!("flysk_pruned_rows_total", "table" => *table).increment(deleted);
    }
}

/// Outcome of a run that has deleted everything, or is to be continued.
pub(super) fn outcome(run: &JobContext, is_finished: bool) -> JobOutcome {
    if is_finished { JobOutcome::Done } else { JobOutcome::snooze(run.now(), "more rows are to be deleted") }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Five tables have a time slice in a run. If all have more old rows than that, the others are next.
    #[test]
    fn every_table_has_its_turn_although_each_has_more_than_can_be_deleted() {
        let slices_per_run = usize::try_from(RUN_TIME.as_secs() / u64::from(SLICE_SECONDS)).unwrap();
        for tables in [1, 5, 12, 33] {
            let runs = (0..tables).step_by(slices_per_run);
            let served: BTreeSet<usize> = runs
                .flat_map(|slice| {
                    let second = 1_793_000_000 + i64::try_from(slice).unwrap() * i64::from(SLICE_SECONDS);
                    let order = rotated((0..tables).collect(), DateTime::from_timestamp(second, 0).unwrap());
                    order.into_iter().take(slices_per_run)
                })
                .collect();
            assert_eq!(served.len(), tables, "of {tables} tables");
        }
        assert!(rotated(Vec::<usize>::new(), DateTime::UNIX_EPOCH).is_empty());
    }

    #[test]
    fn pieces_grow_while_they_are_short_and_shrink_when_they_are_long() {
        let ms = Duration::from_millis;
        let sizes = |took: Duration| {
            let after = |size: &PieceSize| Some(size.after(took));
            std::iter::successors(Some(PieceSize::FIRST), after)
                .map(|size| size.0)
                .take(7)
                .collect::<Vec<_>>()
        };
        assert_eq!(sizes(ms(5)), [50, 100, 200, 400, 500, 500, 500]);
        assert_eq!(sizes(ms(80)), [50, 25, 12, 10, 10, 10, 10]);
        assert_eq!(sizes(ms(300)), [50, 10, 10, 10, 10, 10, 10]);
        assert_eq!(sizes(ms(30)), [50; 7]);
    }

    #[test]
    fn a_slow_database_has_longer_pauses() {
        let pauses = [5, 50, 51, 200, 400].map(|took| pause_length(Duration::from_millis(took)).as_millis());
        assert_eq!(pauses, [5, 50, 204, 800, 1_000]);
    }
}
