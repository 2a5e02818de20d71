//! The registry of handlers, generated from the list of kinds.

use flysk_jobs::{durable_kinds, ephemeral_kinds};
use flysk_queue::{EphemeralRegistry, Registry};

use crate::App;

macro_rules! durable_registry {
    ($($kind:ty),* $(,)?) => { Registry::default()$(.with::<$kind>())* };
}

macro_rules! ephemeral_handlers {
    ($($kind:ty),* $(,)?) => { EphemeralRegistry::default()$(.with::<$kind>())* };
}

/// Handlers of all durable kinds.
pub fn registry() -> Registry<App> {
    durable_kinds!(durable_registry)
}

/// Handlers of all ephemeral kinds.
pub fn ephemeral_registry() -> EphemeralRegistry<App> {
    ephemeral_kinds!(ephemeral_handlers)
}
