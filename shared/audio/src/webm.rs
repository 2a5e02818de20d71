//! Checks whether a Matroska file has all the bytes that its segment declares.

use std::io::{self, Read, Seek};
use std::ops::Range;

use crate::frame_walk::FrameWalk;

/// Element ids (RFC 9559, 5) of the header at the start of a file and of the segment with all other elements.
const EBML_HEADER: u64 = 0x1a45_dfa3;
const SEGMENT: u64 = 0x1853_8067;

/// Id of the element with blocks, whose size may be unknown like the segment's.
const CLUSTER: u64 = 0x1f43_b675;
/// Ids of the elements at the level of a cluster, which end a cluster of unknown size.
const TOP_LEVEL: [u64; 8] = [
    0x114d_9b74, // SeekHead
    0x1549_a966, // Info
    0x1654_ae6b, // Tracks
    CLUSTER,
    0x1c53_bb6b, // Cues
    0x1941_a469, // Attachments
    0x1043_a770, // Chapters
    0x1254_c367, // Tags
];
/// Ids of elements inside a cluster (RFC 9559, 5.1.3) and of those that may be anywhere (RFC 8794, 11.3).
const IN_CLUSTER: [u64; 8] = [0xe7, 0x5854, 0xa7, 0xab, 0xa3, 0xa0, 0xec, 0xbf];
/// Longest head of an element: an id of four bytes and a size of eight.
const MAX_HEAD_LEN: usize = 12;

/// End of the segment of the Matroska file at `window` of `file`; `None` if it is after the end of the window. Streaming
/// recorders do not declare the size; the end is then that of the last element, which shows a cut.
pub(crate) fn end<R: Read + Seek>(file: &mut R, window: Range<u64>) -> io::Result<Option<u64>> {
    let mut walk = FrameWalk::new(file, window.end)?;
    let Some((content, size)) = segment(&walk.bytes(window.start, 4096)?) else {
        return Ok(Some(window.end));
    };
    let content = window.start + content;
    let Some(size) = size else { return end_of_elements(&mut walk, content) };
    let end = content.saturating_add(size);
    Ok((end <= window.end).then_some(end))
}

/// End of the last element of a segment without a size; `None` if that element is cut.
fn end_of_elements<R: Read + Seek>(walk: &mut FrameWalk<R>, content: u64) -> io::Result<Option<u64>> {
    let mut position = content;
    while position < walk.end() {
        let head = walk.bytes(position, MAX_HEAD_LEN)?;
        if head.first() == Some(&0) {
            return Ok(Some(position)); // a preallocated file ends in zeros
        }
        let Some((id, id_len)) = number(&head, true) else { return Ok(None) };
        if !TOP_LEVEL.contains(&id) && !IN_CLUSTER.contains(&id) {
            // Bytes that are no element do not belong to the recording.
            return Ok(Some(position));
        }
        let Some((size, size_len)) = head.get(id_len..).and_then(|rest| number(rest, false)) else {
            return Ok(None);
        };
        position += (id_len + size_len) as u64;
        if size == open_size(size_len) {
            if id != CLUSTER {
                return Ok(Some(walk.end()));
            }
            continue; // its children follow
        }
        position = position.saturating_add(size);
        if position > walk.end() {
            return Ok(None);
        }
    }
    Ok(Some(position))
}

/// Offset of the segment's content, and its size if it is known.
fn segment(head: &[u8]) -> Option<(u64, Option<u64>)> {
    let mut at = 0;
    loop {
        let (id, id_len) = number(head.get(at..)?, true)?;
        let (size, size_len) = number(head.get(at + id_len..)?, false)?;
        let content = at + id_len + size_len;
        match id {
            SEGMENT => return Some((content as u64, (size != open_size(size_len)).then_some(size))),
            EBML_HEADER => at = content.checked_add(usize::try_from(size).ok()?)?,
            _ => return None,
        }
    }
}

/// Reads a number of variable length (RFC 8794, 4) and its length in bytes; ids keep their length marker.
fn number(bytes: &[u8], keep_marker: bool) -> Option<(u64, usize)> {
    let first = *bytes.first()?;
    let len = first.leading_zeros() as usize + 1;
    let whole = bytes.get(..len).filter(|it| it.len() <= 8)?;
    let value = whole.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte));
    Some((if keep_marker { value } else { value & open_size(len) }, len))
}

/// The size of `len` bytes with all value bits set, which means "unknown".
fn open_size(len: usize) -> u64 {
    (1 << (7 * len)) - 1
}
