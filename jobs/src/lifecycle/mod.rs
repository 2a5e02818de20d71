//! Events to vendors' backends.

mod deliver_event;

pub use deliver_event::DeliverEvent;
