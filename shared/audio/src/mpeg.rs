//! MPEG audio frames: detection, count and exact bounds.
//!
//! A recording may start with garbage, end inside a frame, or be joined from several ones. Walking the frame headers is
//! cheap and gives the exact bytes of audio, so that the decoder and `SpeechKit` get only these.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use crate::frame_walk::FrameWalk;
use crate::mpeg_header::Header;
use crate::mpeg_tag::{MAX_TAG_OFFSET, Tag};

/// Maximum length of garbage before the first frame, in bytes.
const MAX_LEADING_GARBAGE: usize = 64 * 1024;
/// Minimum consistent frames in a row for a stream after garbage. One header matches noise once in about 4,000 offsets;
/// three headers, each at the offset that the previous one gives, do not.
const MIN_FRAMES_IN_ROW: usize = 3;
/// The same at an expected position: at the start of the file or right after a tag.
const MIN_FRAMES_IN_PLACE: usize = 2;
/// Bytes of a frame that are read to see a tag in it.
const TAG_SEARCH_LEN: usize = MAX_TAG_OFFSET + 4;

/// Offset and header of the first frame of a plausible stream in `head`.
pub(crate) fn first_frame(head: &[u8]) -> Option<(usize, Header)> {
    let limit = head.len().min(MAX_LEADING_GARBAGE);
    (0..limit).filter(|&offset| head[offset] == 0xff).find_map(|offset| {
        let needed = if offset == 0 { MIN_FRAMES_IN_PLACE } else { MIN_FRAMES_IN_ROW };
        let header = Header::parse(&head[offset..])?;
        (frames_in_row(&head[offset..]) >= needed).then_some((offset, header))
    })
}

/// Number of consistent frame headers in a row from the start of `bytes`, up to the required minimum.
fn frames_in_row(bytes: &[u8]) -> usize {
    let Some(first) = Header::parse(bytes) else { return 0 };
    let (mut count, mut offset) = (1, first.len);
    while count < MIN_FRAMES_IN_ROW {
        match bytes.get(offset..).and_then(Header::parse) {
            Some(next) if next.continues(&first) => (count, offset) = (count + 1, offset + next.len),
            _ => break,
        }
    }
    count
}

/// The audio part of an MPEG stream, found by walking all its frame headers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent findings of one walk")]
pub(crate) struct MpegStream {
    /// Bytes from the first frame to the end of the last complete one.
    pub frames: Range<u64>,
    /// Length of the leading frame with a tag instead of sound; 0 without one.
    pub tag_frame_len: u64,
    /// The tag frame with the true number of frames, if the file's own states fewer. Empty if the tag cannot be corrected.
    pub corrected_tag: Option<Vec<u8>>,
    /// Whether the first frame has a tag with the number of frames.
    pub counted: bool,
    /// Whether there are no foreign bytes between frames.
    pub contiguous: bool,
    /// Whether the stream ends inside a frame, or has fewer frames than its tag declares.
    pub truncated: bool,
    /// Whether only tags precede the first frame and follow the last one.
    pub clean: bool,
    /// Whether a second recording with a tag of its own follows the first one.
    pub joined: bool,
    /// Whether layer, sample rate or channels change in the stream.
    pub changes: bool,
    /// Samples per channel of all frames with sound, including the encoder's delay.
    pub samples: u64,
    /// Samples per second of the first frame.
    pub sample_rate: u32,
}

impl MpegStream {
    /// Whether the demuxer gets a tag with the number of frames.
    pub(crate) fn states_frames(&self) -> bool {
        self.counted && self.corrected_tag.as_ref().is_none_or(|tag| !tag.is_empty())
    }

    /// Whether a decoder that believes the tag plays all frames and nothing else.
    pub(crate) fn is_as_stated(&self) -> bool {
        !self.joined && !self.changes && self.corrected_tag.is_none()
    }

    /// Walks the frames of `file` inside `window`; `None` if there is no plausible frame.
    pub(crate) fn inspect<R: Read + Seek>(file: R, window: Range<u64>) -> io::Result<Option<Self>> {
        let mut walk = FrameWalk::new(file, window.end)?;
        let head = walk.bytes(window.start, 2 * MAX_LEADING_GARBAGE)?;
        let Some((offset, first)) = first_frame(&head) else { return Ok(None) };
        let tag = Tag::read(&head[offset..(offset + first.len).min(head.len())], &first);
        let audio_end = walk.end_without_tags()?;
        let mut count = Count::new(window.start + offset as u64, first, audio_end);
        count.walk(&mut walk)?;
        Ok(Some(count.into_stream(offset == 0, tag.as_ref())))
    }
}

