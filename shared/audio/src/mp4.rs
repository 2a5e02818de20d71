//! The edit list of an MP4 file: how many samples at its start are the encoder's delay.
//!
//! AAC encoders put 1,024 samples or more in front, an eighth of a second at telephone rate. The demuxer
//! delivers them as sound; the edit list (ISO 14496-12, 8.6.6) says where the recording really begins.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

/// Boxes walked before a file is given up; a phone recording has some dozens.
const MAX_BOXES: usize = 4096;

/// The one edit of the sound track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EditList {
    media_time: u64,
    media_scale: u32,
    duration: u64,
    movie_scale: u32,
}

impl EditList {
    /// The edit of the first sound track that has one; `None` if the file plays as it is stored. The MP4 lies at
    /// `window` of the file.
    pub(crate) fn read(path: &Path, window: Range<u64>) -> io::Result<Option<Self>> {
        let mut file = File::open(path)?;
        let mut boxes = Boxes { file: &mut file, left: MAX_BOXES };
        boxes.edit_list(window)
    }

    /// Frames to drop from the start at `sample_rate`.
    pub(crate) fn skip_frames(&self, sample_rate: u32) -> u64 {
        scale(self.media_time, sample_rate, self.media_scale)
    }

    /// Frames that remain after the start was dropped; `None` if the edit is open.
    pub(crate) fn keep_frames(&self, sample_rate: u32) -> Option<u64> {
        // The duration is a whole number of movie ticks, so the true end may lie up to a tick later.
        (self.duration > 0).then(|| scale(self.duration, sample_rate, self.movie_scale))
    }
}

fn scale(ticks: u64, to: u32, from: u32) -> u64 {
    u64::try_from(u128::from(ticks) * u128::from(to) / u128::from(from.max(1))).unwrap_or(u64::MAX)
}

/// Names of the boxes that lie next to each other in a file (ISO 14496-12, 6.2.3, and `QuickTime`).
const TOP_LEVEL: [&[u8; 4]; 16] = [
    b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"uuid", b"meta", b"moof", b"mfra", b"sidx",
    b"styp", b"pdin", b"udta", b"emsg", b"prft",
];

/// Where the last top-level box ends, if the MP4 at `window` of the file has all it announces; `None` if a box ends
/// beyond the end of the window. What follows index and sound and is no box is no part of it.
pub(crate) fn end(file: &mut File, window: Range<u64>) -> io::Result<Option<u64>> {
    let mut boxes = Boxes { file, left: MAX_BOXES };
    let mut position = window.start;
    let (mut index, mut sound) = (false, false);
    while position + 8 <= window.end && boxes.left > 0 {
        boxes.left -= 1;
        let name = boxes.bytes(position + 4, 4)?;
        if index && sound && !TOP_LEVEL.iter().any(|it| it.as_slice() == name) {
            return Ok(Some(position));
        }
        index |= name == b"moov";
        sound |= name == b"mdat";
        let end = boxes.content(position, window.end)?.end;
        if end > window.end {
            return Ok(None);
        }
        position = end.max(position + 8);
    }
    Ok(Some(if index && sound && boxes.left > 0 { position } else { window.end }))
}

struct Boxes<'f> {
    file: &'f mut File,
    left: usize,
}

impl Boxes<'_> {
    fn edit_list(&mut self, window: Range<u64>) -> io::Result<Option<EditList>> {
        let Some(moov) = self.find(window, *b"moov")? else { return Ok(None) };
        let Some(mvhd) = self.find(moov.clone(), *b"mvhd")? else { return Ok(None) };
        let movie_scale = self.timescale(&mvhd)?;
        let mut rest = moov;
        while let Some(trak) = self.find(rest.clone(), *b"trak")? {
            if let Some(media_scale) = self.sound_timescale(&trak)? {
                let Some(edts) = self.find(trak.clone(), *b"edts")? else { return Ok(None) };
                let Some(elst) = self.find(edts, *b"elst")? else { return Ok(None) };
                let edit = self.single_edit(&elst)?;
                return Ok(edit.map(|(duration, media_time)| EditList {
                    media_time,
                    media_scale,
                    duration,
                    movie_scale,
                }));
            }
            rest = trak.end..rest.end;
        }
        Ok(None)
    }

    /// Content of the first box of this name in `range`.
    fn find(&mut self, range: Range<u64>, name: [u8; 4]) -> io::Result<Option<Range<u64>>> {
        let mut position = range.start;
        while position + 8 <= range.end && self.left > 0 {
            self.left -= 1;
            let content = self.content(position, range.end)?;
            if content.end < content.start || content.end > range.end {
                return Ok(None);
            }
            if self.bytes(position + 4, 4)? == name {
                return Ok(Some(content));
            }
            position = content.end;
        }
        Ok(None)
    }

    /// What the box at `position` states about its content; `end` is that of its parent.
    fn content(&mut self, position: u64, end: u64) -> io::Result<Range<u64>> {
        let head = self.bytes(position, 16)?;
        let (header, size) = match be(&head, 0, 4) {
            0 => (8, end - position),
            1 => (16, be(&head, 8, 8)),
            size => (8, size),
        };
        Ok(position + header..position.saturating_add(size))
    }

    /// The media timescale of a track, if it is a sound track.
    fn sound_timescale(&mut self, trak: &Range<u64>) -> io::Result<Option<u32>> {
        let Some(mdia) = self.find(trak.clone(), *b"mdia")? else { return Ok(None) };
        let Some(hdlr) = self.find(mdia.clone(), *b"hdlr")? else { return Ok(None) };
        if self.bytes(hdlr.start, 12)?.get(8..12) != Some(b"soun") {
            return Ok(None);
        }
        let Some(mdhd) = self.find(mdia, *b"mdhd")? else { return Ok(None) };
        self.timescale(&mdhd).map(Some)
    }

    /// The timescale field, which `mvhd` and `mdhd` keep at the same place.
    fn timescale(&mut self, content: &Range<u64>) -> io::Result<u32> {
        let head = self.bytes(content.start, 24)?;
        let at = if head.first() == Some(&1) { 20 } else { 12 };
        Ok(u32::try_from(be(&head, at, 4)).unwrap_or(0))
    }

    /// Duration and media time, if the list is one edit that shows media. Other lists are not for telephony.
    fn single_edit(&mut self, elst: &Range<u64>) -> io::Result<Option<(u64, u64)>> {
        let content = self.bytes(elst.start, 8 + 20)?;
        let wide = content.first() == Some(&1);
        if be(&content, 4, 4) != 1 {
            return Ok(None);
        }
        let (duration, media_time) = if wide {
            (be(&content, 8, 8), be(&content, 16, 8))
        } else {
            (be(&content, 8, 4), be(&content, 12, 4))
        };
        let empty = media_time == if wide { u64::MAX } else { u64::from(u32::MAX) };
        Ok((!empty).then_some((duration, media_time)))
    }

    fn bytes(&mut self, position: u64, len: u64) -> io::Result<Vec<u8>> {
        self.file.seek(SeekFrom::Start(position))?;
        let mut bytes = Vec::new();
        self.file.take(len).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// A big-endian number; missing bytes count as zero.
fn be(bytes: &[u8], at: usize, len: usize) -> u64 {
    (at..at + len).fold(0, |sum, index| sum << 8 | u64::from(bytes.get(index).copied().unwrap_or(0)))
}
