//! Finds the sound in an Ogg file, and checks whether the file ends with the last page of its stream or is cut.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use crate::kind::Kind;

/// The largest Ogg page (RFC 3533, 6): header, segment table and 255 segments of 255 bytes.
const MAX_PAGE_LEN: u64 = 27 + 255 + 255 * 255;
/// Maximum length of foreign bytes after the last page.
const MAX_FOREIGN_BYTES: u64 = 64 * 1024;
/// Flags of the first and the last page of a logical stream.
const START_OF_STREAM: u8 = 0x02;
const END_OF_STREAM: u8 = 0x04;

/// The type of the Ogg file that begins with `head`, from the first packet of its streams, and whether its first stream is
/// the sound. All streams begin before the first page with content (RFC 3533, 4).
pub(crate) fn kind(head: &[u8]) -> Option<(Kind, bool)> {
    let mut at = 0;
    while let Some(page) = head.get(at..).and_then(Page::parse) {
        if page.flags & START_OF_STREAM == 0 {
            return None;
        }
        let packet = head.get(at + page.head_len..)?;
        if let Some((_, kind)) = CODECS.into_iter().find(|(name, _)| packet.starts_with(name)) {
            return Some((kind, at == 0));
        }
        at += page.len;
    }
    None
}

/// First bytes of the first packet of each codec.
const CODECS: [(&[u8], Kind); 4] = [
    (b"OpusHead", Kind::OggOpus),
    (b"\x01vorbis", Kind::OggVorbis),
    (b"\x7fFLAC", Kind::OggFlac),
    (b"Speex   ", Kind::OggSpeex),
];

/// Properties of the stream's end, from the first and the last page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OggEnd {
    /// Whether the stream has a page marked as the last one, and no page follows it.
    pub complete: bool,
    /// End of that page; the end of the file if there is none. Bytes after it do not belong to the recording.
    pub end: u64,
    /// Whether the last page belongs to the first stream, so no second stream was appended.
    pub single: bool,
}

impl OggEnd {
    /// Reads the first and the last page of the stream at `window` of a file, up to the end of the file.
    pub(crate) fn read<R: Read + Seek>(file: &mut R, window: Range<u64>) -> io::Result<Self> {
        let first = read_at(file, window.start, 18)?;
        let tail_start = window.end.saturating_sub(MAX_PAGE_LEN + MAX_FOREIGN_BYTES).max(window.start);
        let tail = read_at(file, tail_start, MAX_PAGE_LEN + MAX_FOREIGN_BYTES)?;
        let last = (0..tail.len().saturating_sub(26))
            .rev()
            .find_map(|at| Page::parse(&tail[at..]).map(|it| (at, it)));
        let Some((at, page)) = last else {
            return Ok(Self { complete: false, end: window.end, single: false });
        };
        // A newline or the warning of a script may follow the last page, but not a cut page.
        let foreign = tail.get(at + page.len..);
        let complete = page.flags & END_OF_STREAM != 0 && foreign.is_some_and(|it| !it.starts_with(b"OggS"));
        Ok(Self {
            complete,
            end: if complete { tail_start + (at + page.len) as u64 } else { window.end },
            single: first.get(14..18) == Some(page.serial.as_slice()),
        })
    }
}

struct Page {
    flags: u8,
    serial: [u8; 4],
    /// Length of the header with its segment table, and of the page.
    head_len: usize,
    len: usize,
}

impl Page {
    fn parse(bytes: &[u8]) -> Option<Self> {
        if !bytes.starts_with(b"OggS\0") {
            return None;
        }
        let segments = usize::from(*bytes.get(26)?);
        let table = bytes.get(27..27 + segments)?;
        let body: usize = table.iter().map(|&it| usize::from(it)).sum();
        let head_len = 27 + segments;
        Some(Self { flags: bytes[5], serial: bytes[14..18].try_into().ok()?, head_len, len: head_len + body })
    }
}

fn read_at<R: Read + Seek>(file: &mut R, position: u64, len: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(position))?;
    let mut bytes = Vec::new();
    file.by_ref().take(len).read_to_end(&mut bytes)?;
    Ok(bytes)
}
