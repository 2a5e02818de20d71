//! The sandbox: API, worker, scheduler and simulators in one process, on one clock that the caller moves.
//!
//! Nothing of the product knows it: the product gets the clock as the [`Clock`](flysk_domain::Clock) that it takes
//! everywhere, and the simulators' addresses as configuration. [`Sandbox::advance`] walks from one stored due date to the
//! next, never over one. At each it enqueues the ticks of the schedule once, runs jobs until none is due, waits for the
//! simulators' requests, and notes what happened.

mod advance;
mod crash;
mod due_dates;
mod sandbox;
mod timeline;
mod variables;

pub use advance::Pace;
pub use crash::Crash;
pub use sandbox::{Options, Sandbox};
pub use timeline::{Event, Happened};
pub use variables::{CLIENT_ID, CLIENT_SECRET, PUBLIC_ORIGIN, TERMINAL_KEY, TERMINAL_PASSWORD};
