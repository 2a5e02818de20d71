//! Telephone audio: sniff, decode, measure speech, and encode what recognition takes.
//!
//! [`prepare`] does all of it in one pass over a recording; [`decode`] and [`Activity`] are its parts for
//! those who need only them. [`prepare_confined`] does the same in a child process with bounds, which is how strangers'
//! recordings are to be prepared. Everything is synchronous, streams with flat memory, and judges files by their
//! content alone.

mod activity;
mod confine;
mod decode;
mod encode;
mod error;
mod evidence;
mod flac;
mod gsm;
mod lanes;
mod layout;
mod level;
mod mp4;
mod mpeg;
mod ogg;
mod options;
mod prepare;
mod promise;
mod recording;
mod relation;
mod resample;
mod riff;
mod riff_chunks;
mod sniff;
mod source;
mod tone;
mod view;
mod wav_writer;
mod webm;

pub use activity::{
    Activity, ChannelSpeech, HANGOVER_MS, LEAD_MS, MAX_PAUSE_MS, MIN_BURST_MS, MIN_SPEECH_MS, SpeechSegment,
};
pub use confine::{Bounds, Confinement, Program, prepare_confined, serve_confined};
pub use decode::{Decoded, Decoder, PcmSink, decode};
pub use error::AudioError;
pub use layout::Layout;
pub use level::FRAME_MS;
pub use options::{Ffmpeg, Limits, Options};
pub use prepare::{Container, Prepared, prepare};
pub use sniff::{Kind, sniff};
pub use source::PcmFormat;
