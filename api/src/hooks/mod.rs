//! What machines send us. Answered only after it is durable, never worked on inline.

pub(crate) mod amocrm;
pub(crate) mod events;
pub(crate) mod tbank;
