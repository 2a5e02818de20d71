//! FlySense: calls, their transcripts, and what they cost.

pub mod analysis;
pub mod call;
pub mod channel;
pub mod classifiers;
mod coded;
pub mod failure;
pub mod failure_cause;
pub mod folding;
pub mod hook;
pub mod media_type;
pub mod payment;
pub mod polling;
pub mod pricing;
pub mod readiness;
pub mod reconcile;
pub mod roles;
pub mod run_limit;
pub mod sentiment;
pub mod state;
pub mod stream;
pub mod summary;
pub mod talk;
pub mod utterance;

pub use coded::UnknownCode;
