//! FlySense's own tables. Nothing here reads the platform's.

pub mod accounts;
pub mod hooks;
pub mod payments;
pub mod stages;
pub mod transcriptions;
pub mod transcripts;
