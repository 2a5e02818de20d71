//! The catalogue of jobs (one file per kind), the durable enqueue, and the runtime that drives apalis.
//!
//! A job is written in the transaction that made it necessary ([`Outbox::begin`], [`Unit::enqueue`]).
//! MySQL is memory, Redis is transport: losing Redis loses nothing.

pub mod amocrm;
pub mod billing;
pub mod calls;
pub mod catalogue;
mod database_clock;
pub mod flycoins;
pub mod job;
pub mod lifecycle;
pub mod oauth;
mod outbox;
pub mod policy;
pub mod replay;
pub mod runtime;
pub mod upkeep;
mod wake;

pub use database_clock::DatabaseClock;
pub use job::{Job, Tick};
pub use outbox::{Outbox, Unit};
pub use policy::{Delays, Policy, Priority, Queue};
pub use runtime::registry::{Handle, Registry};
pub use runtime::run::Run;
pub use runtime::ticks::{HandleTick, Next, TickRegistry, Ticks};
pub use runtime::verdict::{JobError, JobResult, Verdict};
pub use wake::{Keys, QUEUE_HOLDS, Waker, connect_redis, connect_redis_when_there, connect_redis_within};
