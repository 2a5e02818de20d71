//! The sandbox: API, worker, scheduler and simulators in one process, on one clock that the caller moves.
//!
//! Nothing of the product knows it: the product gets the clock as the [`Clock`](flysk_domain::Clock) that it takes
//! everywhere, and the simulators' addresses as configuration. [`Sandbox::advance`] walks from one stored due date to the
//! next, never over one. At each it enqueues the ticks of the schedule once, runs jobs until none is due, waits for the
//! simulators' requests, and notes what happened. [`Sandbox::walk`] makes fewer stops, for whoever moves the clock by months.
//!
//! `flysk-sandbox` is the sandbox as a service for the CI of vendors ([`run`], `docs/sandbox.md`).

mod advance;
mod crash;
mod crowd;
mod deliveries;
mod due_dates;
mod due_work;
mod sandbox;
mod service;
mod ticks;
mod timeline;
mod variables;
mod walk;

pub use advance::Pace;
pub use crash::Crash;
pub use sandbox::{Options, Sandbox};
pub use service::{Options as ServiceOptions, run};
pub use timeline::{Event, Happened};
pub use variables::{CLIENT_ID, CLIENT_SECRET, KEYRING, PUBLIC_ORIGIN, TERMINAL_KEY, TERMINAL_PASSWORD};
pub use walk::Walk;
