//! Every table has a rule about its growth, and the runbook tells it.
#![expect(clippy::unwrap_used, reason = "a test whose setting fails has failed")]

use std::collections::BTreeSet;

use chrono::TimeDelta;
use flysk_store::retention::{Growth, TABLES};
use sqlx::MySqlPool;

const RUNBOOK: &str = include_str!("../../../docs/runbook.md");
const HEADING: &str = "\n## Growth of tables\n";

#[sqlx::test(migrator = "flysk_migrations::MIGRATOR")]
async fn every_table_is_pruned_bounded_or_kept_for_a_reason(pool: MySqlPool) {
    let present: Vec<String> = sqlx::query_scalar(
        "SELECT CAST(table_name AS CHAR) FROM information_schema.tables
         WHERE table_schema = DATABASE() AND table_name <> '_sqlx_migrations'",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    let present: BTreeSet<&str> = present.iter().map(String::as_str).collect();
    let ruled: BTreeSet<&str> = TABLES.iter().map(|(table, _)| *table).collect();
    let unruled: Vec<_> = present.difference(&ruled).collect();
    assert!(unruled.is_empty(), "tables without a rule in `retention::TABLES` and the runbook: {unruled:?}");
    let gone: Vec<_> = ruled.difference(&present).collect();
    assert!(gone.is_empty(), "rules of tables that do not exist: {gone:?}");
    assert_eq!(ruled.len(), TABLES.len(), "a table has two rules");
}

/// `90 days`, `1 day`, `1 hour`.
fn period(time: TimeDelta) -> String {
    let (count, unit) = match time.num_days() {
        0 => (time.num_hours(), "hour"),
        days => (days, "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// The cells of the runbook's rows: tables, rule, bound, place.
fn rows() -> Vec<Vec<&'static str>> {
    let (_, section) = RUNBOOK.split_once(HEADING).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect()).collect()
}

#[test]
fn the_runbook_tells_the_rule_of_every_table_once() {
    let mut listed = 0;
    let rows = rows();
    for row in &rows {
        assert_eq!(row.len(), 4, "{row:?}");
        listed += row[0].split(", ").count();
    }
    for (table, growth) in TABLES {
        let name = format!("`{table}`");
        let of_table: Vec<_> =
            rows.iter().filter(|row| row[0].split(", ").any(|listed| listed == name)).collect();
        assert_eq!(of_table.len(), 1, "{table} has one row");
        let row = of_table[0];
        assert_eq!(row[1], growth.word(), "{table}");
        if let Growth::Pruned(after, job) = growth {
            assert!(row[2].contains(&period(*after)), "{table}: {} in {:?}", period(*after), row[2]);
            assert_eq!(row[3], format!("`{job}`"), "{table}");
        }
    }
    assert_eq!(listed, TABLES.len(), "the runbook lists tables that are gone");
}