/// State of a walk over all frames.
struct Count {
    start: u64,
    first: Header,
    audio_end: u64,
    /// End of the last complete frame.
    end: u64,
    frames: u64,
    samples: u64,
    /// Number of tag frames after the first frame.
    inner_tags: u64,
    contiguous: bool,
    truncated: bool,
    changes: bool,
}

impl Count {
    fn new(start: u64, first: Header, audio_end: u64) -> Self {
        Self {
            start,
            first,
            audio_end,
            end: start,
            frames: 0,
            samples: 0,
            inner_tags: 0,
            contiguous: true,
            truncated: false,
            changes: false,
        }
    }

    fn walk<R: Read + Seek>(&mut self, walk: &mut FrameWalk<R>) -> io::Result<()> {
        let mut position = self.start;
        let mut current = self.first;
        let mut bytes = [0; TAG_SEARCH_LEN];
        loop {
            let read = walk.fill(position, &mut bytes)?;
            let frame = &bytes[..read];
            match Header::parse(frame) {
                Some(header) if header.continues(&current) => {
                    let next = position + header.len as u64;
                    if next > self.audio_end {
                        self.truncated = true;
                        return Ok(());
                    }
                    if position > self.start && Tag::is_at(frame, &header) {
                        self.inner_tags += 1;
                    }
                    (position, self.end) = (next, next);
                    (self.frames, self.samples) = (self.frames + 1, self.samples + header.samples());
                }
                _ => match resync(walk, position)? {
                    Some((found, header)) => {
                        self.contiguous &= found == position;
                        self.changes |= !header.continues(&self.first);
                        (position, current) = (found, header);
                    }
                    None => return Ok(()),
                },
            }
        }
    }

    fn into_stream(self, from_the_start: bool, tag: Option<&Tag>) -> MpegStream {
        let tags = u64::from(tag.is_some()) + self.inner_tags;
        let sounding = self.frames.saturating_sub(tags);
        let stated = tag.and_then(|tag| tag.frames).map(u64::from);
        // Some writers include the tag's own frame in the count, others do not. No writer counts frames that are not there
        // yet: a smaller count was written before the end of the call, or belongs to the first of several recordings.
        let corrected = tag.filter(|_| stated.is_some_and(|stated| stated < sounding));
        MpegStream {
            frames: self.start..self.end,
            tag_frame_len: if tag.is_some() { self.first.len as u64 } else { 0 },
            corrected_tag: corrected.map(|tag| tag.with_frames(sounding).unwrap_or_default()),
            counted: stated.is_some(),
            contiguous: self.contiguous,
            truncated: self.truncated || stated.is_some_and(|stated| sounding + 1 < stated),
            clean: from_the_start && self.end == self.audio_end,
            joined: self.inner_tags > 0,
            changes: self.changes,
            samples: self.samples.saturating_sub(tags * self.first.samples()),
            sample_rate: self.first.sample_rate,
        }
    }
}

/// Position and header of the next stream of frames at or after `from`, where the current stream ends.
fn resync<R: Read + Seek>(walk: &mut FrameWalk<R>, from: u64) -> io::Result<Option<(u64, Header)>> {
    let mut from = skip_tag(walk, from)?;
    while from < walk.end() {
        let bytes = walk.bytes(from, 2 * MAX_LEADING_GARBAGE)?;
        let found = (0..bytes.len().min(MAX_LEADING_GARBAGE))
            .find(|&offset| bytes[offset] == 0xff && frames_in_row(&bytes[offset..]) >= MIN_FRAMES_IN_ROW);
        if let Some(offset) = found {
            return Ok(Header::parse(&bytes[offset..]).map(|header| (from + offset as u64, header)));
        }
        from += MAX_LEADING_GARBAGE as u64;
    }
    Ok(None)
}

/// Position after an `ID3v2` tag at `from`, whose pictures may look like frames.
fn skip_tag<R: Read + Seek>(walk: &mut FrameWalk<R>, from: u64) -> io::Result<u64> {
    let tag = crate::id3::id3v2_len(&walk.bytes(from, 10)?).map_or(0, |len| len as u64);
    let behind = from.saturating_add(tag);
    Ok(if behind < walk.end() { behind } else { from })
}

/// Offset after all `ID3v2` tags at the beginning of `file`; there may be several.
pub(crate) fn skip_id3v2<R: Read + Seek>(file: &mut R, len: u64) -> io::Result<u64> {
    let mut start = 0_u64;
    loop {
        file.seek(SeekFrom::Start(start))?;
        let mut header = Vec::with_capacity(10);
        file.by_ref().take(10).read_to_end(&mut header)?;
        match crate::id3::id3v2_len(&header) {
            Some(tag) if start + tag as u64 <= len => start += tag as u64,
            _ => return Ok(start),
        }
    }
}
