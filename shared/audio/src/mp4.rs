//! The sound track of an MP4 file: its edit list, which gives the encoder delay at its start, its length, and the holes
//! between its fragments.
//!
//! AAC encoders prepend 1,024 samples or more, an eighth of a second at telephone rate. The demuxer returns them as sound;
//! the edit list (ISO 14496-12, 8.6.6) contains the actual start of the recording.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;

/// Maximum number of visited boxes; a phone recording has a few dozen, and some for each fragment of a live one.
const MAX_BOXES: usize = 1 << 18;
/// Maximum pause before the media, in seconds.
const MAX_LEAD_SECONDS: u64 = 60 * 60;

/// The first sound track, as the container describes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SoundTrack {
    /// Edit of the track, if it has one that begins with at most one pause.
    pub edit: Option<EditList>,
    /// Whether fragments begin later than the previous ones end.
    pub has_holes: bool,
    /// Name of the codec (ISO 14496-12, 8.5.2).
    codec: [u8; 4],
    /// Length in ticks of the media.
    duration: u64,
    media_scale: u32,
}

impl SoundTrack {
    /// Reads the first sound track; `None` if there is none. `window` is the location of the MP4 in the file.
    pub(crate) fn read(path: &Path, window: Range<u64>) -> io::Result<Option<Self>> {
        let mut file = File::open(path)?;
        let mut boxes = Boxes { file: &mut file, left: MAX_BOXES };
        boxes.sound_track(window)
    }

    /// Playing time of AMR in milliseconds, whose last pause `ffmpeg` does not decode; `None` for other codecs, or if it is not
    /// stated.
    pub(crate) fn amr_duration_ms(&self) -> Option<u64> {
        if !matches!(&self.codec, b"samr" | b"sawb") {
            return None;
        }
        match &self.edit {
            Some(edit) => edit.duration_ms(),
            None => duration_in_ms(self.duration, self.media_scale),
        }
    }
}

/// The single edit of the sound track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EditList {
    /// Length of the pause before the media, in ticks of the movie.
    lead: u64,
    media_time: u64,
    media_scale: u32,
    duration: u64,
    movie_scale: u32,
}

impl EditList {
    /// Number of silent frames before the media, at `sample_rate`. A pause of more than an hour is an error of the writer.
    pub(crate) fn lead_frames(&self, sample_rate: u32) -> u64 {
        let frames = scale(self.lead, sample_rate, self.movie_scale);
        if frames <= MAX_LEAD_SECONDS * u64::from(sample_rate) { frames } else { 0 }
    }

    /// Number of frames to drop at the start, at `sample_rate`.
    pub(crate) fn skip_frames(&self, sample_rate: u32) -> u64 {
        scale(self.media_time, sample_rate, self.media_scale)
    }

    /// Number of frames after the dropped start; `None` if the edit has no end.
    pub(crate) fn keep_frames(&self, sample_rate: u32) -> Option<u64> {
        // The duration is a whole number of movie ticks, so the actual end may be up to a tick later.
        (self.duration > 0).then(|| scale(self.duration, sample_rate, self.movie_scale))
    }

    /// Playing time in milliseconds with the pause before the media; `None` if the edit has no end.
    fn duration_ms(&self) -> Option<u64> {
        let media = duration_in_ms(self.duration, self.movie_scale).filter(|&ms| ms > 0)?;
        Some(media.saturating_add(self.lead_frames(1000)))
    }
}

/// A duration in ticks, unless all its bits are set: then it is not known (ISO 14496-12, 8.4.2).
pub(crate) fn known_duration(ticks: u64) -> Option<u64> {
    Some(ticks).filter(|&ticks| ticks != u64::MAX && ticks != u64::from(u32::MAX))
}

fn duration_in_ms(ticks: u64, timescale: u32) -> Option<u64> {
    let known = known_duration(ticks).filter(|_| timescale > 0);
    known.map(|ticks| scale(ticks, 1000, timescale))
}

