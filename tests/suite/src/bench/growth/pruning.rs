//! Deletion of old rows by a worker, while the customer is charged: how long its statements take, and who waits for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use flysk_domain::id::JobId;
use flysk_domain::trace::Trace;
use flysk_jobs::platform::upkeep::{PruneHistory, PruneJobs};
use flysk_queue::Job;
use flysk_store::Pool;
use sqlx::{AssertSqlSafe, Row as _};

use super::bench_env::{BenchEnv, Charger};
use crate::bench::servers::Servers;
use crate::bench::times::Times;

/// Statements that take at least this long are recorded.
const RECORDED_MS: u32 = 20;
/// Pause between two charges.
const CHARGE_PAUSE: Duration = Duration::from_millis(20);
/// Time of charges alone.
const CHARGING_TIME: Duration = Duration::from_secs(20);
/// Deletions are not measured for longer: their pieces are alike, and on a large database all of them take longer than the
/// whole part.
pub(super) const MAX_DELETION_TIME: Duration = Duration::from_mins(10);
/// Statements of the deletions, by their beginnings: those that find rows, and those that delete them.
const STATEMENTS: &str = "(sql_text LIKE 'DELETE%' OR sql_text LIKE 'SELECT id FROM jobs FORCE%'
     OR sql_text LIKE 'SELECT id FROM lifecycle_events FORCE%' OR sql_text LIKE 'SELECT widget_id, idem_key FROM%'
     OR sql_text LIKE 'SELECT MAX(id) FROM (SELECT id,%' OR sql_text LIKE 'SELECT name, MAX(tick_at)%')";

/// What was deleted, and how charges fared meanwhile.
#[derive(Debug)]
pub(super) struct Pruned {
    /// Deleted rows of jobs, idempotency keys, disclosures of tokens and events.
    pub(super) rows: i64,
    /// Whether nothing that is out of its time was left after [`MAX_DELETION_TIME`].
    pub(super) is_finished: bool,
    /// Time of the deletions.
    pub(super) took: Duration,
    /// The longest statement, ms; `None` if none took [`RECORDED_MS`]. An error if the server does not record statements.
    pub(super) longest_ms: anyhow::Result<Option<f64>>,
    /// Waits for row locks on the whole server.
    pub(super) lock_waits: i64,
    /// Charges without deletions, and beside them.
    pub(super) alone: Times,
    pub(super) beside: Times,
}

impl Pruned {
    /// The longest statement of the deletions, as a cell of a table.
    pub(super) fn longest(&self) -> String {
        match &self.longest_ms {
            Ok(Some(longest)) => format!("{longest:.0} ms"),
            Ok(None) => "below 20 ms".to_owned(),
            Err(error) => format!("not recorded: {error:#}"),
        }
    }
}

/// Runs both deletions, to their ends or for [`MAX_DELETION_TIME`].
pub(super) async fn measure(servers: &Servers, full: &mut BenchEnv) -> anyhow::Result<Pruned> {
    let server = flysk_store::connect(&servers.database_url, 1).await?;
    let alone = charged_while(full.charger(), "alone", tokio::time::sleep(CHARGING_TIME)).await?.1;
    let rows = count_rows(&full.env.pool).await?;
    let records = record_statements(&server, true).await;
    // Its connections begin with the settings of the record.
    let worker = full.env.spawn("flysk-worker", &["run", "upkeep"], "pruning")?;
    let waits = lock_waits(&server).await?;
    let began = Instant::now();
    let bench: &BenchEnv = full;
    let deletions = async { tokio::try_join!(prune(bench, &PruneJobs {}), prune(bench, &PruneHistory {})) };
    let (ended, beside) = Box::pin(charged_while(full.charger(), "beside", deletions)).await?;
    let (took, lock_waits) = (began.elapsed(), lock_waits(&server).await? - waits);
    full.env.terminate(worker)?;
    let (jobs, history) = ended?;
    let longest_ms = match records {
        Ok(()) => longest_statement(&server, full.env.name()).await,
        Err(error) => Err(error),
    };
    if longest_ms.is_ok() {
        record_statements(&server, false).await?;
    }
    server.close().await;
    let rows = rows - count_rows(&full.env.pool).await?;
    Ok(Pruned { rows, is_finished: jobs && history, took, longest_ms, lock_waits, alone, beside })
}

