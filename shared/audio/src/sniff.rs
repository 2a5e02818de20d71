//! Detects the type of a file from its content, also after stray bytes. File names and `Content-Type` headers of telephony
//! systems are not reliable.

use crate::adts;
use crate::gsm;
use crate::id3::id3v2_len;
use crate::kind::Kind;
use crate::mpeg;
use crate::mpeg_header::Layer;
use crate::ogg;
use crate::text::is_of_text;

/// Detects the type of a file from its beginning; 64 KiB are enough.
///
/// A file with an `ID3v2` tag longer than `head` counts as MP3, because no other type in telephony has one.
/// `None` means "no known audio format"; headerless G.711 cannot be distinguished from noise.
pub fn sniff(head: &[u8]) -> Option<Kind> {
    locate(head).map(|(kind, _)| kind)
}

/// Detects the type and the number of stray bytes before a magic number. The number is 0 for formats without a magic
/// number, which locate their first frame themselves.
pub(crate) fn locate(head: &[u8]) -> Option<(Kind, usize)> {
    let (tag_len, body) = match id3v2_len(head) {
        Some(len) if len >= head.len() => return Some((Kind::Mp3, 0)),
        Some(len) => (len, head.get(len..)?),
        None => (0, head),
    };
    let (kind, stray) = magic(body)
        .map(|kind| (kind, 0))
        .or_else(|| behind_text(body))
        .or_else(|| frames(body))
        .or_else(|| frames_behind_text(body))?;
    // The inspection of MPEG audio includes its tag.
    Some((kind, if matches!(kind, Kind::Mp3 | Kind::Mp2) { 0 } else { tag_len + stray }))
}

/// Maximum length of text before a magic number: a byte order mark, line ends, the warning of a script.
const MAX_STRAY_BYTES: usize = 4096;

/// Finds a magic number after accidental text. Only magic numbers of six bytes or more after nothing but text count, so
/// that neither noise nor an archive is detected as audio.
fn behind_text(head: &[u8]) -> Option<(Kind, usize)> {
    // Magic numbers may begin with letters, so check every position of the text and the one after it.
    (1..=text_len(head)).find_map(|at| {
        let rest = head.get(at..)?;
        magic(rest).filter(|kind| is_certain(*kind, rest)).map(|kind| (kind, at))
    })
}

/// The same for formats that are detected by frames. MPEG audio is detected after any bytes elsewhere.
fn frames_behind_text(head: &[u8]) -> Option<(Kind, usize)> {
    let text = text_len(head);
    (1..=text).find_map(|at| {
        let rest = head.get(at..)?;
        match () {
            () if adts::has_frames(rest, ADTS_FRAMES_BEHIND_TEXT) => Some((Kind::Adts, at)),
            () if gsm::begins(rest) => {
                // A letter of the text may look like the start of a frame.
                let last =
                    (at..=text).step_by(gsm::FRAME_LEN).take_while(|&it| gsm::begins(&head[it..])).last();
                Some((Kind::Gsm, last.unwrap_or(at)))
            }
            () => None,
        }
    })
}

/// Length of the text at the start of `head`, up to the maximum of stray bytes.
fn text_len(head: &[u8]) -> usize {
    let searched = &head[..head.len().min(MAX_STRAY_BYTES)];
    searched.iter().position(|&byte| !is_of_text(byte)).unwrap_or(searched.len())
}

/// Whether more bytes match the type than its shortest magic number.
fn is_certain(kind: Kind, head: &[u8]) -> bool {
    let number =
        |at: usize| head.get(at..at + 4).map(|it| it.iter().fold(0, |sum, &byte| sum << 8 | u32::from(byte)));
    match kind {
        // These have long magic numbers: RIFF and WAVE, FORM and AIFF, OggS and a codec's name, a GUID of 16 bytes.
        Kind::Wav
        | Kind::Avi
        | Kind::Sphere
        | Kind::Voc
        | Kind::Flv
        | Kind::Aiff
        | Kind::Asf
        | Kind::Wave64
        | Kind::OggOpus
        | Kind::OggVorbis
        | Kind::OggFlac
        | Kind::OggSpeex => true,
        Kind::Amr => head.starts_with(b"#!AMR\n") || head.starts_with(b"#!AMR-WB\n"),
        // The first block is STREAMINFO with 34 bytes.
        Kind::Flac => number(4).is_some_and(|it| it & 0x7fff_ffff == 34),
        Kind::Webm => {
            head.iter().take(64).collect::<Vec<_>>().windows(2).any(|it| *it[0] == 0x42 && *it[1] == 0x82)
        }
        // The first box `ftyp` has a few dozen bytes and a brand of letters.
        Kind::Mp4 => {
            head.get(4..8) == Some(b"ftyp")
                && number(0).is_some_and(|it| (16..=256).contains(&it))
                && head
                    .get(8..12)
                    .is_some_and(|brand| brand.iter().all(|it| it.is_ascii_graphic() || *it == b' '))
        }
        // Offset and size of the samples, and a known encoding.
        Kind::Au => {
            number(4).is_some_and(|it| (24..=4096).contains(&it)) && number(12).is_some_and(|it| it <= 27)
        }
        Kind::Caf => head.get(4..8) == Some(&[0, 1, 0, 0]),
        // These are detected by frames, or have four bytes.
        Kind::Mp3
        | Kind::Mp2
        | Kind::Adts
        | Kind::Loas
        | Kind::MpegTs
        | Kind::Gsm
        | Kind::Ircam
        | Kind::WavPack
        | Kind::Tta => false,
    }
}

