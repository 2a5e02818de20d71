//! Fills a fresh database with many thin rows: calls, ledger entries, jobs and installs, and what the lists of the admin panel
//! show beside them.
//!
//! The server makes the rows by itself (`INSERT … SELECT` from a table of numbers), in transactions of [`BATCH_ROWS`] rows.
//! Secondary keys are dropped before and built afterwards, sorted. Rows are spread over a year, their ids carry their times, and
//! a fifth of them belongs to [`BUSY_INSTALLS`] installs. Balances equal the sums of their ledger entries. Nothing is due: a
//! worker on this database has only the jobs that a benchmark enqueues.

mod attempts;
mod billing;
mod customers;
mod figures;
mod keys;
mod plan;
#[cfg(test)]
mod tests;
mod work;

use std::time::{Duration, Instant};

use anyhow::Context as _;
use flysk_domain::Clock;
use flysk_domain::id::{AccountId, InstallId};
use flysk_store::Pool;
use futures::{StreamExt as _, TryStreamExt as _};
use sqlx::AssertSqlSafe;

use plan::{Filling, Plan, Source};

pub(in crate::bench) use attempts::write_attempts;

/// Rows per transaction.
const BATCH_ROWS: i64 = 10_000;
/// Installs that a fifth of all rows belongs to.
pub(in crate::bench) const BUSY_INSTALLS: i64 = 20;
const ROWS_PER_INSTALL: i64 = 10;
/// Rows per install where calls and entries are many and installs are few.
const ROWS_PER_THIN_INSTALL: i64 = 100;
/// Most subscriptions and most events, so that the largest databases stay thin.
const MAX_PAYING: i64 = 100_000;
const MAX_EVENTS: i64 = 200_000;
/// Tables that are filled at the same time.
const WRITERS: usize = 3;

/// Size of a filled database.
#[derive(Debug, Clone, Copy)]
pub struct Volume {
    /// Calls, ledger entries and jobs, each.
    pub(in crate::bench) rows: i64,
    /// Installs, each with an account and a wallet.
    pub(in crate::bench) installs: i64,
}

impl Volume {
    /// This many calls, ledger entries and jobs, and a tenth as many installs.
    pub fn of(rows: u32) -> Self {
        let rows = i64::from(rows).max(BUSY_INSTALLS * ROWS_PER_INSTALL);
        Self { rows, installs: rows / ROWS_PER_INSTALL }
    }

    /// As many calls, ledger entries and jobs, and a hundredth as many installs.
    pub(in crate::bench) fn thin(rows: u32) -> Self {
        let rows = i64::from(rows).max(BUSY_INSTALLS * ROWS_PER_THIN_INSTALL);
        Self { rows, installs: rows / ROWS_PER_THIN_INSTALL }
    }

    /// Installs with a subscription; also the number of purchases, of the bank's notifications and of operators' acts.
    fn paying(self) -> i64 {
        self.installs.min(MAX_PAYING)
    }

    /// Number of charges: each has three entries, and the credit of each wallet has two.
    fn charges(self) -> i64 {
        (self.rows - 2 * self.installs) / 3
    }

    /// Events for vendors' backends.
    pub(in crate::bench) fn events(self) -> i64 {
        (self.rows / 5).min(MAX_EVENTS)
    }
}

/// A filled database.
#[derive(Debug, Clone, Copy)]
pub struct Filled {
    /// Time of the filling.
    pub took: Duration,
    /// Size of data and indexes, in bytes.
    pub bytes: i64,
    /// One of the busy installs.
    pub busy_install: InstallId,
    /// Account of that install.
    pub busy_account: AccountId,
}

/// Fills a migrated database that no process works on.
pub async fn fill(pool: &Pool, volume: Volume, clock: &dyn Clock) -> anyhow::Result<Filled> {
    let began = Instant::now();
    let plan = Plan::new(volume, clock.now());
    for statement in plan::scratch_tables() {
        execute(pool, statement).await.context("cannot create the scratch tables")?;
    }
    let numbers = Filling::of(
        "bench_installs",
        plan::INSTALL_COLUMNS,
        Source::Numbers(volume.installs),
        plan.install(),
    );
    write(pool, &plan, &numbers).await?;
    for statement in customers::single_rows().into_iter().chain(billing::single_rows()) {
        execute(pool, statement).await?;
    }
    let fillings: Vec<Filling> =
        [work::fillings(volume), customers::fillings(volume), billing::fillings(volume)].concat();
    let writing: Vec<_> = fillings.iter().map(|filling| write_table(pool, &plan, filling)).collect();
    futures::stream::iter(writing).buffer_unordered(WRITERS).try_collect::<()>().await?;
    figures::roll_up(pool, clock.now()).await?;
    let (ulid, account): (String, u64) =
        sqlx::query_as("SELECT ulid, account_id FROM bench_installs WHERE n = 0").fetch_one(pool).await?;
    for statement in ["DROP TABLE bench_installs", "DROP TABLE bench_numbers"] {
        execute(pool, statement.to_owned()).await?;
    }
    Ok(Filled {
        took: began.elapsed(),
        bytes: size_of(pool).await?,
        busy_install: format!("{}{ulid}", InstallId::PREFIX).parse()?,
        busy_account: AccountId(account),
    })
}

/// Writes a table without its secondary keys, builds them, and lets the server count.
async fn write_table(pool: &Pool, plan: &Plan, filling: &Filling) -> anyhow::Result<()> {
    let table = filling.table;
    let built = keys::drop_secondary(pool, table).await?;
    write(pool, plan, filling).await?;
    if let Some(build) = built {
        execute(pool, build).await.with_context(|| format!("cannot build the keys of {table}"))?;
    }
    execute(pool, format!("ANALYZE TABLE {table}")).await
}

/// Writes the rows in batches, a transaction each.
async fn write(pool: &Pool, plan: &Plan, filling: &Filling) -> anyhow::Result<()> {
    for part in &filling.parts {
        let (statement, count) = (plan.statement(filling, part), part.source.count());
        let mut first = 0;
        while first < count {
            let size = BATCH_ROWS.min(count - first);
            sqlx::query(AssertSqlSafe(statement.clone()))
                .bind(first)
                .bind(size)
                .execute(pool)
                .await
                .with_context(|| format!("cannot fill {}: {statement}", filling.table))?;
            first += size;
        }
    }
    Ok(())
}

async fn execute(pool: &Pool, statement: String) -> anyhow::Result<()> {
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(pool).await?;
    Ok(())
}

/// Size of the database's tables.
async fn size_of(pool: &Pool) -> anyhow::Result<i64> {
    let size =
        "SELECT CAST(COALESCE(SUM(data_length + index_length), 0) AS SIGNED) FROM information_schema.tables
                WHERE table_schema = DATABASE()";
    Ok(sqlx::query_scalar(size).fetch_one(pool).await?)
}
