//! FlySense: calls, their transcripts, and what they cost.

pub mod channel;
pub mod stream;
