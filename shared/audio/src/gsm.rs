//! Headerless GSM 06.10: told by its frames, and where they end in the file.

use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;

use crate::sniff::is_of_text;

/// A GSM 06.10 frame of 20 ms, in bytes; its first four bits are 0xD (RFC 3551, 4.5.8).
pub(crate) const FRAME: usize = 33;
/// Frames in a row that must begin so: noise does once in 10¹⁴ places.
const MIN_FRAMES: usize = 12;
/// One frame in this many may be damaged.
const DAMAGED_SHARE: usize = 20;
/// Bytes behind the last frame that are looked at.
const TAIL: u64 = 64 * 1024;

/// The frames seen so far.
#[derive(Debug, Default)]
struct Frames {
    seen: usize,
    good: usize,
    /// Good ones up to here without a bad one between them.
    run: usize,
    /// Frames up to the end of the last long run, and the good ones among them.
    end: usize,
    good_at_end: usize,
}

impl Frames {
    /// Takes the first byte of the next frame.
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

/// Whether `head` begins with a row of frames and goes on with little else. A few may be damaged, and text or zeros may
/// stand behind the last one.
pub(crate) fn begins(head: &[u8]) -> bool {
    if head.len() < FRAME * MIN_FRAMES || !(0..MIN_FRAMES).all(|it| is_start(head[it * FRAME])) {
        return false;
    }
    // Lines of 33 bytes that begin with a Russian letter; frames have control characters, also those of silence.
    if head[..FRAME * MIN_FRAMES].iter().all(|&byte| is_of_text(byte)) {
        return false;
    }
    let mut frames = Frames::default();
    head.chunks_exact(FRAME).for_each(|frame| frames.add(frame[0]));
    let end = frames.end * FRAME;
    // In a file of such bytes only, for example the silence of A-law, they are no beginnings of frames.
    let starts = head[..end].iter().filter(|&&byte| is_start(byte)).count();
    starts < end / 4
        && (frames.end - frames.good_at_end) * DAMAGED_SHARE <= frames.end
        && (is_short(&head[end..]) || is_foreign(&head[end..]))
}

/// So little that it may be damaged frames as well.
fn is_short(tail: &[u8]) -> bool {
    tail.len() < FRAME * MIN_FRAMES
}

/// Text or zeros, perhaps behind the beginning of a frame that was cut.
fn is_foreign(tail: &[u8]) -> bool {
    let is_all = |bytes: &[u8]| {
        !bytes.is_empty()
            && (bytes.iter().all(|&byte| byte == 0) || bytes.iter().all(|&byte| is_of_text(byte)))
    };
    is_all(tail) || tail.get(FRAME..).is_some_and(is_all)
}

/// Where the frames lie in the file, and whether the last one or what follows it is broken.
pub(crate) fn extent<R: Read + Seek>(file: &mut R, window: Range<u64>) -> io::Result<(Range<u64>, bool)> {
    file.seek(SeekFrom::Start(window.start))?;
    let len = window.end - window.start;
    let mut frames = Frames::default();
    let mut reader = BufReader::with_capacity(64 * 1024, file.by_ref().take(len));
    let mut frame = [0; FRAME];
    for _ in 0..len / FRAME as u64 {
        reader.read_exact(&mut frame)?;
        frames.add(frame[0]);
    }
    let end = window.start + (frames.end * FRAME) as u64;
    file.seek(SeekFrom::Start(end))?;
    let mut tail = Vec::new();
    file.by_ref().take(TAIL.min(window.end - end)).read_to_end(&mut tail)?;
    if tail.is_empty() || is_foreign(&tail) {
        return Ok((window.start..end, false));
    }
    if is_short(&tail) {
        return Ok((window.clone(), !len.is_multiple_of(FRAME as u64)));
    }
    Ok((window.start..end, true))
}
