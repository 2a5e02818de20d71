//! Claims and ends of many jobs by few statements.
//!
//! Lists are in the order of the primary key, so that two groups with common rows wait for each other and do not deadlock.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use flysk_domain::id::JobId;

use super::IdRow;
use super::claim::{LEASE_COLUMNS, Lease, LeaseRow, truncate_note};
use crate::error::expect_rows;
use crate::listed::push_in;
use crate::sql_text::sql;
use crate::{Conn, StoreResult};

/// A job to be claimed with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claim {
    /// Row of `jobs`.
    pub job: JobId,
    /// Whether it starts as soon as it is claimed. Otherwise it is claimed ahead.
    pub starts_now: bool,
}

#[derive(sqlx::FromRow)]
struct ClaimableRow {
    #[sqlx(flatten)]
    lease: LeaseRow,
    started_at: Option<DateTime<Utc>>,
}

impl ClaimableRow {
    /// Whether the job may be claimed before it can start. If the worker dies meanwhile, the attempt is released, even if the
    /// job had begun; one with a single attempt must not begin twice. A job that has been started may have killed its worker.
    fn may_be_claimed_ahead(&self) -> bool {
        self.started_at.is_none() && self.lease.attempt == 0 && self.lease.max_attempts > 1
    }

    /// The lease after the claim.
    fn claimed(mut self, starts_now: bool) -> Lease {
        self.lease.attempt += 1;
        self.lease.fence += 1;
        self.lease.ahead_fence = (!starts_now).then_some(self.lease.fence);
        Lease { never_started: self.started_at.is_none(), ..self.lease.into() }
    }
}

/// Claims due, waiting jobs for `owner` until `until` and counts the attempts; returns the leases, in no order. To be called
/// in a transaction of its own.
///
/// Not claimed are jobs that cannot be, jobs whose row another transaction has locked (they delay nobody), and of the jobs to
/// be claimed ahead those that have been started before or have a single attempt. Jobs that are claimed ahead are marked, until
/// they are claimed again.
pub async fn claim_many(
    conn: &mut Conn,
    wanted: &[Claim],
    owner: &str,
    until: DateTime<Utc>,
    now: DateTime<Utc>,
) -> StoreResult<Vec<Lease>> {
    let mut starts_now: BTreeMap<JobId, bool> = BTreeMap::new();
    for claim in wanted {
        *starts_now.entry(claim.job).or_default() |= claim.starts_now;
    }
    if starts_now.is_empty() {
        return Ok(Vec::new());
    }
    let mut lock = sqlx::QueryBuilder::new(sql!(
        "SELECT ",
        LEASE_COLUMNS,
        ", started_at FROM jobs FORCE INDEX (PRIMARY) WHERE state = 'queued' AND run_at <= "
    ));
    lock.push_bind(now).push(" AND id");
    push_in(&mut lock, starts_now.keys().map(ToString::to_string));
    lock.push(" FOR UPDATE SKIP LOCKED");
    let rows: Vec<ClaimableRow> = lock.build_query_as().fetch_all(&mut *conn).await?;
    let claimed = |row: ClaimableRow| {
        let starts_now = starts_now.get(&row.lease.id) == Some(&true);
        (starts_now || row.may_be_claimed_ahead()).then(|| row.claimed(starts_now))
    };
    let leases: Vec<Lease> = rows.into_iter().filter_map(claimed).collect();
    for is_ahead in [false, true] {
        let taken = leases.iter().filter(|lease| lease.claimed_ahead == is_ahead);
        let taken: Vec<JobId> = taken.map(|lease| lease.fence.job).collect();
        take(conn, &taken, is_ahead, owner, (until, now)).await?;
    }
    Ok(leases)
}

/// Writes the claims of rows that are locked.
async fn take(
    conn: &mut Conn,
    jobs: &[JobId],
    is_ahead: bool,
    owner: &str,
    (until, now): (DateTime<Utc>, DateTime<Utc>),
) -> StoreResult<()> {
    if jobs.is_empty() {
        return Ok(());
    }
    let mut claim = sqlx::QueryBuilder::new("UPDATE jobs FORCE INDEX (PRIMARY) SET ");
    if is_ahead {
        claim.push("ahead_fence = fence + 1, ");
    }
    claim.push(
        "state = 'running', attempt = attempt + 1, fence = fence + 1, waiting_key = NULL, lease_owner = ",
    );
    claim.push_bind(owner).push(", lease_until = ").push_bind(until);
    claim.push(", started_at = ").push_bind(now).push(" WHERE id");
    push_in(&mut claim, jobs.iter().map(ToString::to_string));
    let taken = claim.build().execute(conn).await?;
    expect_rows(&taken, jobs.len(), "job")
}

/// Marks the running jobs `jobs` with the fence number `number` as done; returns those that are.
///
/// Jobs whose fence has changed are missing. Those that an earlier call has ended under this fence are not: its response may
/// have been lost. Jobs of different fence numbers need a call each, because a list of pairs would be compared row by row;
/// nearly all jobs are in their first claim.
pub async fn complete_many(
    conn: &mut Conn,
    number: u64,
    jobs: &[JobId],
    note: Option<&str>,
    now: DateTime<Utc>,
) -> StoreResult<BTreeSet<JobId>> {
    let jobs: BTreeSet<JobId> = jobs.iter().copied().collect();
    if jobs.is_empty() {
        return Ok(jobs);
    }
    let mut end =
        sqlx::QueryBuilder::new("UPDATE jobs FORCE INDEX (PRIMARY) SET state = 'done', finished_at = ");
    end.push_bind(now).push(", push_at = ").push_bind(now);
    end.push(", lease_until = NULL, last_error = ").push_bind(note.map(truncate_note));
    end.push(" WHERE state = 'running' AND fence = ").push_bind(number).push(" AND id");
    push_in(&mut end, jobs.iter().map(ToString::to_string));
    let ended = end.build().execute(&mut *conn).await?;
    if usize::try_from(ended.rows_affected()) == Ok(jobs.len()) {
        return Ok(jobs);
    }
    let mut read = sqlx::QueryBuilder::new(
        "SELECT id FROM jobs FORCE INDEX (PRIMARY) WHERE state = 'done' AND fence = ",
    );
    read.push_bind(number).push(" AND id");
    push_in(&mut read, jobs.iter().map(ToString::to_string));
    let done: Vec<IdRow> = read.build_query_as().fetch_all(conn).await?;
    Ok(done.into_iter().map(|row| row.id).collect())
}
