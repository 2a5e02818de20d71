//! Selection of due jobs from a backlog: whom it serves, and how many rows the server reads for it.

#![expect(clippy::unwrap_used, reason = "a failing test panics with the reason")]

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use flysk_queue::DueSelector;
use flysk_store::Conn;
use flysk_store::jobs::WaitingJob;
use sqlx::{AssertSqlSafe, MySqlPool, Row as _};

/// Rows that a selection from one queue may read: a window of 1,000, eight statements of 500, and one row after each.
const MAX_ROWS_READ: u64 = 5_010;
/// The numbers from 0 to 9, as a table.
const DIGITS: &str = "(SELECT 0 AS d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL \
     SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)";

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_793_000_000, 0).unwrap()
}

/// Waiting jobs to be inserted.
struct Waiting<'a> {
    /// Number of the first id.
    first: u32,
    /// At most 100,000.
    count: u32,
    priority: u8,
    /// SQL expression of the tenant of the job number `nth`, from 0.
    tenant: &'a str,
    /// When they are due.
    at: DateTime<Utc>,
}

impl Waiting<'_> {
    async fn insert(&self, conn: &mut Conn) {
        let Self { first, count, priority, tenant, .. } = self;
        let at = self.at.format("%Y-%m-%d %H:%M:%S%.6f");
        let insert = format!(
            "INSERT INTO jobs (id, kind, queue, priority, payload, state, max_attempts, run_at, push_at, tenant,
                               correlation_id, created_at)
             SELECT CONCAT('job_', LPAD({first} + nth, 26, '0')), 'test.work', 'calls', {priority}, '{{}}', 'queued', 3,
                    '{at}', '{at}', {tenant}, 'test', '{at}'
             FROM (SELECT a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 10000 * f.d AS nth
                   FROM {DIGITS} AS a, {DIGITS} AS b, {DIGITS} AS c, {DIGITS} AS e, {DIGITS} AS f) AS numbers
             WHERE nth < {count}"
        );
        let inserted = sqlx::query(AssertSqlSafe(insert)).execute(conn).await.unwrap();
        assert_eq!(inserted.rows_affected(), u64::from(*count));
    }
}

/// Rows that the session has read, counted by the server.
async fn rows_read(conn: &mut Conn) -> u64 {
    let counters = sqlx::raw_sql("SHOW SESSION STATUS LIKE 'Handler_read%'").fetch_all(conn).await.unwrap();
    counters.iter().map(|counter| counter.get_unchecked::<String, _>(1).parse::<u64>().unwrap()).sum()
}

/// Selects 500 jobs; returns them and the number of rows read for it.
async fn select(selector: &mut DueSelector, conn: &mut Conn) -> (Vec<WaitingJob>, u64) {
    let start = rows_read(conn).await;
    let before = rows_read(conn).await;
    let mut selected = selector.select(conn, &[("calls", 500)], now()).await.unwrap();
    let after = rows_read(conn).await;
    // Reading the counters reads rows, too.
    let read = (after - before).saturating_sub(before - start);
    (selected.remove(0), read)
}

/// Tenants of jobs, in the order of the jobs.
fn tenants(jobs: &[WaitingJob]) -> Vec<&str> {
    jobs.iter().map(|job| job.tenant.as_deref().unwrap_or_default()).collect()
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn the_rows_read_do_not_grow_with_the_backlog_of_a_tenant(pool: MySqlPool) {
    let mut conn = pool.acquire().await.unwrap();
    let (earlier, later) = (now() - TimeDelta::hours(1), now() - TimeDelta::minutes(1));
    let busy = Waiting { first: 0, count: 20_000, priority: 1, tenant: "'busy'", at: earlier };
    busy.insert(&mut conn).await;
    let quiet = "CONCAT('quiet', nth MOD 5)";
    Waiting { first: 200_000, count: 15, tenant: quiet, at: later, ..busy }.insert(&mut conn).await;
    Waiting { first: 200_100, count: 1, priority: 0, tenant: "'urgent'", at: later }.insert(&mut conn).await;
    let mut selector = DueSelector::default();
    // The first execution prepares the statements and opens the tables.
    select(&mut selector, &mut conn).await;

    let (selected, read) = select(&mut selector, &mut conn).await;

    assert_eq!(selected.len(), 500);
    let order = tenants(&selected);
    assert_eq!(order[..2], ["urgent", "busy"], "priority first, then the job that is due longest");
    let first_turn: BTreeSet<&str> = order[1..7].iter().copied().collect();
    let expected = BTreeSet::from(["busy", "quiet0", "quiet1", "quiet2", "quiet3", "quiet4"]);
    assert_eq!(first_turn, expected, "every tenant has its turn before the second turn of another");
    assert_eq!(order.iter().filter(|tenant| **tenant == "busy").count(), 500 - 16);
    assert!(read <= MAX_ROWS_READ, "{read} rows read");

    let more = Waiting { first: 300_000, count: 60_000, ..busy };
    more.insert(&mut conn).await;
    let (selected, read_with_more) = select(&mut selector, &mut conn).await;
    assert_eq!(selected.len(), 500);
    assert!(read_with_more <= MAX_ROWS_READ, "{read_with_more} rows read");
    assert!(read.abs_diff(read_with_more) < 100, "{read} rows of 20,000, {read_with_more} of 80,000");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn jobs_that_are_not_due_are_not_read(pool: MySqlPool) {
    let mut conn = pool.acquire().await.unwrap();
    let tomorrow = now() + TimeDelta::days(1);
    let busy = Waiting { first: 0, count: 20_000, priority: 1, tenant: "'busy'", at: tomorrow };
    busy.insert(&mut conn).await;
    Waiting { first: 100_000, count: 3, at: now(), ..busy }.insert(&mut conn).await;
    let mut selector = DueSelector::default();
    select(&mut selector, &mut conn).await;

    let (selected, read) = select(&mut selector, &mut conn).await;

    assert_eq!(tenants(&selected), ["busy", "busy", "busy"]);
    assert!(read < 100, "{read} rows read");
}

#[sqlx::test(migrator = "flysk_test_schema::MIGRATOR")]
async fn a_tenant_behind_thousands_of_others_is_reached_in_a_few_selections(pool: MySqlPool) {
    let mut conn = pool.acquire().await.unwrap();
    let (earlier, tomorrow) = (now() - TimeDelta::hours(1), now() + TimeDelta::days(1));
    let busy = Waiting { first: 0, count: 20_000, priority: 1, tenant: "'busy'", at: earlier };
    busy.insert(&mut conn).await;
    let waits = "CONCAT('t', LPAD(nth, 6, '0'))";
    Waiting { first: 100_000, count: 6_000, tenant: waits, at: tomorrow, ..busy }.insert(&mut conn).await;
    Waiting { first: 200_000, count: 1, tenant: "'zz'", at: now(), ..busy }.insert(&mut conn).await;
    let mut selector = DueSelector::default();

    let mut selections = 0;
    loop {
        let (selected, read) = select(&mut selector, &mut conn).await;
        selections += 1;
        assert!(selections == 1 || read <= MAX_ROWS_READ, "{read} rows read");
        if tenants(&selected).contains(&"zz") {
            break;
        }
        assert!(selections < 4, "the tenant waits although its job is due");
    }
    assert!(selections > 1, "the fixture is too small to need several selections");
}
