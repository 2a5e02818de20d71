//! List of jobs.

use chrono::{DateTime, Utc};
use flysk_domain::TextEnum as _;
use flysk_domain::id::JobId;

use crate::admin::listing::{Keyset, arrange, push_page, push_selection};
use crate::jobs::JobState;
use crate::listed::push_in;
use crate::{Conn, StoreResult, TextColumn};

/// Filter of jobs; `None` selects any.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    /// Keeps rows in this state.
    pub state: Option<JobState>,
    /// Keeps jobs of this queue, by its name: `billing`.
    pub queue: Option<String>,
    /// Kind from the catalogue.
    pub kind: Option<String>,
    /// Tenant: the account.
    pub tenant: Option<String>,
    /// Correlation id of the request that caused the jobs.
    pub correlation: Option<String>,
}

/// Columns of `jobs` that the panel's list shows.
#[derive(Debug, Clone, sqlx::FromRow)]
pub struct JobListRow {
    /// `job_…`, ordered by the time of creation.
    #[sqlx(try_from = "String")]
    pub id: JobId,
    /// Kind from the catalogue.
    pub kind: String,
    /// Name of the queue: `billing`.
    pub queue: String,
    /// `Done`, `Dead` and `Cancelled` are final, unless an operator replays the job.
    #[sqlx(try_from = "TextColumn")]
    pub state: JobState,
    /// Attempts so far.
    pub attempt: u32,
    /// Maximum number of attempts.
    pub max_attempts: u32,
    /// Tenant: the account.
    pub tenant: Option<String>,
    /// Correlation id of the request that caused the job.
    pub correlation_id: String,
    /// Earliest start.
    pub run_at: DateTime<Utc>,
    /// Reason of the last failure, wait or skip.
    pub last_error: Option<String>,
    /// When it was enqueued.
    pub created_at: DateTime<Utc>,
}

/// Ids of the jobs that match, one page of them.
pub async fn ids(conn: &mut Conn, filter: &JobFilter, keyset: &Keyset) -> StoreResult<Vec<String>> {
    let mut query = sqlx::QueryBuilder::new("SELECT ");
    push_selection(&mut query, keyset);
    // Otherwise the servers read all rows of the value by another of its indexes, and sort them.
    match filter {
        JobFilter {
            tenant: None,
            correlation: None,
            kind: Some(_),
            state: None | Some(JobState::Done),
            ..
        } => query.push(" FROM jobs FORCE INDEX (jobs_kind)"),
        // Few jobs are in the other states, and the index of the states has the kinds.
        JobFilter { tenant: None, correlation: None, kind: Some(_), state: Some(_), .. } => {
            query.push(" FROM jobs FORCE INDEX (jobs_due)")
        }
        _ => query.push(" FROM jobs"),
    };
    query.push(" WHERE 1 = 1");
    if let Some(state) = filter.state {
        query.push(" AND state = ").push_bind(state.as_str());
    }
    if let Some(queue) = &filter.queue {
        query.push(" AND queue = ").push_bind(queue.clone());
    }
    if let Some(kind) = &filter.kind {
        query.push(" AND kind = ").push_bind(kind.clone());
    }
    if let Some(tenant) = &filter.tenant {
        query.push(" AND tenant = ").push_bind(tenant.clone());
    }
    if let Some(correlation) = &filter.correlation {
        query.push(" AND correlation_id = ").push_bind(correlation.clone());
    }
    push_page(&mut query, keyset);
    Ok(keyset.in_order(query.build_query_scalar().fetch_all(conn).await?))
}

/// The jobs with these ids, in their order.
pub async fn rows(conn: &mut Conn, ids: &[String]) -> StoreResult<Vec<JobListRow>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let mut query = sqlx::QueryBuilder::new(
        "SELECT id, kind, queue, state, attempt, max_attempts, tenant, correlation_id, run_at, last_error, created_at
         FROM jobs WHERE id",
    );
    push_in(&mut query, ids.iter().cloned());
    let rows: Vec<JobListRow> = query.build_query_as().fetch_all(conn).await?;
    Ok(arrange(rows, ids, |row| row.id.to_string()))
}
