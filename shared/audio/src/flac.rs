//! Where the last frame of a FLAC file ends, if text or zeros stand behind it.
//!
//! A frame does not say how long it is: it ends where the next one begins or the file ends. The demuxer gives up a last
//! frame with foreign bytes behind it, and with it an eighth of a second or more.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use crate::sniff::is_of_text;

/// Bytes of the end in which the last frame is looked for.
const SEARCHED_TAIL: u64 = 256 * 1024;
/// Places that look like headers of frames and are tried.
const MAX_HEADERS: usize = 8;
/// Zeros at the end that may be the checksum of the last frame.
const CHECKSUM: usize = 2;

/// The end of the last frame of the FLAC at `window` of `file`; the end of the window if it is not found.
pub(crate) fn end<R: Read + Seek>(file: &mut R, window: Range<u64>) -> io::Result<u64> {
    let start = window.end.saturating_sub(SEARCHED_TAIL).max(window.start);
    file.seek(SeekFrom::Start(start))?;
    let mut tail = Vec::new();
    file.by_ref().take(window.end - start).read_to_end(&mut tail)?;
    Ok(last_frame_end(&tail).map_or(window.end, |end| start + end as u64))
}

fn last_frame_end(tail: &[u8]) -> Option<usize> {
    let zeros = tail.iter().rev().take_while(|&&byte| byte == 0).count();
    let text = tail.iter().rev().take_while(|&&byte| is_of_text(byte)).count();
    if zeros <= CHECKSUM && text == 0 {
        return None;
    }
    let foreign = tail.len() - zeros.max(text);
    (0..foreign).rev().filter(|&at| is_header(&tail[at..])).take(MAX_HEADERS).find_map(|at| {
        // With its own checksum behind it a frame has the checksum 0 (RFC 9639, 9.3).
        let mut sum = tail[at..foreign].iter().fold(0, |sum, &byte| crc16(sum, byte));
        (foreign..=tail.len()).find(|&end| {
            let found = sum == 0;
            sum = tail.get(end).map_or(sum, |&byte| crc16(sum, byte));
            found
        })
    })
}

/// Whether the header of a frame begins here (RFC 9639, 9.1): its sync code, and its checksum.
fn is_header(bytes: &[u8]) -> bool {
    let &[0xff, second, sizes, _, number, ..] = bytes else { return false };
    if second & 0xfe != 0xf8 {
        return false;
    }
    // The number of the frame is coded like a character in UTF-8.
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
