//! The tick that finds what is due, among few and among many subscriptions.

use std::time::Instant;

use anyhow::Context as _;
use flysk_services::subscriptions::{find_chargeable, find_due};
use flysk_store::Pool;

use crate::bench::servers::Servers;
use crate::bench::table::{Table, at_most};
use crate::bench::times::Times;

/// Numbers of subscriptions among which the due ones are found.
const CROWDS: [u32; 3] = [1_000, 100_000, 1_000_000];
/// Due subscriptions in every crowd.
const DUE: u32 = 100;
/// Measured ticks per crowd.
const TICK_COUNT: usize = 200;
/// Budget: the tick among the most subscriptions, relative to that among the fewest.
const MAX_TICK_GROWTH: f64 = 1.5;

/// Measures the ticks; adds the verdict.
pub(super) async fn run(servers: &Servers, verdicts: &mut Table) -> anyhow::Result<String> {
    let mut table = Table::new(&["subscriptions", "due", "tick p50", "tick p99"]);
    let mut medians = Vec::new();
    for crowd in CROWDS {
        let (_, pool) = servers.fresh_database().await?;
        fill(&pool, crowd).await?;
        let times = measure_ticks(&pool).await?;
        medians.push(times.ms(50));
        let ms = |percent| format!("{:.2} ms", times.ms(percent));
        table.row(vec![crowd.to_string(), DUE.to_string(), ms(50), ms(99)]);
        pool.close().await;
    }
    let (few, most) = (medians.first(), medians.last());
    let growth = most.zip(few).map(|(most, few)| most / few).context("nothing was measured")?;
    verdicts.row(vec![
        "the tick that finds 100 due subscriptions: ≤ 1.5 × between 1,000 and 1,000,000".to_owned(),
        format!("{growth:.2} ×"),
        at_most(growth, MAX_TICK_GROWTH, "the index on the due time is larger"),
    ]);
    Ok(format!("{table}\n{TICK_COUNT} ticks per number of subscriptions, on one connection.\n"))
}

/// Fills the table with subscriptions of which [`DUE`] are due.
async fn fill(pool: &Pool, count: u32) -> anyhow::Result<()> {
    sqlx::query(
        "INSERT INTO subscriptions (id, install_id, widget_id, platform, account_id, state, next_due_at, created_at,
             updated_at)
         SELECT CONCAT('sub_', LPAD(n, 26, '0')), CONCAT('ins_', LPAD(n, 26, '0')), 'wgt_00000000000000000000000000',
             'amocrm', n, 'active', IF(n < ?, '2027-01-01', '2027-06-01' + INTERVAL n SECOND), '2026-12-01',
             '2026-12-01'
         FROM (SELECT a.d + 10 * b.d + 100 * c.d + 1000 * e.d + 10000 * f.d + 100000 * g.d AS n
               FROM (SELECT 0 AS d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4
                     UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8
                     UNION ALL SELECT 9) a
               JOIN (SELECT 0 AS d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4
                     UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8
                     UNION ALL SELECT 9) b
               JOIN (SELECT 0 AS d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4
                     UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8
                     UNION ALL SELECT 9) c
               JOIN (SELECT 0 AS d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4
                     UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8
                     UNION ALL SELECT 9) e
               JOIN (SELECT 0 AS d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4
                     UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8
                     UNION ALL SELECT 9) f
               JOIN (SELECT 0 AS d UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4
                     UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8
                     UNION ALL SELECT 9) g) numbers
         WHERE n < ?",
    )
    .bind(DUE)
    .bind(count)
    .execute(pool)
    .await?;
    sqlx::query("ANALYZE TABLE subscriptions").execute(pool).await?;
    Ok(())
}

async fn measure_ticks(pool: &Pool) -> anyhow::Result<Times> {
    let now = "2027-02-01T00:00:00Z".parse()?;
    let mut conn = pool.acquire().await?;
    let mut taken = Vec::with_capacity(TICK_COUNT);
    for _ in 0..TICK_COUNT {
        let began = Instant::now();
        let due = find_due(&mut conn, now, 2_000).await?;
        find_chargeable(&mut conn, now, 2_000).await?;
        taken.push(began.elapsed());
        anyhow::ensure!(due.len() == DUE as usize, "{} subscriptions are due", due.len());
    }
    Times::new(taken).context("no tick was measured")
}
