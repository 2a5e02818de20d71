//! Table `jobs`: durable jobs and their leases.
//!
//! A row moves `queued → running → done | dead | cancelled`. A running job is leased to a worker under a fence number,
//! which every claim increments: a worker that lost its lease fails at its next write here, and its transaction is
//! rolled back.

mod attempts;
mod claim;
mod depth;
mod group;
mod operate;
mod relay;

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use flysk_domain::UnknownText;
use flysk_domain::id::JobId;
use flysk_domain::trace::Trace;
use sqlx::QueryBuilder;

use crate::error::unless_duplicate_of;
use crate::listed::{in_few_lengths, push_in};
use crate::{Conn, StoreResult};

pub use attempts::{AttemptOutcome, AttemptRow, EndedAttempt, list_attempts, prune_attempts, record_attempt};
pub use claim::{
    Fence, FormerHolder, Lease, claim, complete, extend_leases, list_expired, list_unlocked, lock_if_owned,
    mark_dead, release, release_unstarted, retry, snooze, steal_expired,
};
pub use depth::{Depth, Slice, count_slice};
pub use group::{Claim, claim_many, complete_many};
pub use operate::{
    JobRow, cancel, cancel_queued, cancel_unstarted, cancel_unstarted_by_key, cancel_waiting, expedite, find,
    list, list_by_correlation, prune, replace, replay, reschedule,
};
pub use relay::{
    DueJob, WaitingJob, defer_push, list_by_tenant, list_by_tenant_after, list_by_tenant_from, list_deferred,
    list_due, mark_pushed, push_again, push_when_due,
};

#[derive(sqlx::FromRow)]
struct IdRow {
    #[sqlx(try_from = "String")]
    id: JobId,
}

/// Progress of a job; stored as text.
#[derive(strum::Display, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case", parse_err_ty = UnknownText, parse_err_fn = UnknownText::of::<Self>)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JobState {
    /// Waits for its time or for a worker.
    Queued,
    /// Claimed by a worker.
    Running,
    /// Completed; its effect is committed.
    Done,
    /// Not retried any more; an operator may replay it.
    Dead,
    /// Cancelled by an operator or by newer work.
    Cancelled,
}

/// A job to be inserted.
#[derive(Debug)]
pub struct NewJob<'a> {
    /// Id of the job; also the id of its wake-up in Redis.
    pub id: JobId,
    /// Kind from the catalogue, `calls.fetch_recording`.
    pub kind: &'a str,
    /// Queue whose workers take it.
    pub queue: &'a str,
    /// 0 runs first.
    pub priority: u8,
    /// Payload as JSON: ids, not data.
    pub payload: &'a serde_json::Value,
    /// Maximum number of attempts.
    pub max_attempts: u32,
    /// Earliest start.
    pub run_at: DateTime<Utc>,
    /// When a relay pushes its wake-up to Redis. Once the job has ended, the column is the time of the end.
    pub push_at: DateTime<Utc>,
    /// Dedup key, unique per kind among waiting jobs.
    pub dedup_key: Option<&'a str>,
    /// Tenant of the job, for fairness.
    pub tenant: Option<&'a str>,
    /// Correlation with the request that causes the job.
    pub trace: &'a Trace,
    /// Time of the insertion, by the caller's clock.
    pub created_at: DateTime<Utc>,
}

/// Inserts a job; `false` if one of the same kind and dedup key waits already.
pub async fn insert(conn: &mut Conn, job: &NewJob<'_>) -> StoreResult<bool> {
    let inserted = sqlx::query(
        "INSERT INTO jobs (id, kind, queue, priority, payload, state, max_attempts, run_at, push_at, dedup_key,
                           waiting_key, tenant, correlation_id, traceparent, created_at)
         VALUES (?, ?, ?, ?, ?, 'queued', ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    )
    .bind(job.id.to_string())
    .bind(job.kind)
    .bind(job.queue)
    .bind(job.priority)
    .bind(sqlx::types::Json(job.payload))
    .bind(job.max_attempts)
    .bind(job.run_at)
    .bind(job.push_at)
    .bind(job.dedup_key)
    .bind(job.dedup_key)
    .bind(job.tenant)
    .bind(&job.trace.correlation_id)
    .bind(job.trace.traceparent.as_deref())
    .bind(job.created_at)
    .execute(conn)
    .await;
    unless_duplicate_of(inserted, "jobs_waiting_key")
}

/// Which of these dedup keys have a job of the kind that waits. Locks none of them.
pub async fn list_waiting_keys(
    conn: &mut Conn,
    kind: &str,
    dedup_keys: &[String],
) -> StoreResult<BTreeSet<String>> {
    if dedup_keys.is_empty() {
        return Ok(BTreeSet::new());
    }
    let mut query =
        QueryBuilder::new("SELECT waiting_key FROM jobs FORCE INDEX (jobs_waiting_key) WHERE kind = ");
    query.push_bind(kind.to_owned()).push(" AND waiting_key");
    push_in(&mut query, dedup_keys.iter().cloned());
    let waiting: Vec<String> = query.build_query_scalar().fetch_all(conn).await?;
    Ok(waiting.into_iter().collect())
}

/// Inserts jobs, except those of whose kind and dedup key one waits already: those are left out.
///
/// The row of a job that is met by its key is locked until the transaction ends, so that a claim leaves it out, or deadlocks. The
/// caller leaves out those of [`list_waiting_keys`].
pub async fn insert_many(conn: &mut Conn, jobs: &[NewJob<'_>]) -> StoreResult<()> {
    for rows in in_few_lengths(jobs) {
        let mut query = QueryBuilder::new(
            "INSERT INTO jobs (id, kind, queue, priority, payload, state, max_attempts, run_at, push_at, dedup_key,
                               waiting_key, tenant, correlation_id, traceparent, created_at) ",
        );
        query.push_values(rows, |mut row, job| {
            row.push_bind(job.id.to_string())
                .push_bind(job.kind)
                .push_bind(job.queue)
                .push_bind(job.priority)
                .push_bind(sqlx::types::Json(job.payload))
                .push_bind("queued")
                .push_bind(job.max_attempts)
                .push_bind(job.run_at)
                .push_bind(job.push_at)
                .push_bind(job.dedup_key)
                .push_bind(job.dedup_key)
                .push_bind(job.tenant)
                .push_bind(&job.trace.correlation_id)
                .push_bind(job.trace.traceparent.as_deref())
                .push_bind(job.created_at);
        });
        // Ids are new, so a row that is there already has the dedup key.
        query.push(" ON DUPLICATE KEY UPDATE id = id");
        query.build().execute(&mut *conn).await?;
    }
    Ok(())
}
