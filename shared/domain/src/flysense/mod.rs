//! FlySense: calls, their transcripts, and what they cost.

pub mod channel;
mod coded;
pub mod failure;
pub mod folding;
pub mod polling;
pub mod pricing;
pub mod state;
pub mod stream;
pub mod utterance;

pub use coded::UnknownCode;
