//! Tables of FlySense. Nothing here reads the platform's tables.

pub mod accounts;
pub mod activation;
pub mod call_statistics;
pub mod erasure;
pub mod events;
pub mod hooks;
pub mod payments;
pub mod playback_copies;
pub mod stages;
pub mod tags;
pub mod transcriptions;
pub mod transcripts;
pub mod waveforms;
