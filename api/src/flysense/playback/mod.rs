//! Recordings for the player of the widget: audio that browsers play and seek.
//!
//! A browser's `<audio>` sends no headers of ours, so the widget gets a signed address. A recording that browsers play, on a
//! host that answers ranges, is streamed from there. Any other is converted once by a job and served from object storage.

mod link;
mod stream;
mod ticket;

pub(crate) use link::AudioLinkApi;
pub(crate) use stream::AudioStreamApi;
pub(super) use stream::open_audio;
