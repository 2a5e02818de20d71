//! FlySense for job handlers. FlySense uses the platform over HTTP only, as any vendor does.

pub mod activation;
pub mod calls;
pub(crate) mod fan_out;
pub(crate) mod hooks;
mod payment_error;

pub use crate::app::flysense::{AccessError, DECODE_COMMAND, FlySense};
