//! Finds the end of the last frame of a FLAC file that has tags, text or zeros after it.
//!
//! FLAC frames have no length field: a frame ends at the next frame or at the end of the file. The demuxer drops a last
//! frame with foreign bytes after it, and thereby an eighth of a second or more.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use crate::frame_walk::FrameWalk;
use crate::text::is_of_text;

/// Length of the file's end in which the last frame is searched.
const TAIL_SEARCH_BYTES: u64 = 256 * 1024;
/// Maximum number of candidate frame headers.
const MAX_HEADERS: usize = 8;
/// Maximum number of zeros at the end that may be the last frame's checksum.
const CHECKSUM_LEN: usize = 2;

/// The end of the last frame of the FLAC at `window` of `file`; the end of the window before its tags if none is found.
pub(crate) fn end<R: Read + Seek>(file: &mut R, window: Range<u64>) -> io::Result<u64> {
    let window_end = FrameWalk::new(&mut *file, window.end)?.end_without_tags()?.max(window.start);
    let start = window_end.saturating_sub(TAIL_SEARCH_BYTES).max(window.start);
    file.seek(SeekFrom::Start(start))?;
    let mut tail = Vec::new();
    file.by_ref().take(window_end - start).read_to_end(&mut tail)?;
    Ok(last_frame_end(&tail).map_or(window_end, |end| start + end as u64))
}

fn last_frame_end(tail: &[u8]) -> Option<usize> {
    let zeros = tail.iter().rev().take_while(|&&byte| byte == 0).count();
    let text = tail.iter().rev().take_while(|&&byte| is_of_text(byte)).count();
    if zeros <= CHECKSUM_LEN && text == 0 {
        return None;
    }
    let foreign = tail.len() - zeros.max(text);
    (0..foreign).rev().filter(|&at| is_header(&tail[at..])).take(MAX_HEADERS).find_map(|at| {
        // The checksum over a frame including its own checksum is 0 (RFC 9639, 9.3).
        let mut sum = tail[at..foreign].iter().fold(0, |sum, &byte| crc16(sum, byte));
        (foreign..=tail.len()).find(|&end| {
            let found = sum == 0;
            sum = tail.get(end).map_or(sum, |&byte| crc16(sum, byte));
            found
        })
    })
}

/// Whether a frame header begins here (RFC 9639, 9.1), by sync code and checksum.
fn is_header(bytes: &[u8]) -> bool {
    let &[0xff, second, sizes, _, number, ..] = bytes else { return false };
    if second & 0xfe != 0xf8 {
        return false;
    }
    // The frame number is coded like a UTF-8 character.
    let number = usize::try_from(number.leading_ones().max(1)).unwrap_or(1);
    let size = match sizes >> 4 {
        6 => 1,
        7 => 2,
        _ => 0,
    };
    let rate = match sizes & 0xf {
        12 => 1,
        13 | 14 => 2,
        _ => 0,
    };
    let len = 4 + number + size + rate;
    bytes.get(..=len).is_some_and(|header| header.iter().fold(0, |sum, &byte| crc8(sum, byte)) == 0)
}

fn crc8(sum: u8, byte: u8) -> u8 {
    (0..8).fold(sum ^ byte, |sum, _| if sum & 0x80 == 0 { sum << 1 } else { sum << 1 ^ 0x07 })
}

fn crc16(sum: u16, byte: u8) -> u16 {
    (0..8).fold(
        sum ^ u16::from(byte) << 8,
        |sum, _| {
            if sum & 0x8000 == 0 { sum << 1 } else { sum << 1 ^ 0x8005 }
        },
    )
}
