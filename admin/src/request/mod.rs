//! A request as the browser sent it, and the names and values of its form. Nothing here knows who sent it.

pub(crate) mod form;
mod incoming;

pub(crate) use form::Pairs;
pub(crate) use incoming::Incoming;
