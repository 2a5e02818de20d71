//! Checks whether a file has as many bytes as its header declares, for formats that only `ffmpeg` decodes.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use crate::kind::Kind;

/// Minimum 32-bit size that means "unknown" if the file is shorter: streaming writers leave such values.
const STREAMING_SIZE: u64 = 0x7fff_0000;
/// The same for 64-bit sizes.
const STREAMING_WIDE_SIZE: u64 = 1 << 62;
/// Maximum number of visited chunks.
const MAX_CHUNKS: usize = 256;

/// Whether the declared end of the samples is after the end of `window`, the location of the content in `file`. False for
/// formats without a size and for sizes that were never filled in.
pub(crate) fn exceeds_file<R: Read + Seek>(kind: Kind, file: &mut R, window: Range<u64>) -> io::Result<bool> {
    let end = match kind {
        Kind::Au => au_end(file, window.start)?,
        Kind::Aiff => chunk_end(file, window.clone(), &AIFF)?,
        Kind::Caf => chunk_end(file, window.clone(), &CAF)?,
        Kind::Wave64 => chunk_end(file, window.clone(), &WAVE64)?,
        _ => None,
    };
    Ok(end.is_some_and(|end| end > window.end))
}

/// Declared end of the samples of a Sun/`NeXT` file: magic number, offset of the samples, size.
fn au_end<R: Read + Seek>(file: &mut R, start: u64) -> io::Result<Option<u64>> {
    let head = read_at(file, start, 12)?;
    if head.len() < 12 {
        return Ok(None);
    }
    let (offset, size) = (number(&head[4..8]), number(&head[8..12]));
    Ok((size > 0 && size < STREAMING_SIZE).then_some(start + offset + size))
}

/// Structure of a format's chunks.
struct ChunkFormat {
    /// Number of bytes before the first chunk.
    head: u64,
    /// Length of a chunk's name and of its size field, in bytes.
    name: usize,
    size: usize,
    little_endian: bool,
    /// Whether the size includes the name and the size field.
    inclusive: bool,
    /// Alignment of chunks in bytes.
    aligned: u64,
    /// First bytes of the name of the chunk with the samples.
    samples: [u8; 4],
}

const AIFF: ChunkFormat = ChunkFormat {
    head: 12,
    name: 4,
    size: 4,
    little_endian: false,
    inclusive: false,
    aligned: 2,
    samples: *b"SSND",
};
const CAF: ChunkFormat = ChunkFormat {
    head: 8,
    name: 4,
    size: 8,
    little_endian: false,
    inclusive: false,
    aligned: 1,
    samples: *b"data",
};
const WAVE64: ChunkFormat = ChunkFormat {
    head: 40,
    name: 16,
    size: 8,
    little_endian: true,
    inclusive: true,
    aligned: 8,
    samples: *b"data",
};

/// Declared end of the chunk with the samples.
fn chunk_end<R: Read + Seek>(
    file: &mut R,
    window: Range<u64>,
    format: &ChunkFormat,
) -> io::Result<Option<u64>> {
    let head_len = (format.name + format.size) as u64;
    let mut position = window.start + format.head;
    for _ in 0..MAX_CHUNKS {
        let mut head = read_at(file, position, head_len)?;
        if position >= window.end || head.len() as u64 != head_len {
            return Ok(None);
        }
        if format.little_endian {
            head[format.name..].reverse();
        }
        let stated = number(&head[format.name..]);
        let size = if format.inclusive { stated.saturating_sub(head_len) } else { stated };
        let end = position.saturating_add(head_len).saturating_add(size);
        if head.starts_with(&format.samples) {
            let open = if format.size == 4 { STREAMING_SIZE } else { STREAMING_WIDE_SIZE };
            return Ok((size > 0 && size < open).then_some(end));
        }
        let Some(next) = (end - window.start).checked_next_multiple_of(format.aligned) else {
            return Ok(None);
        };
        position = window.start.saturating_add(next);
    }
    Ok(None)
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |sum, &byte| sum << 8 | u64::from(byte))
}

fn read_at<R: Read + Seek>(file: &mut R, position: u64, len: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(position))?;
    let mut bytes = Vec::new();
    file.by_ref().take(len).read_to_end(&mut bytes)?;
    Ok(bytes)
}
