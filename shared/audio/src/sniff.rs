//! The type of a file by its content. Names and `Content-Type` headers of telephonies are not to be believed.

use crate::mpeg;

/// What a file is, told by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// MPEG audio layer III, with or without ID3 tags or garbage in front.
    Mp3,
    /// RIFF/WAVE or RF64, whatever codec is inside.
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
        }
    }

    /// The demuxer `ffmpeg` is told to use, so that it never guesses from hostile content.
    pub(crate) fn ffmpeg_demuxer(self) -> &'static str {
        match self {
            Self::Mp3 => "mp3",
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
        }
    }
}

/// Tells the type of a file from its beginning; 64 KiB are enough.
///
/// An `ID3v2` tag longer than `head` is taken for an MP3: nothing else in telephony carries one.
/// `None` means "not audio as far as we know"; headerless `.gsm` or G.711 cannot be told from noise.
pub fn sniff(head: &[u8]) -> Option<Kind> {
    let body = match id3v2_len(head) {
        Some(len) if len >= head.len() => return Some(Kind::Mp3),
        Some(len) => head.get(len..)?,
        None => head,
    };
    magic(body).or_else(|| frames(body))
}

fn magic(head: &[u8]) -> Option<Kind> {
    let at = |offset: usize, bytes: &[u8]| head.get(offset..).is_some_and(|rest| rest.starts_with(bytes));
    match () {
        () if (at(0, b"RIFF") || at(0, b"RF64") || at(0, b"RIFX")) && at(8, b"WAVE") => Some(Kind::Wav),
        () if at(0, b"OggS") => ogg(head),
        () if at(0, b"fLaC") => Some(Kind::Flac),
        () if at(0, &[0x1a, 0x45, 0xdf, 0xa3]) => Some(Kind::Webm),
        () if [b"ftyp", b"moov", b"mdat", b"wide", b"skip"].iter().any(|name| at(4, *name)) => {
            Some(Kind::Mp4)
        }
        () if at(0, b"#!AMR") => Some(Kind::Amr),
        () if at(0, &ASF_HEADER) => Some(Kind::Asf),
        () if at(0, b"FORM") && (at(8, b"AIFF") || at(8, b"AIFC")) => Some(Kind::Aiff),
        () if at(0, b".snd") => Some(Kind::Au),
        () if at(0, b"caff") => Some(Kind::Caf),
        () => None,
    }
}

/// GUID of the ASF header object (ASF specification, 10.1).
const ASF_HEADER: [u8; 16] =
    [0x30, 0x26, 0xb2, 0x75, 0x8e, 0x66, 0xcf, 0x11, 0xa6, 0xd9, 0x00, 0xaa, 0x00, 0x62, 0xce, 0x6c];

/// The codec of an Ogg stream is named by its first packet, right after the segment table.
fn ogg(head: &[u8]) -> Option<Kind> {
    let segments = usize::from(*head.get(26)?);
    let packet = head.get(27 + segments..)?;
    [
        (b"OpusHead".as_slice(), Kind::OggOpus),
        (b"\x01vorbis", Kind::OggVorbis),
        (b"\x7fFLAC", Kind::OggFlac),
        (b"Speex   ", Kind::OggSpeex),
    ]
    .into_iter()
    .find_map(|(name, kind)| packet.starts_with(name).then_some(kind))
}

/// Formats without a magic number: told by several frames in a row that agree with each other.
fn frames(head: &[u8]) -> Option<Kind> {
    if mpeg::first_frame(head).is_some() {
        return Some(Kind::Mp3);
    }
    adts(head).then_some(Kind::Adts)
}

/// Whether `head` begins with three ADTS frames (ISO 13818-7, 6.2) of one kind in a row.
fn adts(head: &[u8]) -> bool {
    let mut offset = 0;
    for _ in 0..3 {
        let Some(header) = head.get(offset..offset + 7) else { return false };
        // Layer is always 0; profile, rate and the high channel bit must not change.
        let same = header[2] & 0xfd == head[2] & 0xfd;
        if header[0] != 0xff || header[1] & 0xf6 != 0xf0 || !same || (header[2] >> 2) & 0xf > 12 {
            return false;
        }
        let len =
            usize::from(header[3] & 3) << 11 | usize::from(header[4]) << 3 | usize::from(header[5] >> 5);
        if len < 7 {
            return false;
        }
        offset += len;
    }
    true
}

/// Full length of the `ID3v2` tag `head` begins with (its specification, 3.1), tag header included.
pub(crate) fn id3v2_len(head: &[u8]) -> Option<usize> {
    let header = head.get(..10)?;
    let size = &header[6..10];
    if !header.starts_with(b"ID3") || header[3] == 0xff || size.iter().any(|&byte| byte & 0x80 != 0) {
        return None;
    }
    let body = size.iter().fold(0, |sum, &byte| sum << 7 | usize::from(byte));
    let footer = if header[5] & 0x10 != 0 { 10 } else { 0 };
    Some(10 + body + footer)
}

/// What bytes that are no audio look like, for the error a person reads.
pub(crate) fn describe(head: &[u8]) -> &'static str {
    let text = String::from_utf8_lossy(&head[..head.len().min(512)]).trim_start().to_lowercase();
    match () {
        () if text.starts_with("<!doctype html") || text.contains("<html") => "an HTML page",
        () if text.starts_with("<?xml") => "an XML document",
        () if text.starts_with('{') || text.starts_with('[') => "a JSON document",
        () if head.starts_with(b"PK\x03\x04") => "a ZIP archive",
        () if head.starts_with(b"%PDF") => "a PDF document",
        () if is_text(head) => "plain text",
        () => "bytes of no audio format we know",
    }
}

fn is_text(head: &[u8]) -> bool {
    let sample = &head[..head.len().min(512)];
    // A multi-byte character may be cut at the end of the sample.
    let valid = match std::str::from_utf8(sample) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    };
    valid && !sample.iter().any(|&byte| byte < 0x20 && !matches!(byte, b'\n' | b'\r' | b'\t'))
}
