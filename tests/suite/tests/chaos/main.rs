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

use flysk_suite::chaos::work::LeaveMark;

/// Jobs with different keys that run for `work_ms` each.
fn marks(keys: std::ops::Range<u64>, work_ms: u64) -> Vec<LeaveMark> {
    keys.map(|key| LeaveMark { key, work_ms }).collect()
}
