//! The job engine: apalis delivers wake-ups, MySQL holds the state. It is independent of kinds of jobs and of the product.
//!
//! A job is inserted in the transaction that requires it ([`Outbox::begin`], [`UnitOfWork::enqueue`]). MySQL holds all
//! state, Redis only carries wake-ups: losing Redis loses no job.
//!
//! ```text
//! enqueue ─▶ MySQL ─▶ relay ─▶ Redis ─▶ consumer (apalis) ─▶ executor: claim · run · finish, fenced
//!                       ▲                                       │ retry, snooze: a later `run_at`
//!                       └──── rescuer: expired leases ◀─────────┘ crash: the lease is not renewed
//! ```

mod connection;
mod consumer;
mod context;
pub mod cron;
mod database_clock;
mod delivery;
mod due_selector;
mod enqueued;
mod ephemeral;
pub mod executor;
mod full_queues;
mod job;
#[cfg(test)]
mod job_fixture;
pub mod limits;
mod metrics;
mod outbox;
mod outcome;
mod policy;
mod queue_depth;
mod queue_name;
mod registry;
mod relay;
mod rescue;
mod retry_pauses;
mod run_permits;
mod transport;
pub mod worker;

pub use connection::{ConnectError, RedisConnection, RootsError, connect_redis};
pub use context::{JobContext, LastUnit};
pub use database_clock::DatabaseClock;
pub use due_selector::DueSelector;
pub use enqueued::{EnqueuedJob, EnqueuedJobs};
pub use ephemeral::{EphemeralHandler, EphemeralQueue, EphemeralRegistry, NextRun};
pub use job::{EphemeralJob, Job};
pub use outbox::{Outbox, UnitOfWork};
pub use outcome::{JobError, JobOutcome, JobResult};
pub use policy::{Backoff, Policy, Priority};
pub use queue_name::QueueName;
pub use registry::{JobHandler, Registry};
pub use transport::{MAX_QUEUED_WAKEUPS, QueueNotifier, RedisKeys, check_redis};