fn magic(head: &[u8]) -> Option<Kind> {
    let at = |offset: usize, bytes: &[u8]| head.get(offset..).is_some_and(|rest| rest.starts_with(bytes));
    match () {
        () if (at(0, b"RIFF") || at(0, b"RF64") || at(0, b"RIFX")) && at(8, b"WAVE") => Some(Kind::Wav),
        () if at(0, b"RIFF") && at(8, b"AVI ") => Some(Kind::Avi),
        () if at(0, b"OggS") => ogg::kind(head).map(|(kind, _)| kind),
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
        // Version 1, flags with reserved bits 0, and a header of nine bytes.
        () if at(0, b"FLV\x01") && at(5, &[0, 0, 0, 9]) => Some(Kind::Flv),
        () if at(0, b"NIST_1A\n") => Some(Kind::Sphere),
        () if at(0, b"Creative Voice File\x1a") => Some(Kind::Voc),
        () if ircam(head) => Some(Kind::Ircam),
        // Versions 4.2 to 4.16 of the format.
        () if at(0, b"wvpk") && at(9, &[4]) => Some(Kind::WavPack),
        () if at(0, b"TTA1") => Some(Kind::Tta),
        () => None,
    }
}

/// GUID of the ASF header object (ASF specification, 10.1).
const ASF_HEADER: [u8; 16] =
    [0x30, 0x26, 0xb2, 0x75, 0x8e, 0x66, 0xcf, 0x11, 0xa6, 0xd9, 0x00, 0xaa, 0x00, 0x62, 0xce, 0x6c];

/// GUID of the first chunk of a Sony Wave64 file.
const WAVE64_HEADER: [u8; 16] =
    [0x72, 0x69, 0x66, 0x66, 0x2e, 0x91, 0xcf, 0x11, 0xa5, 0xd6, 0x28, 0xdb, 0x04, 0xc1, 0x00, 0x00];

/// Whether this is the header of a Berkeley/IRCAM file: a magic number with the machine in either byte order.
fn ircam(head: &[u8]) -> bool {
    matches!(head.get(..4), Some(&([0x64, 0xa3, 1..=4, 0] | [0, 1..=4, 0xa3, 0x64])))
}

/// Formats without a magic number, detected by several consistent frames in a row; and the offset of the first frame, if the
/// inspection of the format does not search it.
fn frames(head: &[u8]) -> Option<(Kind, usize)> {
    // First those at the beginning of the file, because the content of their packets has frames of other formats.
    match () {
        () if repeats(head, transport_packet_len) => return Some((Kind::MpegTs, 0)),
        () if repeats(head, loas_frame_len) => return Some((Kind::Loas, 0)),
        () => {}
    }
    if let Some((_, header)) = mpeg::first_frame(head) {
        return Some((if header.layer == Layer::Two { Kind::Mp2 } else { Kind::Mp3 }, 0));
    }
    if let Some(offset) = adts::first_frame(head) {
        return Some((Kind::Adts, offset));
    }
    gsm::begins(head).then_some((Kind::Gsm, 0))
}

/// Required ADTS frames after text, where many positions are tried.
const ADTS_FRAMES_BEHIND_TEXT: usize = 8;

/// Required frames or packets in a row of the formats below.
const UNITS_IN_ROW: usize = 5;

/// Whether `head` begins with units whose length is found by `len`, up to the end of a short file.
fn repeats(head: &[u8], len: fn(&[u8]) -> Option<usize>) -> bool {
    let (mut offset, mut units) = (0, 0);
    while units < UNITS_IN_ROW {
        match head.get(offset..) {
            Some([]) => return units >= 2,
            None => return units > 2,
            Some(rest) => match len(rest) {
                Some(len) => (offset, units) = (offset + len, units + 1),
                None => return false,
            },
        }
    }
    true
}

/// Length of a frame of LOAS (ISO 14496-3, 1.7.2): a sync word of eleven bits and a length of thirteen.
fn loas_frame_len(bytes: &[u8]) -> Option<usize> {
    let &[0x56, second, third, ..] = bytes else { return None };
    let len = usize::from(second & 0x1f) << 8 | usize::from(third);
    (second & 0xe0 == 0xe0 && len > 0).then_some(3 + len)
}

/// Length of a packet of a transport stream (ISO 13818-1, 2.4.3.2).
fn transport_packet_len(bytes: &[u8]) -> Option<usize> {
    (bytes.first() == Some(&0x47)).then_some(188)
}

/// Description of bytes that are no audio, for the error a person reads.
pub(crate) fn describe(head: &[u8]) -> &'static str {
    let text = String::from_utf8_lossy(&head[..head.len().min(512)]).trim_start().to_lowercase();
    match () {
        () if text.starts_with("<!doctype html") || text.contains("<html") => "an HTML page",
        () if text.starts_with("<?xml") => "an XML document",
        () if text.starts_with('{') || text.starts_with('[') => "a JSON document",
        () if head.starts_with(b"PK\x03\x04") => "a ZIP archive",
        () if head.starts_with(b"%PDF") => "a PDF document",
        () if is_text(head) => "plain text",
        () => "an unknown format",
    }
}

fn is_text(head: &[u8]) -> bool {
    let sample = &head[..head.len().min(512)];
    // A multi-byte character may be cut off at the end of the inspected bytes.
    let valid = match std::str::from_utf8(sample) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none(),
    };
    valid && !sample.iter().any(|&byte| byte < 0x20 && !matches!(byte, b'\n' | b'\r' | b'\t'))
}
