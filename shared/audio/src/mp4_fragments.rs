//! Holes between the fragments of an MP4 (ISO 14496-12, 8.8), as live recorders write it.
//!
//! The built-in demuxer counts the samples of fragments and does not read their times.

use std::io;
use std::ops::Range;

use crate::mp4::{Boxes, read_be};

/// Minimum length of a hole, in milliseconds.
const MIN_HOLE_MS: u64 = 40;
/// Maximum length of the table of a run of samples, in bytes.
const MAX_RUN_BYTES: u64 = 1 << 20;

/// Flags of a fragment's header: fields before the default duration, and that duration.
const BASE_OFFSET: u64 = 0x1;
const DESCRIPTION: u64 = 0x2;
const DEFAULT_DURATION: u64 = 0x8;
/// Flags of a run: fields before the table, and fields of its entries.
const DATA_OFFSET: u64 = 0x1;
const FIRST_FLAGS: u64 = 0x4;
const DURATIONS: u64 = 0x100;
const ENTRY_FIELDS: [u64; 4] = [DURATIONS, 0x200, 0x400, 0x800];

impl Boxes<'_> {
    /// Whether a fragment of the track begins later than the previous one ends.
    pub(crate) fn fragments_have_holes(
        &mut self,
        window: Range<u64>,
        moov: &Range<u64>,
        trak: &Range<u64>,
        media_scale: u32,
    ) -> io::Result<bool> {
        let Some(mvex) = self.find(moov.clone(), *b"mvex")? else { return Ok(false) };
        let Some(tkhd) = self.find(trak.clone(), *b"tkhd")? else { return Ok(false) };
        let head = self.bytes(tkhd.start, 24)?;
        let track_id = if head.first() == Some(&1) { read_be(&head, 20, 4) } else { read_be(&head, 12, 4) };
        let default = self.default_duration(mvex, track_id)?;
        let tolerance = MIN_HOLE_MS * u64::from(media_scale) / 1000;
        let mut rest = window;
        let mut end: Option<u64> = None;
        while let Some(moof) = self.find(rest.clone(), *b"moof")? {
            rest.start = moof.end;
            let Some((start, duration)) = self.fragment(moof, track_id, default)? else { continue };
            let start = start.or(end).unwrap_or(0);
            if end.is_some_and(|end| start > end.saturating_add(tolerance)) {
                return Ok(true);
            }
            end = Some(start.saturating_add(duration));
        }
        Ok(false)
    }

    /// Default duration of the samples of a track.
    fn default_duration(&mut self, mvex: Range<u64>, track_id: u64) -> io::Result<u64> {
        let mut rest = mvex;
        while let Some(trex) = self.find(rest.clone(), *b"trex")? {
            let fields = self.bytes(trex.start, 16)?;
            if read_be(&fields, 4, 4) == track_id {
                return Ok(read_be(&fields, 12, 4));
            }
            rest.start = trex.end;
        }
        Ok(0)
    }

    /// Declared start and duration of the track's part of a fragment; `None` without a part.
    fn fragment(
        &mut self,
        moof: Range<u64>,
        track_id: u64,
        default: u64,
    ) -> io::Result<Option<(Option<u64>, u64)>> {
        let mut rest = moof;
        while let Some(traf) = self.find(rest.clone(), *b"traf")? {
            rest.start = traf.end;
            let Some(tfhd) = self.find(traf.clone(), *b"tfhd")? else { continue };
            let head = self.bytes(tfhd.start, 32)?;
            if read_be(&head, 4, 4) != track_id {
                continue;
            }
            let flags = read_be(&head, 1, 3);
            let at = 8
                + if flags & BASE_OFFSET != 0 { 8 } else { 0 }
                + if flags & DESCRIPTION != 0 { 4 } else { 0 };
            let default = if flags & DEFAULT_DURATION != 0 { read_be(&head, at, 4) } else { default };
            let start = match self.find(traf.clone(), *b"tfdt")? {
                Some(tfdt) => {
                    let time = self.bytes(tfdt.start, 12)?;
                    let len = if time.first() == Some(&1) { 8 } else { 4 };
                    Some(read_be(&time, 4, len))
                }
                None => None,
            };
            return Ok(Some((start, self.duration_of_runs(traf, default)?)));
        }
        Ok(None)
    }

    fn duration_of_runs(&mut self, traf: Range<u64>, default: u64) -> io::Result<u64> {
        let (mut rest, mut sum) = (traf, 0_u64);
        while let Some(trun) = self.find(rest.clone(), *b"trun")? {
            rest.start = trun.end;
            let run = self.bytes(trun.start, (trun.end - trun.start).min(MAX_RUN_BYTES))?;
            let (flags, count) = (read_be(&run, 1, 3), read_be(&run, 4, 4));
            if flags & DURATIONS == 0 {
                sum = sum.saturating_add(default.saturating_mul(count));
                continue;
            }
            let at = 8
                + if flags & DATA_OFFSET != 0 { 4 } else { 0 }
                + if flags & FIRST_FLAGS != 0 { 4 } else { 0 };
            let entry = 4 * ENTRY_FIELDS.iter().filter(|&&field| flags & field != 0).count();
            let table = run.get(at..).unwrap_or_default();
            let count = usize::try_from(count).unwrap_or(usize::MAX);
            sum = table
                .chunks_exact(entry)
                .take(count)
                .fold(sum, |sum, it| sum.saturating_add(read_be(it, 0, 4)));
        }
        Ok(sum)
    }
}
