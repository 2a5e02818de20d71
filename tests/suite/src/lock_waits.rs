//! Who waits for a locked row.

use flysk_store::Pool;
use sqlx::Row as _;

/// Connections that wait for a row lock in the test's own database (other tests use the same server).
///
/// Uses `InnoDB`'s own report: `information_schema.innodb_trx` contains each statement's text as UTF-8, and
/// `MySQL` fails to build it while a statement contains an encrypted value.
pub async fn who_waits(pool: &Pool) -> sqlx::Result<Vec<u64>> {
    let database: String = sqlx::query_scalar("SELECT DATABASE()").fetch_one(pool).await?;
    let own = format!("`{database}`.");
    let row = sqlx::raw_sql("SHOW ENGINE INNODB STATUS").fetch_one(pool).await?;
    let report: Vec<u8> = row.get_unchecked(2);
    let report = String::from_utf8_lossy(&report).into_owned();
    let waits = |transaction: &&str| transaction.contains("LOCK WAIT") && transaction.contains(&own);
    let thread = |transaction: &str| -> Option<u64> {
        let (_, rest) = transaction.split_once("thread id ")?;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    Ok(report.split("---TRANSACTION ").filter(waits).filter_map(thread).collect())
}
