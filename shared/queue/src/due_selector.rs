//! Selection of due jobs by a relay: by priority, then fair between tenants. The number of rows that it reads does not
//! depend on the number of jobs that wait.
//!
//! As long as fewer than [`WINDOW_SIZE`] jobs are due, one statement reads all of them. More are a backlog. Then the
//! waiting jobs of each queue are read by tenant: at most [`TENANT_BATCH_SIZE`] jobs of a tenant, and the next tenant begins where
//! its jobs begin in the index.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use flysk_store::jobs::{self, WaitingJob};
use flysk_store::{Conn, StoreResult};

/// Due jobs of all queues that one statement reads.
const WINDOW_SIZE: u32 = 1_000;

/// Rows that one statement reads, and so the maximum number of jobs of one tenant in a selection.
const TENANT_BATCH_SIZE: u32 = 500;

/// Statements per queue and selection that begin with the highest priority.
const FIRST_STATEMENTS: usize = 4;

/// Statements per queue and selection that continue where the last selection stopped, if the first ones do not reach the
/// end. So every tenant is reached after a number of selections.
const FURTHER_STATEMENTS: usize = 4;

/// Selects due jobs. Remembers how far it has read in each queue.
#[derive(Debug, Default)]
pub struct DueSelector {
    resume_at: BTreeMap<String, Position>,
}

impl DueSelector {
    /// Selects due jobs of `queues`, in this order of the queues and at most the given number of each. The jobs of a queue
    /// are in the order in which a relay pushes them: by priority, then round-robin across tenants, then by time.
    pub async fn select(
        &mut self,
        conn: &mut Conn,
        queues: &[(&str, usize)],
        now: DateTime<Utc>,
    ) -> StoreResult<Vec<Vec<WaitingJob>>> {
        let window = jobs::list_due(conn, now, WINDOW_SIZE).await?;
        let has_backlog = window.len() >= WINDOW_SIZE as usize;
        let mut selected = Vec::with_capacity(queues.len());
        for &(queue, limit) in queues {
            let mut due: Vec<WaitingJob> = window.iter().filter(|job| job.queue == queue).cloned().collect();
            if has_backlog {
                due.extend(self.read_by_tenant(conn, queue, limit, now).await?);
            }
            selected.push(fair_order(due, limit));
        }
        Ok(selected)
    }

    /// Due jobs of a queue: the first ones of as many tenants as the statements reach.
    async fn read_by_tenant(
        &mut self,
        conn: &mut Conn,
        queue: &str,
        limit: usize,
        now: DateTime<Utc>,
    ) -> StoreResult<Vec<WaitingJob>> {
        let mut reading = Reading { queue, limit, now, found: Vec::new() };
        let stopped = reading.run(conn, Position::Priority(0), FIRST_STATEMENTS).await?;
        if let Some(stopped) = stopped {
            let from = self.resume_at.remove(queue).unwrap_or(stopped);
            if let Some(stopped) = reading.run(conn, from, FURTHER_STATEMENTS).await? {
                self.resume_at.insert(queue.to_owned(), stopped);
            }
        }
        Ok(reading.found)
    }
}

/// A position among the waiting jobs of a queue, which are sorted by priority, tenant and time.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Position {
    /// The first job of this or a later priority.
    Priority(u8),
    /// The first job of this tenant or a later one, within the priority. The empty text is the first tenant.
    From(u8, String),
    /// The first job of a later tenant, within the priority.
    After(u8, String),
}

impl Position {
    /// The priority of the next job, or a higher number.
    const fn priority(&self) -> u8 {
        match self {
            Self::Priority(priority) | Self::From(priority, _) | Self::After(priority, _) => *priority,
        }
    }

    /// The position after all that a statement from here can read; `None` if nothing follows.
    fn after_all(&self) -> Option<Self> {
        match self {
            Self::Priority(_) => None,
            Self::From(priority, _) | Self::After(priority, _) => priority.checked_add(1).map(Self::Priority),
        }
    }
}

/// A reading of a queue, tenant by tenant.
struct Reading<'a> {
    queue: &'a str,
    /// Number of jobs that are wanted.
    limit: usize,
    now: DateTime<Utc>,
    found: Vec<WaitingJob>,
}

impl Reading<'_> {
    /// Executes at most this number of statements. Returns where it stopped, or `None` at the end and when enough jobs of
    /// higher priority were found.
    async fn run(
        &mut self,
        conn: &mut Conn,
        from: Position,
        statements: usize,
    ) -> StoreResult<Option<Position>> {
        let mut position = from;
        for _ in 0..statements {
            let before = self.found.iter().filter(|job| job.priority < position.priority()).count();
            if before >= self.limit {
                return Ok(None);
            }
            let mut rows = self.read(conn, &position).await?;
            let next = keep_whole_tenants(&position, &mut rows, TENANT_BATCH_SIZE as usize);
            self.found.extend(rows.into_iter().filter(|job| job.push_at <= self.now));
            match next {
                Some(next) => position = next,
                None => return Ok(None),
            }
        }
        Ok(Some(position))
    }

    async fn read(&self, conn: &mut Conn, position: &Position) -> StoreResult<Vec<WaitingJob>> {
        match position {
            Position::Priority(priority) => {
                jobs::list_by_tenant(conn, self.queue, *priority, TENANT_BATCH_SIZE).await
            }
            Position::From(priority, tenant) => {
                jobs::list_by_tenant_from(conn, self.queue, *priority, tenant, TENANT_BATCH_SIZE).await
            }
            Position::After(priority, tenant) => {
                jobs::list_by_tenant_after(conn, self.queue, *priority, tenant, TENANT_BATCH_SIZE).await
            }
        }
    }
}

