//! Webhooks of other systems. A handler stores the request, enqueues a job and responds.

pub(crate) mod amocrm;
pub(crate) mod bots;
pub(crate) mod events;
pub(crate) mod tbank;
