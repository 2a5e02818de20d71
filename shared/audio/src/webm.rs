//! Whether a Matroska file has all the bytes its segment announces.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

/// Element ids (RFC 9559, 5): the header every file starts with, and the segment that holds all the rest.
const EBML_HEADER: u64 = 0x1a45_dfa3;
const SEGMENT: u64 = 0x1853_8067;

/// Where the segment ends, if the Matroska file at `window` of `file` has all it announces; `None` if the segment ends
/// beyond the end of the window. Recorders that stream leave its size open; such a file ends where it ends.
pub(crate) fn end<R: Read + Seek>(file: &mut R, window: Range<u64>) -> io::Result<Option<u64>> {
    file.seek(SeekFrom::Start(window.start))?;
    let mut head = Vec::new();
    file.take(4096).read_to_end(&mut head)?;
    let Some(len) = segment_end(&head) else { return Ok(Some(window.end)) };
    let end = window.start.saturating_add(len);
    Ok((end <= window.end).then_some(end))
}

fn segment_end(head: &[u8]) -> Option<u64> {
    let mut at = 0;
    loop {
        let (id, id_len) = number(head.get(at..)?, true)?;
        let (size, size_len) = number(head.get(at + id_len..)?, false)?;
        let content = at + id_len + size_len;
        match id {
            SEGMENT if size == open_size(size_len) => return None,
            SEGMENT => return Some(content as u64 + size),
            EBML_HEADER => at = content.checked_add(usize::try_from(size).ok()?)?,
            _ => return None,
        }
    }
}

/// A number of variable length (RFC 8794, 4) and how many bytes it takes; ids keep their length marker.
fn number(bytes: &[u8], keep_marker: bool) -> Option<(u64, usize)> {
    let first = *bytes.first()?;
    let len = first.leading_zeros() as usize + 1;
    let whole = bytes.get(..len).filter(|it| it.len() <= 8)?;
    let value = whole.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte));
    Some((if keep_marker { value } else { value & open_size(len) }, len))
}

/// All value bits of a size of `len` bytes: as a size it means "not known".
fn open_size(len: usize) -> u64 {
    (1 << (7 * len)) - 1
}
