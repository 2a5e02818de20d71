//! Formats of recordings, which `ffmpeg` makes from one conversation in two channels at 8 kHz.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::bench::child::measure;

/// The conversation, among the fixtures.
pub(super) const CONVERSATION: &str = "support-stereo-pcm.wav";

/// A format: name, arguments of `ffmpeg`, extension.
pub(super) type Format = (&'static str, &'static str, &'static str);

/// Formats that telephony and recorders write. Which of them are decoded in process is measured, not assumed.
pub(super) const FORMATS: [Format; 40] = [
    ("8-bit WAV", "-c:a pcm_u8", "wav"),
    ("16-bit WAV", "-c:a pcm_s16le", "wav"),
    ("24-bit WAV", "-c:a pcm_s24le", "wav"),
    ("32-bit WAV", "-c:a pcm_s32le", "wav"),
    ("WAV of 32-bit floats", "-c:a pcm_f32le", "wav"),
    ("WAV of 64-bit floats", "-c:a pcm_f64le", "wav"),
    ("A-law WAV", "-c:a pcm_alaw", "wav"),
    ("µ-law WAV", "-c:a pcm_mulaw", "wav"),
    ("IMA ADPCM WAV", "-c:a adpcm_ima_wav", "wav"),
    ("MS ADPCM WAV", "-c:a adpcm_ms", "wav"),
    ("16 kHz MP3, 32 kbit/s", "-c:a libmp3lame -b:a 32k -ar 16000", "mp3"),
    ("44.1 kHz MP3, variable rate", "-c:a libmp3lame -q:a 5 -ar 44100", "mp3"),
    ("44.1 kHz MP3, 128 kbit/s", "-c:a libmp3lame -b:a 128k -ar 44100", "mp3"),
    ("16 kHz MPEG layer II", "-c:a mp2 -b:a 64k -ar 16000", "mp2"),
    ("FLAC", "-c:a flac -sample_fmt s16", "flac"),
    ("Ogg FLAC", "-c:a flac -sample_fmt s16", "oga"),
    ("Ogg Vorbis", "-c:a libvorbis", "ogg"),
    ("WebM Vorbis, 16 kHz", "-c:a libvorbis -ar 16000", "webm"),
    ("AAC in MP4, 16 kHz", "-c:a aac -ar 16000", "m4a"),
    ("AAC in MP4, 44.1 kHz", "-c:a aac -ar 44100", "m4a"),
    ("AAC in ADTS, 16 kHz", "-c:a aac -ar 16000", "aac"),
    ("Ogg Opus", "-c:a libopus -application voip", "ogg"),
    ("WebM Opus", "-c:a libopus -application voip", "webm"),
    ("Opus in MP4", "-c:a libopus", "mp4"),
    ("GSM 6.10 WAV, mono", "-ac 1 -c:a libgsm_ms", "wav"),
    ("G.722 WAV, mono, 16 kHz", "-ac 1 -ar 16000 -c:a g722", "wav"),
    ("G.726 WAV, mono", "-ac 1 -c:a g726", "wav"),
    ("WMA, 22.05 kHz", "-c:a wmav2 -ar 22050", "wma"),
    ("Ogg Speex, mono", "-ac 1 -c:a libspeex", "spx"),
    ("AU", "-c:a pcm_mulaw", "au"),
    ("AIFF", "-c:a pcm_s16be", "aiff"),
    ("CAF", "-c:a pcm_alaw", "caf"),
    ("Wave64", "-c:a pcm_s16le", "w64"),
    ("ALAC in MP4", "-c:a alac", "m4a"),
    ("AVI with µ-law", "-c:a pcm_mulaw", "avi"),
    ("MPEG-TS with AAC", "-c:a aac -ar 16000", "ts"),
    ("FLV with AAC", "-c:a aac -ar 16000", "flv"),
    ("VOC, mono", "-c:a pcm_u8 -ac 1", "voc"),
    ("WavPack", "-c:a wavpack", "wv"),
    ("TTA", "-c:a tta", "tta"),
];

/// Makes a recording of `minutes` minutes in this format, from the looped conversation.
pub(super) fn make(
    ffmpeg: &Path,
    conversation: &Path,
    (_, arguments, extension): Format,
    minutes: u32,
    folder: &Path,
) -> anyhow::Result<PathBuf> {
    let made = folder.join(format!("corpus.{extension}"));
    let mut command = Command::new(ffmpeg);
    command.args(["-nostdin", "-v", "error", "-y", "-stream_loop", "-1", "-i"]).arg(conversation);
    command.args(["-t", &(minutes * 60).to_string()]).args(arguments.split_whitespace()).arg(&made);
    measure(&mut command)?;
    Ok(made)
}
