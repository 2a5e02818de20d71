//! What comes out of recordings as telephonies deliver them, from whole files through the public interface.

#![expect(
    clippy::panic,
    clippy::expect_used,
    reason = "a test stops at the first surprise, also inside its helpers"
)]

mod confined;
mod doubled;
mod fixtures;
mod formats;
mod kit;
mod limits;
mod mp3;
mod sniff;
mod speech;
mod stray;
mod wav;
mod wav_sizes;
