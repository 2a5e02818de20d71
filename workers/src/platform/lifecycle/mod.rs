//! Events to vendors' backends.

mod credentials;
mod deliver_event;
mod deliveries;
mod endpoint;
mod permits;
mod preparation;
mod replay_events;
mod request;

pub(crate) use deliveries::Deliveries;
