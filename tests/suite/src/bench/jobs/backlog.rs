//! A relay's selection of due jobs for all queues: with an empty table, and with a million waiting jobs of one tenant.

use std::time::Instant;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use flysk_domain::{Clock as _, SystemClock};
use flysk_jobs::queues;
use flysk_queue::DueSelector;
use flysk_store::Conn;

use crate::bench::servers::Servers;
use crate::bench::times::Times;

/// Waiting jobs of one tenant, inserted in batches.
pub(super) const WAITING: u32 = 1_000_000;
const BATCH_SIZE: u32 = 100_000;
/// Other tenants, with one due job each.
pub(super) const QUIET_TENANTS: u32 = 100;
/// Measured selections, after some that are not measured.
const SELECTIONS: usize = 200;
const UNMEASURED_SELECTIONS: usize = 20;
/// Jobs of each queue that a selection is asked for, as a relay does.
const SELECTED_PER_QUEUE: usize = 500;
/// The numbers from 0 to 9, as a table.
const DIGITS: &str = "(SELECT 0 AS d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL \
     SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)";

/// Times of selections with nothing waiting, and with the backlog.
pub(super) struct Selections {
    pub(super) empty: Times,
    pub(super) backlog: Times,
}

/// Measures both in a database of its own, which is emptied afterwards.
pub(super) async fn selections(servers: &Servers) -> anyhow::Result<Selections> {
    let (_, pool) = servers.fresh_database().await?;
    let mut conn = pool.acquire().await?;
    let (empty, _) = measure(&mut conn).await?;
    let due = SystemClock.now();
    for batch in 0..WAITING / BATCH_SIZE {
        insert(&mut conn, batch * BATCH_SIZE, BATCH_SIZE, "'busy'", due).await?;
    }
    insert(&mut conn, WAITING, QUIET_TENANTS, "CONCAT('quiet', nth)", due).await?;
    let (backlog, tenants) = measure(&mut conn).await?;
    let expected = usize::try_from(QUIET_TENANTS)? + 1;
    anyhow::ensure!(tenants == expected, "{tenants} of {expected} tenants are in a selection");
    sqlx::query("TRUNCATE TABLE jobs").execute(&mut *conn).await?;
    Ok(Selections { empty, backlog })
}

/// Inserts jobs of the queue `calls` that are due at `due`; `tenant` is an SQL expression of the number `nth`, from 0.
async fn insert(
    conn: &mut Conn,
    first: u32,
    count: u32,
    tenant: &str,
    due: DateTime<Utc>,
) -> anyhow::Result<()> {
    let due = due.format("%Y-%m-%d %H:%M:%S%.6f");
    let insert = format!(
        "INSERT INTO jobs (id, kind, queue, priority, payload, state, max_attempts, run_at, push_at, tenant, correlation_id,
                           created_at)
         SELECT CONCAT('job_', LPAD({first} + nth, 26, '0')), 'bench.wait', 'calls', 1, '{{}}', 'queued', 3, '{due}', '{due}',
                {tenant}, 'bench', '{due}'
         FROM (SELECT a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 10000 * f.d AS nth
               FROM {DIGITS} AS a, {DIGITS} AS b, {DIGITS} AS c, {DIGITS} AS e, {DIGITS} AS f) AS numbers
         WHERE nth < {count}"
    );
    sqlx::query(sqlx::AssertSqlSafe(insert)).execute(conn).await?;
    Ok(())
}

/// Times of selections, and the number of tenants in the last one.
async fn measure(conn: &mut Conn) -> anyhow::Result<(Times, usize)> {
    let queues: Vec<(&str, usize)> =
        queues::ALL.iter().map(|queue| (queue.as_str(), SELECTED_PER_QUEUE)).collect();
    let mut selector = DueSelector::default();
    let (mut times, mut tenants) = (Vec::with_capacity(SELECTIONS), 0);
    for number in 0..UNMEASURED_SELECTIONS + SELECTIONS {
        let start = Instant::now();
        let selected = selector.select(conn, &queues, SystemClock.now()).await?;
        if number >= UNMEASURED_SELECTIONS {
            times.push(start.elapsed());
        }
        let mut names: Vec<Option<String>> = selected.into_iter().flatten().map(|job| job.tenant).collect();
        names.sort_unstable();
        names.dedup();
        tenants = names.len();
    }
    Ok((Times::new(times).context("nothing was measured")?, tenants))
}
