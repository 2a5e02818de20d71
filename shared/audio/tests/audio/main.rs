//! Recordings of telephony systems, as whole files through the public interface.

#![expect(clippy::panic, clippy::expect_used, reason = "a test fails by panicking, also in its helpers")]

mod corpus;
mod dialects;
mod doubled;
mod fixtures;
mod formats;
mod isolated;
mod joined;
mod kit;
mod limits;
mod mp3;
mod recorders;
mod reference;
mod reused;
mod sniff;
mod speech;
mod stray;
mod wav;
mod wav_sizes;
