//! Headerless GSM 06.10: detection by frames, and the extent of frames in the file.

use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;

use crate::text::is_of_text;

/// A GSM 06.10 frame of 20 ms, in bytes; its first four bits are 0xD (RFC 3551, 4.5.8).
pub(crate) const FRAME_LEN: usize = 33;
/// Minimum frames in a row that begin with these bits; noise matches once in 10¹⁴ positions.
const MIN_FRAMES: usize = 12;
/// One of this many frames may be damaged.
const FRAMES_PER_DAMAGED: usize = 20;
/// Maximum number of bytes to inspect after the last frame.
const TAIL_SEARCH_BYTES: u64 = 64 * 1024;

/// Counters of the inspected frames.
#[derive(Debug, Default)]
struct Frames {
    seen: usize,
    good: usize,
    /// Number of valid frames in the current run.
    run: usize,
    /// Number of frames up to the end of the last long run, and of valid ones among them.
    end: usize,
    good_at_end: usize,
}

impl Frames {
    /// Adds the first byte of the next frame.
    fn add(&mut self, byte: u8) {
        self.seen += 1;
        if is_start(byte) {
            (self.good, self.run) = (self.good + 1, self.run + 1);
            if self.run >= MIN_FRAMES {
                (self.end, self.good_at_end) = (self.seen, self.good);
            }
        } else {
            self.run = 0;
        }
    }
}

fn is_start(byte: u8) -> bool {
    byte >> 4 == 0xd
}

/// Whether `head` begins with a run of frames and contains little else. A few frames may be damaged, and text or zeros
/// may follow the last one.
pub(crate) fn begins(head: &[u8]) -> bool {
    if head.len() < FRAME_LEN * MIN_FRAMES || !(0..MIN_FRAMES).all(|it| is_start(head[it * FRAME_LEN])) {
        return false;
    }
    // Excludes text with lines of 33 bytes that begin with a Russian letter. Frames, even of silence, have control characters.
    if head[..FRAME_LEN * MIN_FRAMES].iter().all(|&byte| is_of_text(byte)) {
        return false;
    }
    let mut frames = Frames::default();
    head.chunks_exact(FRAME_LEN).for_each(|frame| frames.add(frame[0]));
    let end = frames.end * FRAME_LEN;
    // Excludes files that consist of such bytes only, for example A-law silence.
    let starts = head[..end].iter().filter(|&&byte| is_start(byte)).count();
    starts < end / 4
        && (frames.end - frames.good_at_end) * FRAMES_PER_DAMAGED <= frames.end
        && (is_short(&head[end..]) || is_foreign(&head[end..]))
}

/// Whether the rest is so short that it may be damaged frames.
fn is_short(tail: &[u8]) -> bool {
    tail.len() < FRAME_LEN * MIN_FRAMES
}

/// Whether the rest is text or zeros, possibly after the beginning of a cut frame.
fn is_foreign(tail: &[u8]) -> bool {
    let is_all = |bytes: &[u8]| {
        !bytes.is_empty()
            && (bytes.iter().all(|&byte| byte == 0) || bytes.iter().all(|&byte| is_of_text(byte)))
    };
    is_all(tail) || tail.get(FRAME_LEN..).is_some_and(is_all)
}

/// The extent of the frames in the file, and whether the last frame or the bytes after it are broken.
pub(crate) fn extent<R: Read + Seek>(file: &mut R, window: Range<u64>) -> io::Result<(Range<u64>, bool)> {
    file.seek(SeekFrom::Start(window.start))?;
    let len = window.end - window.start;
    let mut frames = Frames::default();
    let mut reader = BufReader::with_capacity(64 * 1024, file.by_ref().take(len));
    let mut frame = [0; FRAME_LEN];
    for _ in 0..len / FRAME_LEN as u64 {
        reader.read_exact(&mut frame)?;
        frames.add(frame[0]);
    }
    let end = window.start + (frames.end * FRAME_LEN) as u64;
    file.seek(SeekFrom::Start(end))?;
    let mut tail = Vec::new();
    file.by_ref().take(TAIL_SEARCH_BYTES.min(window.end - end)).read_to_end(&mut tail)?;
    if tail.is_empty() || is_foreign(&tail) {
        return Ok((window.start..end, false));
    }
    if is_short(&tail) {
        return Ok((window.clone(), !len.is_multiple_of(FRAME_LEN as u64)));
    }
    Ok((window.start..end, true))
}
