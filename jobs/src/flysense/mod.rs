//! Jobs of FlySense.

pub mod activation;
pub mod calls;
pub mod erasure;
pub mod hooks;
