//! MPEG audio frames: told from noise, counted, and their true bounds found.
//!
//! A recording may start with garbage and end in the middle of a frame. Walking the frame headers costs
//! next to nothing and says exactly which bytes are audio, so that the decoder and `SpeechKit` are given
//! no others.

use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;

/// How much garbage may stand before the first frame.
const MAX_LEADING_GARBAGE: usize = 64 * 1024;
/// Frames in a row that must agree before bytes found behind garbage are believed to be MPEG audio.
/// One header matches noise once in some 4,000 offsets; three of them, each where the last one says, do not.
const FRAMES_TO_BELIEVE: usize = 3;
/// The same where a frame is expected, at the very beginning or right after a tag.
const FRAMES_TO_BELIEVE_IN_PLACE: usize = 2;

/// A layer III frame header (ISO 11172-3, 2.4.1.3; MPEG-2.5 as encoders write it).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Header {
    /// Version and sample rate bits, which never change inside a stream.
    stream: (u8, u8),
    mono: bool,
    /// MPEG-1 has a longer side information block.
    mpeg1: bool,
    /// Whole frame with its header, in bytes.
    len: usize,
}

const BITRATES_1: [usize; 15] = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
const BITRATES_2: [usize; 15] = [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
const RATES_1: [usize; 3] = [44_100, 48_000, 32_000];

impl Header {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let &[0xff, second, third, fourth] = bytes.get(..4)? else { return None };
        let (version, layer) = (second >> 3 & 3, second >> 1 & 3);
        let (bitrate, rate, emphasis) = (third >> 4, third >> 2 & 3, fourth & 3);
        if second & 0xe0 != 0xe0 || version == 1 || layer != 1 || emphasis == 2 {
            return None;
        }
        let mpeg1 = version == 3;
        let kbits = *if mpeg1 { &BITRATES_1 } else { &BITRATES_2 }.get(usize::from(bitrate))?;
        let hertz = *RATES_1.get(usize::from(rate))? >> [2, 0, 1, 0][usize::from(version)];
        if kbits == 0 {
            return None; // free format: no encoder of telephone recordings writes it
        }
        let slots = if mpeg1 { 144_000 } else { 72_000 };
        let len = slots * kbits / hertz + usize::from(third >> 1 & 1);
        Some(Self { stream: (version, rate), mono: fourth >> 6 == 3, mpeg1, len })
    }

    fn continues(&self, first: &Self) -> bool {
        self.stream == first.stream && self.mono == first.mono
    }

    /// Where a Xing or Info tag stands in the frame: right after the side information.
    fn tag_offset(&self) -> usize {
        4 + match (self.mpeg1, self.mono) {
            (true, false) => 32,
            (true, true) | (false, false) => 17,
            (false, true) => 9,
        }
    }
}

/// Offset of the first frame of a believable stream in `head`.
pub(crate) fn first_frame(head: &[u8]) -> Option<usize> {
    let limit = head.len().min(MAX_LEADING_GARBAGE);
    (0..limit).find(|&offset| {
        head[offset] == 0xff
            && frames_in_row(&head[offset..])
                >= if offset == 0 { FRAMES_TO_BELIEVE_IN_PLACE } else { FRAMES_TO_BELIEVE }
    })
}

/// How many consistent frame headers follow each other from the start of `bytes`, up to what we ask for.
fn frames_in_row(bytes: &[u8]) -> usize {
    let Some(first) = Header::parse(bytes) else { return 0 };
    let (mut count, mut offset) = (1, first.len);
    while count < FRAMES_TO_BELIEVE {
        match bytes.get(offset..).and_then(Header::parse) {
            Some(next) if next.continues(&first) => (count, offset) = (count + 1, offset + next.len),
            _ => break,
        }
    }
    count
}

/// The audio part of an MPEG stream, found by walking all its frame headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MpegStream {
    /// Bytes from the first frame to the end of the last complete one.
    pub frames: Range<u64>,
    /// Bytes of the leading frame that holds a Xing/Info tag instead of sound; 0 without one.
    pub tag_frame_len: u64,
    /// Frames follow each other without foreign bytes between them.
    pub contiguous: bool,
    /// The stream ends inside a frame, or has fewer frames than its own tag says.
    pub truncated: bool,
    /// Nothing but tags stands before the first frame and after the last one.
    pub clean: bool,
}

