//! AMR files (RFC 4867, 5): number of the frames.
//!
//! With discontinuous transmission the encoder writes silence descriptors and empty frames in pauses. `ffmpeg` decodes
//! neither, so the number of frames is the only statement of the length.

use std::io::{self, Read, Seek};
use std::ops::Range;

use crate::frame_walk::FrameWalk;

/// Length of a frame, in milliseconds.
const FRAME_MS: u64 = 20;
/// Magic numbers of narrow and wide band.
const NARROW_MAGIC: &[u8] = b"#!AMR\n";
const WIDE_MAGIC: &[u8] = b"#!AMR-WB\n";
/// Bytes of a frame after its header byte, by frame type (RFC 4867, 5.3; 3GPP TS 26.101 and 26.201).
const NARROW_LENGTHS: [u64; 16] = [12, 13, 15, 17, 19, 20, 26, 31, 5, 0, 0, 0, 0, 0, 0, 0];
const WIDE_LENGTHS: [u64; 16] = [17, 23, 32, 36, 40, 46, 50, 58, 60, 5, 0, 0, 0, 0, 0, 0];

/// The frames of an AMR file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AmrStream {
    /// Playing time of the frames before the first foreign byte, in milliseconds.
    pub duration_ms: u64,
    /// Whether the last frame is cut.
    pub truncated: bool,
}

impl AmrStream {
    /// Walks the frames of `file` inside `window`; `None` for a file of several channels, whose frames differ.
    pub(crate) fn inspect<R: Read + Seek>(file: R, window: Range<u64>) -> io::Result<Option<Self>> {
        let mut walk = FrameWalk::new(file, window.end)?;
        let magic = walk.bytes(window.start, WIDE_MAGIC.len())?;
        let (lengths, start) = match () {
            () if magic.starts_with(NARROW_MAGIC) => (&NARROW_LENGTHS, NARROW_MAGIC.len()),
            () if magic.starts_with(WIDE_MAGIC) => (&WIDE_LENGTHS, WIDE_MAGIC.len()),
            () => return Ok(None),
        };
        let mut position = window.start + start as u64;
        let (mut frames, mut truncated) = (0_u64, false);
        let mut header = [0];
        while walk.fill(position, &mut header)? == 1 {
            // The padding bits are zero: this is not a frame.
            if header[0] & 0x83 != 0 {
                break;
            }
            let next = position + 1 + lengths[usize::from(header[0] >> 3 & 0xf)];
            if next > window.end {
                truncated = true;
                break;
            }
            (position, frames) = (next, frames + 1);
        }
        Ok(Some(Self { duration_ms: frames * FRAME_MS, truncated }))
    }
}
