//! Kinds of jobs: payloads by area with their policies, and the list of all kinds.
//!
//! A new kind costs three places: its payload here, its line in [`durable_kinds`], its handler in `flysk-workers`. The
//! catalogue (`docs/jobs.md`) and the registry of handlers are generated from the list.

pub mod catalogue;
mod declare;
pub mod flysense;
mod kinds;
pub mod platform;
pub mod queues;
