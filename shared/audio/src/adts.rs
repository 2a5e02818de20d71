//! AAC in ADTS frames (ISO 13818-7, 6.2): detection, count and exact bounds.
//!
//! A stream may be cut out of a longer one, so that it begins inside a frame, and may be joined from recordings with
//! different rates, at which the built-in decoder stops.

use std::io::{self, Read, Seek};
use std::ops::Range;

use crate::frame_walk::FrameWalk;

/// Maximum length of garbage before the first frame, in bytes.
const MAX_LEADING_GARBAGE: usize = 64 * 1024;
/// Minimum consistent frames in a row after garbage. Noise matches one header in 16,000 offsets.
const MIN_FRAMES_IN_ROW: usize = 4;
/// The same at the start of the file.
const MIN_FRAMES_IN_PLACE: usize = 2;
/// Samples per channel of one block of AAC; a frame has one to four.
const BLOCK_SAMPLES: u64 = 1024;
/// Length of a header without checksum, in bytes.
const HEADER_LEN: usize = 7;
/// Sample rates by index (ISO 14496-3, table 1.18).
const SAMPLE_RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Header {
    /// Version, profile, rate and channels, which are constant in a stream.
    stream: [u8; 3],
    sample_rate: u32,
    blocks: u64,
    /// Length of the frame including its header, in bytes.
    len: usize,
}

impl Header {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let header = bytes.get(..HEADER_LEN)?;
        // The layer is always 0.
        if header[0] != 0xff || header[1] & 0xf6 != 0xf0 {
            return None;
        }
        let sample_rate = *SAMPLE_RATES.get(usize::from(header[2] >> 2 & 0xf))?;
        let len =
            usize::from(header[3] & 3) << 11 | usize::from(header[4]) << 3 | usize::from(header[5] >> 5);
        (len > HEADER_LEN).then(|| Self {
            stream: [header[1] & 0x08, header[2] & 0xfd, header[3] & 0xc0],
            sample_rate,
            blocks: u64::from(header[6] & 3) + 1,
            len,
        })
    }

    fn continues(&self, first: &Self) -> bool {
        self.stream == first.stream
    }
}

/// Offset of the first frame of a plausible stream in `head`, the first bytes of a file. A whole file may consist of a
/// single frame.
pub(crate) fn first_frame(head: &[u8]) -> Option<usize> {
    let limit = head.len().min(MAX_LEADING_GARBAGE);
    (0..limit).filter(|&offset| head[offset] == 0xff).find(|&offset| {
        let needed = if offset == 0 { MIN_FRAMES_IN_PLACE } else { MIN_FRAMES_IN_ROW };
        has_frames(&head[offset..], needed) || offset == 0 && is_one_frame(head)
    })
}

/// Whether `bytes` begins with this many consistent frames; the last one may be incomplete.
pub(crate) fn has_frames(bytes: &[u8], needed: usize) -> bool {
    let Some(first) = Header::parse(bytes) else { return false };
    let (mut count, mut offset) = (1, first.len);
    while count < needed {
        match bytes.get(offset..).and_then(Header::parse) {
            Some(next) if next.continues(&first) => (count, offset) = (count + 1, offset + next.len),
            _ => return false,
        }
    }
    true
}

/// Whether `head` is a frame, or a frame and an `ID3v1` tag.
fn is_one_frame(head: &[u8]) -> bool {
    Header::parse(head).is_some_and(|frame| {
        head.get(frame.len..).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"TAG"))
    })
}

/// The audio part of an ADTS stream, found by walking all its frame headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AdtsStream {
    /// Bytes from the first frame to the end of the last complete one.
    pub frames: Range<u64>,
    /// Whether the stream ends inside a frame.
    pub truncated: bool,
    /// Whether rate, channels or profile change in the stream.
    pub changes: bool,
    /// Whether there are no foreign bytes between frames.
    pub contiguous: bool,
    /// Samples per channel of all frames at the rate of the first one, without spectral band replication.
    pub samples: u64,
    /// Samples per second of the first frame.
    pub sample_rate: u32,
}

impl AdtsStream {
    /// Walks the frames of `file` inside `window`, which begins with a frame; `None` if it does not.
    pub(crate) fn inspect<R: Read + Seek>(file: R, window: Range<u64>) -> io::Result<Option<Self>> {
        let mut walk = FrameWalk::new(file, window.end)?;
        let Some(first) = Header::parse(&walk.bytes(window.start, HEADER_LEN)?) else { return Ok(None) };
        let audio_end = walk.end_without_tags()?;
        let mut stream = Self {
            frames: window.start..window.start,
            truncated: false,
            changes: false,
            contiguous: true,
            samples: 0,
            sample_rate: first.sample_rate,
        };
        let (mut position, mut current) = (window.start, first);
        let mut bytes = [0; HEADER_LEN];
        loop {
            let read = walk.fill(position, &mut bytes)?;
            let next = Header::parse(&bytes[..read]).filter(|header| header.continues(&current));
            let Some(header) = next else {
                if let Some((found, header)) = resync(&mut walk, position)? {
                    stream.contiguous &= found == position;
                    stream.changes |= !header.continues(&first);
                    (position, current) = (found, header);
                    continue;
                }
                // Less than a header may be left of a frame that was cut.
                let left = audio_end.saturating_sub(position);
                stream.truncated = (1..HEADER_LEN as u64).contains(&left) && bytes[0] == 0xff;
                return Ok(Some(stream));
            };
            position += header.len as u64;
            if position > audio_end {
                stream.truncated = true;
                return Ok(Some(stream));
            }
            stream.frames.end = position;
            stream.samples +=
                header.blocks * BLOCK_SAMPLES * u64::from(first.sample_rate) / u64::from(header.sample_rate);
        }
    }
}

/// Position and header of the next stream of frames at or after `from`.
fn resync<R: Read + Seek>(walk: &mut FrameWalk<R>, mut from: u64) -> io::Result<Option<(u64, Header)>> {
    while from < walk.end() {
        let bytes = walk.bytes(from, 2 * MAX_LEADING_GARBAGE)?;
        let found = (0..bytes.len().min(MAX_LEADING_GARBAGE))
            .find(|&offset| bytes[offset] == 0xff && has_frames(&bytes[offset..], MIN_FRAMES_IN_ROW));
        if let Some(offset) = found {
            return Ok(Header::parse(&bytes[offset..]).map(|header| (from + offset as u64, header)));
        }
        from += MAX_LEADING_GARBAGE as u64;
    }
    Ok(None)
}
