//! How PCM samples lie in the bytes of a WAV whose blocks are larger than its bits require, such as 24 bits in 4 bytes.
//!
//! The extensible format has its samples at the upper end of the container; some writers of the plain format put them at the
//! lower end, and some state a wrong block. The samples themselves decide.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

/// Largest container of a sample, in bytes.
const MAX_BYTES: u16 = 4;
/// Parts of the samples that are inspected, and the length of each, in bytes.
const PARTS: u64 = 4;
const PART_LEN: u64 = 16 * 1024;

/// Container of the samples of integer PCM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SampleLayout {
    /// Bytes of the container.
    pub bytes: u16,
    /// Unused bits above the sample.
    pub unused_above: u16,
}

/// The fields of a format chunk that describe the size of a sample.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StatedSize {
    pub bits: u16,
    pub channels: u16,
    /// Length of one sample of all channels, in bytes.
    pub block: u16,
    /// Whether the stated bytes per second are those of the block.
    pub rate_confirms_block: bool,
}

impl SampleLayout {
    /// The layout of the samples at `samples` of `file`.
    pub(crate) fn detect<R: Read + Seek>(
        file: &mut R,
        samples: Range<u64>,
        stated: StatedSize,
    ) -> io::Result<Self> {
        let bytes = stated.bits.div_ceil(8);
        let natural = Self { bytes, unused_above: 0 };
        let container = stated.block / stated.channels.max(1);
        let divides = container * stated.channels == stated.block;
        if !divides || container <= bytes || container > MAX_BYTES || bytes == 0 {
            return Ok(natural);
        }
        let unused = usize::from(container - bytes);
        let seen = Evidence::collect(file, samples, usize::from(container), unused)?;
        let upper = Self { bytes: container, unused_above: 0 };
        Ok(match seen {
            Evidence { silent: true, .. } if !stated.rate_confirms_block => natural,
            // Samples of fewer valid bits have zeros below too, so this comes first.
            Evidence { extended: true, .. } => {
                Self { bytes: container, unused_above: 8 * (container - bytes) }
            }
            Evidence { zeros_below: true, .. } => upper,
            // 24-bit containers of 4 bytes may have noise below the valid bits.
            _ if stated.bits == 24 && stated.rate_confirms_block => upper,
            _ => natural,
        })
    }
}

/// Properties of all inspected samples.
struct Evidence {
    silent: bool,
    /// Whether the unused bytes at the lower end are zero.
    zeros_below: bool,
    /// Whether the unused bytes at the upper end repeat the sign, or are all zero.
    extended: bool,
}

impl Evidence {
    fn collect<R: Read + Seek>(
        file: &mut R,
        samples: Range<u64>,
        container: usize,
        unused: usize,
    ) -> io::Result<Self> {
        let (mut silent, mut zeros_below, mut signs, mut zeros_above) = (true, true, true, true);
        let len = samples.end - samples.start;
        for part in 0..PARTS {
            let offset = len / PARTS * part;
            let offset = offset - offset % container as u64;
            file.seek(SeekFrom::Start(samples.start + offset))?;
            let mut bytes = Vec::new();
            file.by_ref().take(PART_LEN.min(len - offset)).read_to_end(&mut bytes)?;
            for sample in bytes.chunks_exact(container) {
                let above = &sample[container - unused..];
                let sign = if sample[container - unused - 1] & 0x80 == 0 { 0 } else { 0xff };
                silent &= sample.iter().all(|&byte| byte == 0);
                zeros_below &= sample[..unused].iter().all(|&byte| byte == 0);
                signs &= above.iter().all(|&byte| byte == sign);
                zeros_above &= above.iter().all(|&byte| byte == 0);
            }
        }
        Ok(Self { silent, zeros_below, extended: signs || zeros_above })
    }
}