/// Decides where to go on after `rows` were read at `position` with the limit `asked`. If the last tenant's jobs may be
/// cut, they are removed and read again from their beginning; unless they are all that was read: then the tenant has had
/// its turn.
fn keep_whole_tenants(position: &Position, rows: &mut Vec<WaitingJob>, asked: usize) -> Option<Position> {
    if rows.len() < asked {
        return position.after_all();
    }
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return position.after_all() };
    let (priority, tenant) = (last.priority, last.tenant.clone());
    let is_single = first.priority == priority && first.tenant == tenant;
    if !is_single {
        rows.retain(|job| job.priority != priority || job.tenant != tenant);
    }
    Some(match (tenant, is_single) {
        (None, false) => Position::Priority(priority),
        (None, true) => Position::From(priority, String::new()),
        (Some(tenant), false) => Position::From(priority, tenant),
        (Some(tenant), true) => Position::After(priority, tenant),
    })
}

/// Orders jobs by priority, then round-robin across tenants, then by time, and keeps the first `limit`. A job without
/// a tenant is a tenant of its own.
fn fair_order(mut jobs: Vec<WaitingJob>, limit: usize) -> Vec<WaitingJob> {
    jobs.sort_by_key(|job| (job.priority, job.push_at, job.id));
    jobs.dedup_by_key(|job| job.id);
    let mut taken: HashMap<(u8, String), usize> = HashMap::new();
    let mut rounds: Vec<(usize, WaitingJob)> = jobs
        .into_iter()
        .map(|job| {
            let round = job.tenant.clone().map_or(0, |tenant| {
                let taken = taken.entry((job.priority, tenant)).or_default();
                *taken += 1;
                *taken - 1
            });
            (round, job)
        })
        .collect();
    rounds.sort_by_key(|(round, job)| (job.priority, *round));
    rounds.into_iter().take(limit).map(|(_, job)| job).collect()
}

#[cfg(test)]
mod tests {
    use flysk_domain::id::JobId;

    use super::*;

    /// A job that is due at second `second`; the number is its id.
    fn job(number: u32, priority: u8, tenant: &str, second: i64) -> WaitingJob {
        WaitingJob {
            id: format!("job_{number:026}").parse::<JobId>().unwrap(),
            queue: "calls".to_owned(),
            priority,
            tenant: (!tenant.is_empty()).then(|| tenant.to_owned()),
            push_at: DateTime::from_timestamp(1_793_000_000 + second, 0).unwrap(),
        }
    }

    fn numbers(jobs: &[WaitingJob]) -> Vec<u32> {
        jobs.iter().map(|job| job.id.to_string().trim_start_matches("job_").parse().unwrap()).collect()
    }

    #[test]
    fn jobs_are_ordered_by_priority_then_tenants_take_turns() {
        let jobs = vec![
            job(1, 1, "a", 1),
            job(2, 1, "a", 2),
            job(3, 1, "a", 3),
            job(4, 1, "b", 9),
            job(5, 1, "", 8),
            job(6, 1, "", 7),
            job(7, 0, "a", 9),
            job(1, 1, "a", 1),
        ];
        assert_eq!(numbers(&fair_order(jobs.clone(), 100)), [7, 1, 6, 5, 4, 2, 3]);
        assert_eq!(numbers(&fair_order(jobs, 3)), [7, 1, 6], "a job that was read twice counts once");
    }

    #[test]
    fn a_reading_goes_on_with_the_tenant_whose_jobs_may_be_cut() {
        let start = Position::Priority(0);
        let mut rows = vec![job(1, 0, "a", 1), job(2, 1, "a", 1), job(3, 1, "a", 2)];
        assert_eq!(keep_whole_tenants(&start, &mut rows, 3), Some(Position::From(1, "a".to_owned())));
        assert_eq!(numbers(&rows), [1]);
        let mut rows = vec![job(1, 0, "a", 1), job(2, 1, "", 1)];
        assert_eq!(keep_whole_tenants(&start, &mut rows, 2), Some(Position::Priority(1)));
        assert_eq!(numbers(&rows), [1]);
    }

    #[test]
    fn a_tenant_that_fills_a_statement_has_had_its_turn() {
        let from = Position::From(1, "a".to_owned());
        let mut rows = vec![job(1, 1, "a", 1), job(2, 1, "a", 2)];
        assert_eq!(keep_whole_tenants(&from, &mut rows, 2), Some(Position::After(1, "a".to_owned())));
        assert_eq!(numbers(&rows), [1, 2]);
        let mut rows = vec![job(1, 1, "", 1), job(2, 1, "", 2)];
        let next = keep_whole_tenants(&Position::Priority(1), &mut rows, 2);
        assert_eq!(next, Some(Position::From(1, String::new())), "tenants follow the jobs without one");
    }

    #[test]
    fn after_the_last_tenant_of_a_priority_the_next_priority_follows() {
        let mut rows = vec![job(1, 1, "a", 1)];
        let tenants = Position::After(1, "a".to_owned());
        assert_eq!(keep_whole_tenants(&tenants, &mut rows, 2), Some(Position::Priority(2)));
        assert_eq!(keep_whole_tenants(&Position::Priority(1), &mut rows, 2), None);
        assert_eq!(keep_whole_tenants(&Position::Priority(2), &mut Vec::new(), 2), None);
        assert_eq!(Position::From(u8::MAX, "a".to_owned()).after_all(), None);
    }
}
