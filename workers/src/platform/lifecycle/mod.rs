//! Events to vendors' backends.

mod credentials;
mod deliver_event;
mod replay_events;
mod request;
