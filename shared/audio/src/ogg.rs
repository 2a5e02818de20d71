//! How an Ogg file ends: with the page that closes the stream it began with, or in the middle.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

/// The largest Ogg page (RFC 3533, 6): header, segment table and 255 segments of 255 bytes.
const MAX_PAGE: u64 = 27 + 255 + 255 * 255;
/// Bytes behind the last page that do not keep it from being found.
const MAX_FOREIGN: u64 = 64 * 1024;
/// Flag of the last page of a logical stream.
const END_OF_STREAM: u8 = 0x04;

/// What the first and the last page say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OggEnd {
    /// Nothing of the stream follows a page marked as the last one.
    pub complete: bool,
    /// Where that page ends; the end of the file if there is none. What follows is no part of the recording.
    pub end: u64,
    /// The last page belongs to the stream the file began with: no second stream was appended.
    pub single: bool,
}

impl OggEnd {
    /// Reads the ends of what lies at `window` of a file, up to the end of the file.
    pub(crate) fn read<R: Read + Seek>(file: &mut R, window: Range<u64>) -> io::Result<Self> {
        let first = read_at(file, window.start, 18)?;
        let tail_start = window.end.saturating_sub(MAX_PAGE + MAX_FOREIGN).max(window.start);
        let tail = read_at(file, tail_start, MAX_PAGE + MAX_FOREIGN)?;
        let last = (0..tail.len().saturating_sub(26))
            .rev()
            .find_map(|at| Page::parse(&tail[at..]).map(|it| (at, it)));
        let Some((at, page)) = last else {
            return Ok(Self { complete: false, end: window.end, single: false });
        };
        // Behind the last page may be a newline or the warning of a script, but no page that was cut.
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
        Some(Self { flags: bytes[5], serial: bytes[14..18].try_into().ok()?, len: 27 + segments + body })
    }
}

fn read_at<R: Read + Seek>(file: &mut R, position: u64, len: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(position))?;
    let mut bytes = Vec::new();
    file.by_ref().take(len).read_to_end(&mut bytes)?;
    Ok(bytes)
}
