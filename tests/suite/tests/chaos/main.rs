//! Guarantees of the job runtime on real servers, with worker processes and servers that are killed, frozen,
//! wiped and restarted. After each test: every effect exactly once, nothing lost, no row stuck, nothing left in
//! Redis (`flysk_suite::chaos`, `invariants.rs`).

mod clocks;
mod cluster;
mod connections;
mod database;
mod failovers;
mod group_replication;
mod groups;
mod in_process;
mod leases;
mod network;
mod redis;
mod schedule;
mod stops;
mod tenants;
mod tls;

use flysk_suite::chaos::fleet::Fleet;
use flysk_suite::chaos::work::LeaveMark;

/// Jobs with different keys that run for `work_ms` each.
fn marks(keys: std::ops::Range<u64>, work_ms: u64) -> Vec<LeaveMark> {
    keys.map(|key| LeaveMark { key, work_ms }).collect()
}

/// From their next attempt on, the jobs leave their marks at once. Jobs that a test interrupts run long, so that none of them
/// ends before it is interrupted, however slow the machine.
async fn shorten_marks(fleet: &Fleet) -> anyhow::Result<()> {
    sqlx::query(
        "UPDATE jobs SET payload = JSON_SET(payload, '$.work_ms', 0) WHERE kind = 'chaos.leave_mark'",
    )
    .execute(&fleet.pool)
    .await?;
    Ok(())
}