/// Times of charges, one after the other, until the work is done.
async fn charged_while<T>(
    charger: Charger,
    name: &str,
    work: impl Future<Output = T>,
) -> anyhow::Result<(T, Times)> {
    let is_over = Arc::new(AtomicBool::new(false));
    let (name, seen) = (name.to_owned(), Arc::clone(&is_over));
    let charging = tokio::spawn(async move {
        let mut taken = Vec::new();
        while !seen.load(Ordering::Relaxed) {
            taken.push(charger.charge(&format!("{name}-{}", taken.len())).await?);
            tokio::time::sleep(CHARGE_PAUSE).await;
        }
        anyhow::Ok(taken)
    });
    let done = work.await;
    is_over.store(true, Ordering::Relaxed);
    let taken = charging.await.context("the charges panicked")??;
    Ok((done, Times::new(taken).context("nothing was charged")?))
}

/// Enqueues a deletion and waits until it has deleted everything; `false` if it has not within [`MAX_DELETION_TIME`]. It is
/// snoozed in between.
async fn prune<J: Job>(bench: &BenchEnv, job: &J) -> anyhow::Result<bool> {
    let trace = Trace { correlation_id: format!("bench-{}", J::KIND), traceparent: None };
    let mut unit = bench.outbox().await?.begin(trace).await?;
    let id: JobId = unit.enqueue(job).await?.context("a job of the kind waits already")?;
    unit.commit().await?;
    let deadline = Instant::now() + MAX_DELETION_TIME;
    loop {
        let state: String = sqlx::query_scalar("SELECT state FROM jobs WHERE id = ?")
            .bind(id.to_string())
            .fetch_one(&bench.env.pool)
            .await?;
        match state.as_str() {
            "done" => return Ok(true),
            "queued" | "running" if Instant::now() < deadline => {}
            "queued" | "running" => return Ok(false),
            _ => bail!("{} is {state}\n{}", J::KIND, bench.env.logs()),
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}
/// Number of rows in the tables that have many old ones.
async fn count_rows(pool: &Pool) -> anyhow::Result<i64> {
    let mut rows = 0;
    for count in [
        "SELECT COUNT(*) FROM jobs",
        "SELECT COUNT(*) FROM idempotency_keys",
        "SELECT COUNT(*) FROM token_audit",
        "SELECT COUNT(*) FROM lifecycle_events",
    ] {
        rows += sqlx::query_scalar::<_, i64>(count).fetch_one(pool).await?;
    }
    Ok(rows)
}

/// Waits for row locks since the server's start.
async fn lock_waits(server: &Pool) -> anyhow::Result<i64> {
    let row = sqlx::raw_sql("SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_waits'").fetch_one(server).await?;
    Ok(row.get_unchecked::<String, _>(1).parse()?)
}

/// Begins or ends the record of long statements, in a table of the server.
async fn record_statements(server: &Pool, on: bool) -> anyhow::Result<()> {
    let seconds = f64::from(RECORDED_MS) / 1_000.0;
    let statements = if on {
        vec![
            "SET GLOBAL slow_query_log = 0".to_owned(),
            "SET GLOBAL log_output = 'TABLE'".to_owned(),
            "TRUNCATE TABLE mysql.slow_log".to_owned(),
            format!("SET GLOBAL long_query_time = {seconds}"),
            "SET GLOBAL slow_query_log = 1".to_owned(),
        ]
    } else {
        vec!["SET GLOBAL slow_query_log = 0".to_owned(), "SET GLOBAL long_query_time = 10".to_owned()]
    };
    for statement in statements {
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(server).await?;
    }
    Ok(())
}

/// The longest recorded statement of a deletion, ms.
async fn longest_statement(server: &Pool, database: &str) -> anyhow::Result<Option<f64>> {
    let statement = format!(
        "SELECT CAST(MAX(query_time) AS CHAR) FROM mysql.slow_log WHERE db = '{database}' AND {STATEMENTS}"
    );
    let longest: Option<String> = sqlx::query_scalar(AssertSqlSafe(statement)).fetch_one(server).await?;
    longest.map(|time| milliseconds(&time).with_context(|| format!("`{time}` is not a time"))).transpose()
}

/// Parses `00:00:01.234567`.
fn milliseconds(time: &str) -> Option<f64> {
    let parts: Vec<f64> = time.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let [hours, minutes, seconds] = parts[..] else { return None };
    Some(((hours * 60.0 + minutes) * 60.0 + seconds) * 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::milliseconds;

    #[test]
    fn times_of_the_server_are_read() {
        assert_eq!(milliseconds("00:00:00.250000"), Some(250.0));
        assert_eq!(milliseconds("01:02:03"), Some(3_723_000.0));
        assert_eq!(milliseconds("later"), None);
    }
}
