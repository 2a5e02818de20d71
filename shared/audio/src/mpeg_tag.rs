//! The tag frame at the start of an MP3 (Xing, Info, VBRI), which states the number of frames.
//!
//! The built-in decoder mutes everything behind the stated number. A recorder that writes the tag before the end of the
//! call states too few, and so does the tag of the first of several joined recordings.

use crate::mpeg_header::{Header, Layer};

/// Largest offset of a tag in its frame, in bytes.
pub(crate) const MAX_TAG_OFFSET: usize = 36;
/// Offset of a VBRI tag in its frame, and of the number of frames in the tag, in bytes.
const VBRI_OFFSET: usize = 36;
const VBRI_FRAMES: usize = 14;
/// Offset of the fields after name and flags in a Xing or Info tag, in bytes.
const FIELDS: usize = 8;
/// Length of the table of contents in a Xing or Info tag, in bytes.
const TABLE_LEN: usize = 100;
/// Offset of the checksum in LAME's extension of the tag, in bytes. Decoders accept 0 as "no checksum".
const LAME_CHECKSUM: usize = 34;

/// Flags of a Xing or Info tag: number of frames, number of bytes, table of contents, quality.
const HAS_FRAMES: u32 = 1;
const HAS_BYTES: u32 = 2;
const HAS_TABLE: u32 = 4;
const HAS_QUALITY: u32 = 8;

/// The used fields of an encoder's tag.
pub(crate) struct Tag {
    /// Declared number of frames.
    pub frames: Option<u32>,
    frame: Vec<u8>,
    /// Offset of a Xing or Info tag in the frame; `None` for VBRI.
    xing: Option<usize>,
}

impl Tag {
    /// Reads the tag of the first frame.
    pub(crate) fn read(frame: &[u8], header: &Header) -> Option<Self> {
        if header.layer != Layer::Three {
            return None;
        }
        let number = |at: usize| Some(u32::from_be_bytes(frame.get(at..at + 4)?.try_into().ok()?));
        let xing = offset(header);
        if is_xing(frame, xing) {
            let frames = if number(xing + 4)? & HAS_FRAMES != 0 { number(xing + FIELDS) } else { None };
            return Some(Self { frames, frame: frame.to_vec(), xing: Some(xing) });
        }
        is_vbri(frame).then(|| Self {
            frames: number(VBRI_OFFSET + VBRI_FRAMES),
            frame: frame.to_vec(),
            xing: None,
        })
    }

    /// Whether a frame, of which only the beginning may be known, has a tag instead of sound.
    pub(crate) fn is_at(frame: &[u8], header: &Header) -> bool {
        let at = offset(header);
        // The side information before the tag is zero, after a checksum.
        header.layer == Layer::Three
            && (is_xing(frame, at) && frame[6..at].iter().all(|&byte| byte == 0)
                || is_vbri(frame) && frame[6..VBRI_OFFSET].iter().all(|&byte| byte == 0))
    }

    /// The tag frame with another number of frames; `None` for a tag that states more than that.
    pub(crate) fn with_frames(&self, frames: u64) -> Option<Vec<u8>> {
        let at = self.xing?;
        let mut frame = self.frame.clone();
        let count = u32::try_from(frames).ok()?;
        frame.get_mut(at + FIELDS..at + FIELDS + 4)?.copy_from_slice(&count.to_be_bytes());
        let flags = u32::from_be_bytes(frame.get(at + 4..at + 8)?.try_into().ok()?);
        let fields = [(HAS_FRAMES, 4), (HAS_BYTES, 4), (HAS_TABLE, TABLE_LEN), (HAS_QUALITY, 4)];
        let len: usize = fields.iter().filter(|(flag, _)| flags & flag != 0).map(|(_, len)| len).sum();
        let checksum = at + FIELDS + len + LAME_CHECKSUM;
        if let Some(bytes) = frame.get_mut(checksum..checksum + 2) {
            bytes.fill(0);
        }
        Some(frame)
    }
}

/// Offset of a Xing or Info tag in a frame: right after the side information.
fn offset(header: &Header) -> usize {
    4 + match (header.mpeg1, header.mono) {
        (true, false) => 32,
        (true, true) | (false, false) => 17,
        (false, true) => 9,
    }
}

fn is_xing(frame: &[u8], at: usize) -> bool {
    frame.get(at..).is_some_and(|tag| tag.starts_with(b"Xing") || tag.starts_with(b"Info"))
}

fn is_vbri(frame: &[u8]) -> bool {
    frame.get(VBRI_OFFSET..).is_some_and(|tag| tag.starts_with(b"VBRI"))
}
