//! The type of a file by its content, also behind some bytes that do not belong to it. Names and `Content-Type` headers of telephonies are not to be believed.

use serde::{Deserialize, Serialize};

use crate::gsm;
use crate::mpeg;

/// What a file is, told by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
    /// Sony Wave64.
    Wave64,
    /// GSM 06.10 frames without a header, as Asterisk writes them.
    Gsm,
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
            Self::Wave64 => "w64",
            Self::Gsm => "gsm",
        }
    }
}

/// Tells the type of a file from its beginning; 64 KiB are enough.
///
/// An `ID3v2` tag longer than `head` is taken for an MP3: nothing else in telephony carries one.
/// `None` means "not audio as far as we know"; headerless G.711 cannot be told from noise.
pub fn sniff(head: &[u8]) -> Option<Kind> {
    locate(head).map(|(kind, _)| kind)
}

/// The type, and how many stray bytes stand before a magic number. Formats without one begin at 0 here and find their
/// first frame themselves.
pub(crate) fn locate(head: &[u8]) -> Option<(Kind, usize)> {
    let (tag_len, body) = match id3v2_len(head) {
        Some(len) if len >= head.len() => return Some((Kind::Mp3, 0)),
        Some(len) => (len, head.get(len..)?),
        None => (0, head),
    };
    let (kind, stray) = magic(body)
        .map(|kind| (kind, 0))
        .or_else(|| behind_text(body))
        .or_else(|| frames(body).map(|kind| (kind, 0)))
        .or_else(|| frames_behind_text(body))?;
    // An MP3 with a tag is judged together with it.
    Some((kind, if kind == Kind::Mp3 { 0 } else { tag_len + stray }))
}

/// Text that may stand before a magic number: a byte order mark, line ends, the warning of a script.
const MAX_STRAY_BYTES: usize = 4096;

/// A magic number behind text that somebody let slip out before the file. Only numbers of six bytes and more count, and
/// nothing but text may stand before them, so neither noise nor an archive is taken for audio.
fn behind_text(head: &[u8]) -> Option<(Kind, usize)> {
    // Magic numbers begin with letters or not; either way the text before them is over where they begin.
    (1..=text_len(head)).find_map(|at| {
        let rest = head.get(at..)?;
        magic(rest).filter(|kind| is_certain(*kind, rest)).map(|kind| (kind, at))
    })
}

/// The same for formats that are told by their frames; MPEG audio finds its own behind anything.
fn frames_behind_text(head: &[u8]) -> Option<(Kind, usize)> {
    let text = text_len(head);
    (1..=text).find_map(|at| {
        let rest = head.get(at..)?;
        match () {
            () if adts(rest, ADTS_FRAMES_BEHIND_TEXT) => Some((Kind::Adts, at)),
            () if gsm::begins(rest) => {
                // The text itself may have a letter where a frame would begin.
                let last = (at..=text).step_by(gsm::FRAME).take_while(|&it| gsm::begins(&head[it..])).last();
                Some((Kind::Gsm, last.unwrap_or(at)))
            }
            () => None,
        }
    })
}

/// How many bytes of text `head` begins with, as far as stray ones are looked for.
fn text_len(head: &[u8]) -> usize {
    let searched = &head[..head.len().min(MAX_STRAY_BYTES)];
    searched.iter().position(|&byte| !is_of_text(byte)).unwrap_or(searched.len())
}

/// Any byte of a text in UTF-8 or a code page, but no control character.
pub(crate) fn is_of_text(byte: u8) -> bool {
    byte >= 0x20 && byte != 0x7f || matches!(byte, b'\n' | b'\r' | b'\t')
}

/// Whether more bytes agree with the type than its shortest magic number has.
fn is_certain(kind: Kind, head: &[u8]) -> bool {
    let number =
        |at: usize| head.get(at..at + 4).map(|it| it.iter().fold(0, |sum, &byte| sum << 8 | u32::from(byte)));
    match kind {
        // RIFF and WAVE, FORM and AIFF, OggS and the name of a codec, a GUID of sixteen bytes.
        Kind::Wav
        | Kind::Aiff
        | Kind::Asf
        | Kind::Wave64
        | Kind::OggOpus
        | Kind::OggVorbis
        | Kind::OggFlac
        | Kind::OggSpeex => true,
        Kind::Amr => head.starts_with(b"#!AMR\n") || head.starts_with(b"#!AMR-WB\n"),
        // The first block is that of the stream and has 34 bytes.
        Kind::Flac => number(4).is_some_and(|it| it & 0x7fff_ffff == 34),
        Kind::Webm => {
            head.iter().take(64).collect::<Vec<_>>().windows(2).any(|it| *it[0] == 0x42 && *it[1] == 0x82)
        }
        // A first box of file type has some dozens of bytes, and a brand of letters.
        Kind::Mp4 => {
            head.get(4..8) == Some(b"ftyp")
                && number(0).is_some_and(|it| (16..=256).contains(&it))
                && head
                    .get(8..12)
                    .is_some_and(|brand| brand.iter().all(|it| it.is_ascii_graphic() || *it == b' '))
        }
        // Offset of the samples, their size, a known encoding.
        Kind::Au => {
            number(4).is_some_and(|it| (24..=4096).contains(&it)) && number(12).is_some_and(|it| it <= 27)
        }
        Kind::Caf => head.get(4..8) == Some(&[0, 1, 0, 0]),
        Kind::Mp3 | Kind::Adts | Kind::Gsm => false,
    }
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
        () if at(0, &WAVE64_HEADER) => Some(Kind::Wave64),
        () => None,
    }
}

/// GUID of the ASF header object (ASF specification, 10.1).
const ASF_HEADER: [u8; 16] =
    [0x30, 0x26, 0xb2, 0x75, 0x8e, 0x66, 0xcf, 0x11, 0xa6, 0xd9, 0x00, 0xaa, 0x00, 0x62, 0xce, 0x6c];

/// GUID of the first chunk of a Sony Wave64 file.
const WAVE64_HEADER: [u8; 16] =
    [0x72, 0x69, 0x66, 0x66, 0x2e, 0x91, 0xcf, 0x11, 0xa5, 0xd6, 0x28, 0xdb, 0x04, 0xc1, 0x00, 0x00];

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
    if adts(head, ADTS_FRAMES) {
        return Some(Kind::Adts);
    }
    gsm::begins(head).then_some(Kind::Gsm)
}

/// ADTS frames that are asked for where a file begins, and behind text, where there are many places to look at.
const ADTS_FRAMES: usize = 3;
const ADTS_FRAMES_BEHIND_TEXT: usize = 8;

/// Whether `head` begins with so many ADTS frames (ISO 13818-7, 6.2) of one kind in a row.
fn adts(head: &[u8], frames: usize) -> bool {
    let mut offset = 0;
    for _ in 0..frames {
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