impl MpegStream {
    /// Walks the frames of `file` inside `window`; `None` if there is no believable frame.
    pub(crate) fn inspect<R: Read + Seek>(file: R, window: Range<u64>) -> io::Result<Option<Self>> {
        let mut walk = Walk::new(file, window.end)?;
        let head = walk.bytes(window.start, 2 * MAX_LEADING_GARBAGE)?;
        let Some(offset) = first_frame(&head) else { return Ok(None) };
        let Some(first) = Header::parse(&head[offset..]) else { return Ok(None) };
        let start = window.start + offset as u64;

        let tag = Tag::read(&head[offset..(offset + first.len).min(head.len())], &first);
        let audio_end = walk.end_without_tags()?;
        let (mut position, mut frames, mut contiguous) = (start, 0_u64, true);
        let mut truncated = false;
        let mut end = start;
        loop {
            match walk.header(position)? {
                Some(header) if header.continues(&first) => {
                    let next = position + header.len as u64;
                    if next > audio_end {
                        truncated = true;
                        break;
                    }
                    (position, end, frames) = (next, next, frames + 1);
                }
                _ => match walk.resync(position, &first)? {
                    Some(found) => (position, contiguous) = (found, false),
                    None => break,
                },
            }
        }
        let sounding = frames.saturating_sub(u64::from(tag.is_some()));
        let short_of_tag = tag.as_ref().and_then(|tag| tag.frames).is_some_and(|stated| {
            // Writers disagree whether the tag counts its own frame.
            sounding + 1 < u64::from(stated)
        });
        Ok(Some(Self {
            frames: start..end,
            tag_frame_len: if tag.is_some() { first.len as u64 } else { 0 },
            contiguous,
            truncated: truncated || short_of_tag,
            clean: offset == 0 && end == audio_end,
        }))
    }
}

/// The Xing/Info tag of an encoder, as far as we need it.
struct Tag {
    frames: Option<u32>,
}

impl Tag {
    fn read(frame: &[u8], header: &Header) -> Option<Self> {
        let tag = frame.get(header.tag_offset()..)?;
        if !(tag.starts_with(b"Xing") || tag.starts_with(b"Info")) {
            return None;
        }
        let number = |at: usize| Some(u32::from_be_bytes(tag.get(at..at + 4)?.try_into().ok()?));
        let frames = if number(4)? & 1 != 0 { number(8) } else { None };
        Some(Self { frames })
    }
}

/// Random access to the bytes of a file through one buffer; forward steps stay inside it.
struct Walk<R: Read + Seek> {
    reader: BufReader<R>,
    position: u64,
    end: u64,
}

impl<R: Read + Seek> Walk<R> {
    fn new(mut file: R, end: u64) -> io::Result<Self> {
        file.seek(SeekFrom::Start(0))?;
        Ok(Self { reader: BufReader::with_capacity(64 * 1024, file), position: 0, end })
    }

    fn bytes(&mut self, position: u64, len: usize) -> io::Result<Vec<u8>> {
        let step = i64::try_from(position).unwrap_or(i64::MAX) - i64::try_from(self.position).unwrap_or(0);
        self.reader.seek_relative(step)?;
        let len = (len as u64).min(self.end.saturating_sub(position));
        let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or(0));
        self.reader.by_ref().take(len).read_to_end(&mut bytes)?;
        self.position = position + bytes.len() as u64;
        Ok(bytes)
    }

    fn header(&mut self, position: u64) -> io::Result<Option<Header>> {
        Ok(Header::parse(&self.bytes(position, 4)?))
    }

    /// Where the stream goes on after foreign bytes.
    fn resync(&mut self, from: u64, first: &Header) -> io::Result<Option<u64>> {
        let mut from = from + 1;
        while from < self.end {
            let bytes = self.bytes(from, 2 * MAX_LEADING_GARBAGE)?;
            let found = (0..bytes.len().min(MAX_LEADING_GARBAGE)).find(|&offset| {
                Header::parse(&bytes[offset..]).is_some_and(|it| it.continues(first))
                    && frames_in_row(&bytes[offset..]) >= FRAMES_TO_BELIEVE
            });
            if let Some(offset) = found {
                return Ok(Some(from + offset as u64));
            }
            from += MAX_LEADING_GARBAGE as u64;
        }
        Ok(None)
    }

    /// The end of the audio without an `ID3v1` tag (128 bytes) and an APE tag before it.
    fn end_without_tags(&mut self) -> io::Result<u64> {
        let mut end = self.end;
        if end >= 128 && self.bytes(end - 128, 3)? == b"TAG" {
            end -= 128;
        }
        if end >= 32 {
            let footer = self.bytes(end - 32, 32)?;
            if footer.starts_with(b"APETAGEX") {
                let size = u64::from(u32::from_le_bytes([footer[12], footer[13], footer[14], footer[15]]));
                let header = if footer[23] & 0x80 != 0 { 32 } else { 0 };
                end = end.saturating_sub(size + header);
            }
        }
        Ok(end)
    }
}

/// Start of what follows all `ID3v2` tags at the beginning of `file`; several in a row occur.
pub(crate) fn skip_id3v2<R: Read + Seek>(file: &mut R, len: u64) -> io::Result<u64> {
    let mut start = 0_u64;
    loop {
        file.seek(SeekFrom::Start(start))?;
        let mut header = Vec::with_capacity(10);
        file.by_ref().take(10).read_to_end(&mut header)?;
        match crate::sniff::id3v2_len(&header) {
            Some(tag) if start + tag as u64 <= len => start += tag as u64,
            _ => return Ok(start),
        }
    }
}
