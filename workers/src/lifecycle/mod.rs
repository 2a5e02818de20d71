//! Events to vendors' backends.

mod deliver_event;
mod endpoint;
mod request;
