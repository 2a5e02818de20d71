//! Telephone audio: detects the type, decodes, measures speech and encodes for recognition.
//!
//! [`prepare`] does all of it in one pass over a recording; [`decode`] and [`VoiceActivityDetector`] are its parts.
//! [`prepare_isolated`] does the same in a child process with resource limits, and a [`DecoderPool`] keeps such processes for
//! further recordings; use one of them for untrusted recordings. All functions are synchronous, stream with constant memory,
//! and detect types from the content of files only.

mod aac;
mod adts;
mod amr;
mod channel_layout;
mod declared_size;
mod decode;
mod encode;
mod error;
mod evidence;
mod file_slice;
mod flac;
mod frame_walk;
mod gsm;
mod half_band;
mod id3;
mod isolation;
mod kind;
mod level;
mod low_pass;
mod mp4;
mod mp4_fragments;
mod mpeg;
mod mpeg_header;
mod mpeg_tag;
mod ogg;
mod options;
mod pcm_format;
mod planes;
mod prepare;
mod program;
mod recording;
mod relation;
mod resample;
mod riff;
mod riff_chunks;
mod rlimits;
mod sample_layout;
mod simd;
mod sniff;
mod source;
mod text;
mod tone;
mod transfer;
mod vad;
mod wav_writer;
mod waveform;
mod webm;

pub use channel_layout::Layout;
pub use decode::{Decoded, Decoder, PcmSink, decode};
pub use error::AudioError;
pub use isolation::{DecoderPool, Isolation, prepare_isolated, serve_isolated};
pub use kind::Kind;
pub use level::FRAME_MS;
pub use options::{Ffmpeg, Limits, Options};
pub use pcm_format::PcmFormat;
pub use prepare::{Container, Prepared, prepare};
pub use program::Program;
pub use rlimits::ResourceLimits;
pub use sniff::sniff;
pub use vad::{
    ChannelSpeech, HANGOVER_MS, LEAD_MS, MAX_PAUSE_MS, MIN_BURST_MS, MIN_SPEECH_MS, SpeechSegment,
    VoiceActivityDetector,
};
pub use waveform::MAX_BINS;
