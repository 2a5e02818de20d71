//! The runtime that performs jobs: apalis brings wake-ups, MySQL says what is true.
//!
//! ```text
//! enqueue ─▶ MySQL ─▶ relay ─▶ Redis ─▶ lane (apalis) ─▶ engine: claim · run · end, fenced
//!                       ▲                                   │ retry, snooze: a later `run_at`
//!                       └── rescuer: leases that ran out ◀──┘ crash: a lease nobody renews
//! ```

mod backlog;
pub mod cron;
pub mod engine;
mod lane;
pub mod limits;
mod measure;
pub mod registry;
mod relay;
mod rescue;
pub mod run;
pub mod ticks;
pub mod verdict;
pub mod worker;
