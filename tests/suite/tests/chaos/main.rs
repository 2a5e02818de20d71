//! What is promised of jobs, shown on real servers and worker processes that are killed, frozen, wiped
//! and restarted. After each: every effect exactly once, nothing lost, no row stuck, nothing left in Redis
//! (`flysk_suite::chaos`, `books.rs`).

mod clocks;
mod database;
mod leases;
mod redis;
mod schedule;
mod stops;

use flysk_suite::chaos::work::LeaveMark;

/// Jobs of distinct keys that work for `work_ms` each.
fn marks(keys: std::ops::Range<u64>, work_ms: u64) -> Vec<LeaveMark> {
    keys.map(|key| LeaveMark { key, work_ms }).collect()
}
