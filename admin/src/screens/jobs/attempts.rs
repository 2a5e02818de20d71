//! Attempts of a job: the recorded ones, and the one that the row of the job tells.

use chrono::{DateTime, Utc};
use flysk_store::jobs::{AttemptRow, JobRow, JobState};

use crate::view::{Cell, Labeled as _, Row, Table, Tone};

/// Recorded attempts that the page shows.
pub(super) const ATTEMPTS_SHOWN: u32 = 100;

const HEAD: [&str; 7] = ["Попытка", "Начата", "Закончена", "Шла", "Воркер", "Итог", "Причина"];

/// An attempt in the table.
#[derive(Debug)]
struct Attempt {
    number: u32,
    started_at: Option<DateTime<Utc>>,
    ended_at: Option<DateTime<Utc>>,
    worker: Option<String>,
    outcome: Cell,
    reason: Option<String>,
}

/// The attempts of a job, newest first. `recorded` are those that ended without success, newest first.
pub(super) fn table(job: &JobRow, recorded: Vec<AttemptRow>) -> Table {
    let own = own_attempt(job, recorded.first());
    let recorded = recorded.into_iter().map(|row| Attempt {
        number: row.attempt,
        started_at: row.started_at,
        ended_at: Some(row.ended_at),
        worker: row.worker,
        outcome: row.outcome.cell(),
        reason: row.reason,
    });
    Table::new(&HEAD, own.into_iter().chain(recorded).map(row).collect())
}

/// The attempt that only the row of the job tells: one that runs or succeeded, or one that an earlier release ended.
fn own_attempt(job: &JobRow, newest: Option<&AttemptRow>) -> Option<Attempt> {
    let started_at = job.started_at?;
    let outcome = match (job.state, &job.last_error) {
        (JobState::Queued | JobState::Cancelled, _) => return None,
        (JobState::Dead, _) if newest.is_some_and(|newest| newest.ended_at >= started_at) => return None,
        (JobState::Done, Some(_)) => Cell::state("пропущено", Tone::Quiet),
        (state, _) => state.cell(),
    };
    let has_ended = job.state != JobState::Running;
    Some(Attempt {
        number: job.attempt,
        started_at: Some(started_at),
        ended_at: job.finished_at.filter(|_| has_ended),
        worker: job.lease_owner.clone(),
        outcome,
        // That of a running job is the reason of an earlier attempt.
        reason: job.last_error.clone().filter(|_| has_ended),
    })
}

fn row(attempt: Attempt) -> Row {
    let took = attempt.ended_at.zip(attempt.started_at).map(|(end, start)| (end - start).num_milliseconds());
    Row::plain(vec![
        Cell::number(attempt.number),
        Cell::time(attempt.started_at),
        Cell::time(attempt.ended_at),
        Cell::duration_ms(took),
        Cell::maybe_code(attempt.worker),
        attempt.outcome,
        Cell::maybe(attempt.reason),
    ])
}

#[cfg(test)]
mod tests {
    use flysk_store::jobs::AttemptOutcome;
    use sqlx::types::Json;

    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_796_000_000 + second, 0).expect("a time")
    }

    fn job(state: JobState, last_error: Option<&str>) -> JobRow {
        JobRow {
            id: "job_01KC0000000000000000000000".parse().expect("an id"),
            kind: "calls.settle".to_owned(),
            queue: "calls".to_owned(),
            state,
            payload: Json(serde_json::Value::Null),
            attempt: 2,
            waits: 0,
            max_attempts: 3,
            run_at: at(0),
            lease_owner: Some("worker-1".to_owned()),
            lease_until: None,
            tenant: None,
            correlation_id: "request".to_owned(),
            last_error: last_error.map(str::to_owned),
            created_at: at(0),
            started_at: Some(at(10)),
            finished_at: Some(at(12)),
        }
    }

    fn failed(ended_at: DateTime<Utc>) -> AttemptRow {
        AttemptRow {
            attempt: 1,
            outcome: AttemptOutcome::Failed,
            worker: Some("worker-2".to_owned()),
            started_at: Some(at(1)),
            ended_at,
            reason: Some("status 503".to_owned()),
        }
    }

    #[test]
    fn the_last_attempt_comes_from_the_job_and_the_others_from_their_records() {
        let earlier = failed(at(3));
        for (state, shown) in [
            (JobState::Done, 2),
            (JobState::Running, 2),
            // An earlier release recorded nothing.
            (JobState::Dead, 2),
            (JobState::Queued, 1),
            (JobState::Cancelled, 1),
        ] {
            let table = table(&job(state, None), vec![earlier.clone()]);
            assert_eq!(table.rows.len(), shown, "{state}");
        }
        let recorded = table(&job(JobState::Dead, Some("status 400")), vec![failed(at(12)), earlier]);
        assert_eq!(recorded.rows.len(), 2, "the last attempt is not told twice");
    }
}
