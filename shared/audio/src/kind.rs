//! Types of recordings.

use serde::{Deserialize, Serialize};

/// Type of a file, detected from its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// MPEG audio layer III, with or without ID3 tags or garbage before it.
    Mp3,
    /// RIFF/WAVE or RF64 with any codec.
    Wav,
    /// Ogg with Opus.
    OggOpus,
    /// Ogg with Vorbis.
    OggVorbis,
    /// Ogg with FLAC.
    OggFlac,
    /// Ogg with Speex.
    OggSpeex,
    /// `WebM` or Matroska.
    Webm,
    /// Native FLAC.
    Flac,
    /// ISO base media: m4a, mp4, 3gp.
    Mp4,
    /// AAC in ADTS frames.
    Adts,
    /// AMR, narrow or wide band.
    Amr,
    /// Windows Media (ASF).
    Asf,
    /// AIFF or AIFF-C.
    Aiff,
    /// Sun/NeXT `.au`.
    Au,
    /// Core Audio Format.
    Caf,
    /// Sony Wave64.
    Wave64,
    /// GSM 06.10 frames without a header, as Asterisk writes them.
    Gsm,
    /// MPEG audio layer II, with or without garbage before it.
    Mp2,
    /// AAC in LOAS/LATM frames.
    Loas,
    /// RIFF/AVI, of which the sound is used.
    Avi,
    /// MPEG transport stream.
    MpegTs,
    /// Flash Video.
    Flv,
    /// NIST SPHERE.
    Sphere,
    /// Creative Voice File.
    Voc,
    /// Berkeley/IRCAM sound file.
    Ircam,
    /// `WavPack`.
    WavPack,
    /// True Audio.
    Tta,
}

impl Kind {
    /// Name for messages and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mp3 => "MP3",
            Self::Wav => "WAV",
            Self::OggOpus => "Ogg Opus",
            Self::OggVorbis => "Ogg Vorbis",
            Self::OggFlac => "Ogg FLAC",
            Self::OggSpeex => "Ogg Speex",
            Self::Webm => "WebM",
            Self::Flac => "FLAC",
            Self::Mp4 => "MP4",
            Self::Adts => "AAC",
            Self::Amr => "AMR",
            Self::Asf => "Windows Media",
            Self::Aiff => "AIFF",
            Self::Au => "AU",
            Self::Caf => "CAF",
            Self::Wave64 => "Wave64",
            Self::Gsm => "GSM",
            Self::Mp2 => "MPEG layer II",
            Self::Loas => "LATM",
            Self::Avi => "AVI",
            Self::MpegTs => "MPEG-TS",
            Self::Flv => "FLV",
            Self::Sphere => "NIST SPHERE",
            Self::Voc => "VOC",
            Self::Ircam => "IRCAM",
            Self::WavPack => "WavPack",
            Self::Tta => "TTA",
        }
    }

    /// The demuxer of `ffmpeg` for this type, so that `ffmpeg` does not guess from hostile content.
    pub(crate) fn ffmpeg_demuxer(self) -> &'static str {
        match self {
            Self::Mp3 | Self::Mp2 => "mp3",
            Self::Wav => "wav",
            Self::OggOpus | Self::OggVorbis | Self::OggFlac | Self::OggSpeex => "ogg",
            Self::Webm => "matroska",
            Self::Flac => "flac",
            Self::Mp4 => "mov",
            Self::Adts => "aac",
            Self::Amr => "amr",
            Self::Asf => "asf",
            Self::Aiff => "aiff",
            Self::Au => "au",
            Self::Caf => "caf",
            Self::Wave64 => "w64",
            Self::Gsm => "gsm",
            Self::Loas => "loas",
            Self::Avi => "avi",
            Self::MpegTs => "mpegts",
            Self::Flv => "flv",
            Self::Sphere => "nistsphere",
            Self::Voc => "voc",
            Self::Ircam => "ircam",
            Self::WavPack => "wv",
            Self::Tta => "tta",
        }
    }
    /// Whether `ffmpeg` fills holes between the times of packets with silence. Recorders of calls write nothing while a side
    /// is muted. The times of other containers may start again in the middle, where recordings were joined.
    pub(crate) fn has_packet_times(self) -> bool {
        matches!(self, Self::Webm | Self::Mp4 | Self::Amr)
    }
}