fn scale(ticks: u64, to: u32, from: u32) -> u64 {
    u64::try_from(u128::from(ticks) * u128::from(to) / u128::from(from.max(1))).unwrap_or(u64::MAX)
}

/// Names of top-level boxes (ISO 14496-12, 6.2.3, and `QuickTime`).
const TOP_LEVEL_BOXES: [&[u8; 4]; 16] = [
    b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"uuid", b"meta", b"moof", b"mfra", b"sidx",
    b"styp", b"pdin", b"udta", b"emsg", b"prft",
];

/// End of the last top-level box of the MP4 at `window` of the file; `None` if a box ends after the window. Bytes after
/// index and sound that are not a box do not belong to the MP4.
pub(crate) fn end(file: &mut File, window: Range<u64>) -> io::Result<Option<u64>> {
    let mut boxes = Boxes { file, left: MAX_BOXES };
    let mut position = window.start;
    let (mut index, mut sound) = (false, false);
    while position + 8 <= window.end && boxes.left > 0 {
        boxes.left -= 1;
        let name = boxes.bytes(position + 4, 4)?;
        if index && sound && !TOP_LEVEL_BOXES.iter().any(|it| it.as_slice() == name) {
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

/// Access to boxes, with a limit of their number.
pub(crate) struct Boxes<'f> {
    file: &'f mut File,
    left: usize,
}

impl Boxes<'_> {
    fn sound_track(&mut self, window: Range<u64>) -> io::Result<Option<SoundTrack>> {
        let Some(moov) = self.find(window.clone(), *b"moov")? else { return Ok(None) };
        let Some(mvhd) = self.find(moov.clone(), *b"mvhd")? else { return Ok(None) };
        let movie_scale = self.timescale(&mvhd)?;
        let mut rest = moov.clone();
        while let Some(trak) = self.find(rest.clone(), *b"trak")? {
            if let Some((media_scale, duration)) = self.sound_times(&trak)? {
                let edit = self.edit(&trak)?.map(|(lead, duration, media_time)| EditList {
                    lead,
                    media_time,
                    media_scale,
                    duration,
                    movie_scale,
                });
                let codec = self.codec(&trak)?;
                let has_holes = self.fragments_have_holes(window, &moov, &trak, media_scale)?;
                return Ok(Some(SoundTrack { edit, has_holes, codec, duration, media_scale }));
            }
            rest = trak.end..rest.end;
        }
        Ok(None)
    }

    /// Pause, duration and media time of a track's edit list.
    fn edit(&mut self, trak: &Range<u64>) -> io::Result<Option<(u64, u64, u64)>> {
        let Some(edts) = self.find(trak.clone(), *b"edts")? else { return Ok(None) };
        let Some(elst) = self.find(edts, *b"elst")? else { return Ok(None) };
        self.single_edit(&elst)
    }

    /// Name of the first sample entry of a track; zeros without one.
    fn codec(&mut self, trak: &Range<u64>) -> io::Result<[u8; 4]> {
        let mut range = trak.clone();
        for name in [b"mdia", b"minf", b"stbl", b"stsd"] {
            let Some(content) = self.find(range, *name)? else { return Ok([0; 4]) };
            range = content;
        }
        // Version, flags, number of entries, and the size of the first one.
        Ok(self.bytes(range.start + 12, 4)?.try_into().unwrap_or_default())
    }

    /// Range of the content of the first box with this name in `range`.
    pub(crate) fn find(&mut self, range: Range<u64>, name: [u8; 4]) -> io::Result<Option<Range<u64>>> {
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

    /// Declared range of the content of the box at `position`; `end` is the end of its parent.
    fn content(&mut self, position: u64, end: u64) -> io::Result<Range<u64>> {
        let head = self.bytes(position, 16)?;
        let (header, size) = match read_be(&head, 0, 4) {
            0 => (8, end - position),
            1 => (16, read_be(&head, 8, 8)),
            size => (8, size),
        };
        Ok(position + header..position.saturating_add(size))
    }

    /// Media timescale and duration of a track, if it is a sound track.
    fn sound_times(&mut self, trak: &Range<u64>) -> io::Result<Option<(u32, u64)>> {
        let Some(mdia) = self.find(trak.clone(), *b"mdia")? else { return Ok(None) };
        let Some(hdlr) = self.find(mdia.clone(), *b"hdlr")? else { return Ok(None) };
        if self.bytes(hdlr.start, 12)?.get(8..12) != Some(b"soun") {
            return Ok(None);
        }
        let Some(mdhd) = self.find(mdia, *b"mdhd")? else { return Ok(None) };
        let head = self.bytes(mdhd.start, 32)?;
        let duration = if head.first() == Some(&1) { read_be(&head, 24, 8) } else { read_be(&head, 16, 4) };
        Ok(Some((self.timescale(&mdhd)?, duration)))
    }

    /// The timescale field, which has the same offset in `mvhd` and `mdhd`.
    fn timescale(&mut self, content: &Range<u64>) -> io::Result<u32> {
        let head = self.bytes(content.start, 24)?;
        let at = if head.first() == Some(&1) { 20 } else { 12 };
        Ok(u32::try_from(read_be(&head, at, 4)).unwrap_or(0))
    }

    /// Pause, duration and media time, if the list has exactly one media edit, possibly after an empty one. Telephony systems
    /// do not write other lists.
    fn single_edit(&mut self, elst: &Range<u64>) -> io::Result<Option<(u64, u64, u64)>> {
        let content = self.bytes(elst.start, 8 + 2 * 20)?;
        let wide = content.first() == Some(&1);
        let (field, entry) = if wide { (8, 20) } else { (4, 12) };
        let empty = if wide { u64::MAX } else { u64::from(u32::MAX) };
        let edit = |index: usize| {
            let at = 8 + index * entry;
            (read_be(&content, at, field), read_be(&content, at + field, field))
        };
        let (duration, media_time) = edit(0);
        Ok(match read_be(&content, 4, 4) {
            1 if media_time != empty => Some((0, duration, media_time)),
            2 if media_time == empty && edit(1).1 != empty => Some((duration, edit(1).0, edit(1).1)),
            _ => None,
        })
    }

    pub(crate) fn bytes(&mut self, position: u64, len: u64) -> io::Result<Vec<u8>> {
        self.file.seek(SeekFrom::Start(position))?;
        let mut bytes = Vec::new();
        self.file.take(len).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// A big-endian number; missing bytes count as zero.
pub(crate) fn read_be(bytes: &[u8], at: usize, len: usize) -> u64 {
    (at..at + len).fold(0, |sum, index| sum << 8 | u64::from(bytes.get(index).copied().unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::{EditList, SoundTrack};

    fn amr(duration: u64, edit: Option<EditList>) -> SoundTrack {
        SoundTrack { edit, has_holes: false, codec: *b"samr", duration, media_scale: 8_000 }
    }

    #[test]
    fn a_duration_of_all_ones_is_not_known() {
        assert_eq!(amr(40_000, None).amr_duration_ms(), Some(5_000));
        assert_eq!(amr(u64::from(u32::MAX), None).amr_duration_ms(), None);
        assert_eq!(amr(u64::MAX, None).amr_duration_ms(), None);
        assert_eq!(SoundTrack { codec: *b"mp4a", ..amr(40_000, None) }.amr_duration_ms(), None);
    }

    #[test]
    fn an_edit_decides_how_long_amr_plays() {
        let edit = |lead, duration| {
            let edit = EditList { lead, media_time: 0, media_scale: 8_000, duration, movie_scale: 1_000 };
            amr(40_000, Some(edit)).amr_duration_ms()
        };
        assert_eq!(edit(0, 3_000), Some(3_000));
        assert_eq!(edit(500, 3_000), Some(3_500));
        assert_eq!(edit(0, 0), None);
        assert_eq!(edit(0, u64::from(u32::MAX)), None);
    }
}
