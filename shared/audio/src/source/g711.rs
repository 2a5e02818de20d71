//! A-law and µ-law (ITU-T G.711), decoded with a table of 256 values each.
//!
//! Half of the WAV files of telephony systems use them, and a table is several times faster than a general decoder. The
//! target is the speed of `ffmpeg`.

use super::{PcmFormat, PcmSource, SourceError, Step};
use crate::file_slice::FileSlice;
use crate::riff::{WavHeader, tag};

/// Number of samples per block.
const BLOCK_FRAMES: usize = 8 * 1024;

/// Decoder of the samples of a WAV.
pub(super) struct G711Source {
    samples: FileSlice,
    table: [f32; 256],
    format: PcmFormat,
    bytes: Vec<u8>,
}

impl G711Source {
    /// Creates a decoder of `samples`; an error if the codec of `header` is neither A-law nor µ-law.
    pub(super) fn new(header: &WavHeader, samples: FileSlice) -> Result<Self, SourceError> {
        let law: fn(u8) -> i16 = if header.codec == tag::A_LAW { a_law } else { mu_law };
        let format = PcmFormat { sample_rate: header.sample_rate, channels: header.channels }.checked()?;
        let table = std::array::from_fn(|byte| f32::from(law(u8::try_from(byte).unwrap_or(0))) / 32_768.0);
        let bytes = vec![0; BLOCK_FRAMES * usize::from(format.channels)];
        Ok(Self { samples, table, format, bytes })
    }
}

impl PcmSource for G711Source {
    fn format(&self) -> PcmFormat {
        self.format
    }

    fn next_block(&mut self, block: &mut Vec<f32>) -> Result<Step, SourceError> {
        block.clear();
        let read = super::read_full(&mut self.samples, &mut self.bytes).map_err(SourceError::Io)?;
        let whole = read - read % usize::from(self.format.channels);
        if whole == 0 {
            return Ok(Step::End);
        }
        block.extend(self.bytes[..whole].iter().map(|&byte| self.table[usize::from(byte)]));
        Ok(Step::Block)
    }
}

/// ITU-T G.711, table 2: 14-bit values with sign, three bits of exponent and four of mantissa, all inverted;
/// scaled to 16 bits.
fn mu_law(byte: u8) -> i16 {
    const BIAS: i16 = 0x84;
    let byte = !byte;
    let magnitude = (((i16::from(byte & 0x0f) << 3) + BIAS) << (byte >> 4 & 7)) - BIAS;
    if byte & 0x80 != 0 { -magnitude } else { magnitude }
}

/// ITU-T G.711, table 1: 13-bit values, every other bit inverted, the first two segments linear; scaled to
/// 16 bits.
fn a_law(byte: u8) -> i16 {
    let byte = byte ^ 0x55;
    let (exponent, mantissa) = (byte >> 4 & 7, i16::from(byte & 0x0f) << 4);
    let magnitude = if exponent == 0 { mantissa + 8 } else { (mantissa + 0x108) << (exponent - 1) };
    if byte & 0x80 != 0 { magnitude } else { -magnitude }
}
