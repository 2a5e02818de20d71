//! WAV headers: lenient parsing, strict validation, and rewriting for the decoder.
//!
//! Telephony systems write WAV during the call, so sizes may be 0, 0xFFFFFFFF or wrong. [`crate::riff_chunks`] locates the
//! samples, and the decoder gets a correct header before them.

use std::io::{self, Read, Seek};
use std::ops::Range;

use crate::riff_chunks::{Chunks, Samples, le_u32};
use crate::sample_layout::{SampleLayout, StatedSize};

/// Codec tags of the format chunk (RFC 2361 and mmreg.h) with a built-in decoder, and MPEG layer III.
pub(crate) mod tag {
    pub(crate) const PCM: u16 = 0x0001;
    pub(crate) const MS_ADPCM: u16 = 0x0002;
    pub(crate) const FLOAT: u16 = 0x0003;
    pub(crate) const A_LAW: u16 = 0x0006;
    pub(crate) const MU_LAW: u16 = 0x0007;
    pub(crate) const IMA_ADPCM: u16 = 0x0011;
    pub(crate) const MPEG_LAYER_3: u16 = 0x0055;
    pub(crate) const EXTENSIBLE: u16 = 0xfffe;
}

/// Header of a WAV file, with the actual location of its samples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WavHeader {
    /// Codec tag; for the extensible format, that of its sub-format.
    pub codec: u16,
    /// Number of channels.
    pub channels: u16,
    /// Samples per second.
    pub sample_rate: u32,
    /// Bits of a sample as stored; of its container, if that is larger.
    pub bits: u16,
    /// Unused bits of the container above the sample.
    pub unused_above: u16,
    /// Length of a block, in bytes: a sample of all channels, or a block of ADPCM.
    block: u16,
    /// The format chunk, unchanged.
    format_chunk: Vec<u8>,
    /// Offset of the first sample.
    data_start: u64,
    /// Actual length of the samples in bytes.
    pub data_len: u64,
    /// Whether the sizes in the header are correct and the format chunk has the plain form.
    pub honest: bool,
    /// Whether the header declares more samples than there are.
    pub truncated: bool,
    /// Whether a demuxer that walks the chunks does not reach the samples.
    pub misleading: bool,
}

impl WavHeader {
    /// Reads the header of the WAV at `window` of `file`; `None` without a format or data chunk.
    pub(crate) fn read<R: Read + Seek>(file: &mut R, window: Range<u64>) -> io::Result<Option<Self>> {
        let Some(chunks) = Chunks::read(file, window)? else { return Ok(None) };
        let bytes_per_second = chunks.format.get(8..12).map_or(0, le_u32);
        let block = chunks.format.get(12..14).map_or(1, |it| u16::from_le_bytes([it[0], it[1]]));
        let samples = chunks.locate_samples(file, bytes_per_second, block)?;
        let Some(mut header) = Self::from_parts(chunks, &samples) else { return Ok(None) };
        if header.codec == tag::PCM && header.bits > 0 {
            let stated = StatedSize {
                bits: header.bits,
                channels: header.channels,
                block,
                rate_confirms_block: u64::from(bytes_per_second)
                    == u64::from(header.sample_rate) * u64::from(block),
            };
            let layout = SampleLayout::detect(file, header.samples(), stated)?;
            if layout.bytes > header.bits.div_ceil(8) {
                header.bits = layout.bytes * 8;
                header.unused_above = layout.unused_above;
            }
        }
        Ok(Some(header))
    }

    fn from_parts(chunks: Chunks, samples: &Samples) -> Option<Self> {
        let chunk = chunks.format;
        let word = |at: usize| Some(u16::from_le_bytes([*chunk.get(at)?, *chunk.get(at + 1)?]));
        let stated_codec = word(0)?;
        // The first two bytes of the sub-format GUID are the codec tag.
        let codec = if stated_codec == tag::EXTENSIBLE { word(24)? } else { stated_codec };
        let frame = u32::from(word(2)?) * u32::from(word(14)? / 8);
        let format_matches = u32::from(word(12)?) == frame && matches!(chunk.len(), 16 | 18);
        Some(Self {
            codec,
            channels: word(2)?,
            sample_rate: le_u32(chunk.get(4..8)?),
            bits: word(14)?,
            unused_above: 0,
            block: word(12)?,
            data_start: chunks.data_start,
            data_len: samples.len,
            honest: chunks.plain && samples.as_stated && format_matches && stated_codec == codec,
            truncated: samples.missing,
            misleading: chunks.misleading,
            format_chunk: chunk,
        })
    }

    /// Location of the samples in the file.
    pub(crate) fn samples(&self) -> Range<u64> {
        self.data_start..self.data_start + self.data_len
    }

    /// Whether the samples are 8-bit A-law or µ-law.
    pub(crate) fn is_g711(&self) -> bool {
        matches!(self.codec, tag::A_LAW | tag::MU_LAW) && self.bits == 8
    }

    /// Whether this codec has a built-in decoder; `ffmpeg` decodes the others.
    pub(crate) fn is_native(&self) -> bool {
        match self.codec {
            tag::PCM => matches!(self.bits, 8 | 16 | 24 | 32),
            tag::FLOAT => matches!(self.bits, 32 | 64),
            tag::A_LAW | tag::MU_LAW => self.is_g711(),
            tag::MS_ADPCM | tag::IMA_ADPCM => self.bits == 4,
            _ => false,
        }
    }

    /// Samples per channel of ADPCM, of which the recorder may have closed the file in the middle of a block; `None` for other
    /// codecs.
    pub(crate) fn adpcm_frames(&self) -> Option<u64> {
        let block = u64::from(self.block).max(1);
        let whole = self.data_len / block * self.adpcm_block_frames(block)?;
        Some(whole + self.adpcm_block_frames(self.data_len % block)?)
    }

    /// Number of bytes that complete the last block of ADPCM. Decoders drop an incomplete one.
    pub(crate) fn missing_in_block(&self) -> u64 {
        let block = u64::from(self.block).max(1);
        match self.adpcm_block_frames(self.data_len % block) {
            Some(1..) => block - self.data_len % block,
            _ => 0,
        }
    }

    /// Samples per channel in the first `len` bytes of a block of ADPCM: a head of 4 or 7 bytes per channel with one or two
    /// samples, then four bits each, which IMA interleaves in groups of 4 bytes (mmreg.h and the IMA's recommendation).
    fn adpcm_block_frames(&self, len: u64) -> Option<u64> {
        let channels = u64::from(self.channels).max(1);
        match self.codec {
            tag::IMA_ADPCM if self.bits == 4 => {
                let Some(coded) = len.checked_sub(4 * channels) else { return Some(0) };
                Some(1 + if channels == 1 { coded * 2 } else { coded / (4 * channels) * 8 })
            }
            tag::MS_ADPCM if self.bits == 4 => {
                Some(len.checked_sub(7 * channels).map_or(0, |coded| 2 + coded * 2 / channels))
            }
            _ => None,
        }
    }

    /// An unambiguous header for the samples at `data_start..data_start + data_len` and the completion of their last block.
    pub(crate) fn rewritten(&self) -> Vec<u8> {
        let format = self.plain_format();
        let data_len = self.data_len + self.missing_in_block();
        let data_len = u32::try_from(data_len).unwrap_or(u32::MAX).min(u32::MAX - 8192);
        let riff_len = 4 + 8 + u32::try_from(format.len()).unwrap_or(0) + 8 + data_len;
        let mut header = Vec::with_capacity(64 + format.len());
        header.extend_from_slice(b"RIFF");
        header.extend_from_slice(&riff_len.to_le_bytes());
        header.extend_from_slice(b"WAVEfmt ");
        header.extend_from_slice(&u32::try_from(format.len()).unwrap_or(0).to_le_bytes());
        header.extend_from_slice(&format);
        header.extend_from_slice(b"data");
        header.extend_from_slice(&data_len.to_le_bytes());
        header
    }

    /// The format chunk to write. ADPCM and codecs of `ffmpeg` require their extension of the chunk; for all others the plain
    /// fields are sufficient.
    fn plain_format(&self) -> Vec<u8> {
        if !self.is_native() || matches!(self.codec, tag::MS_ADPCM | tag::IMA_ADPCM) {
            return self.format_chunk.clone();
        }
        let frame = self.channels.saturating_mul(self.bits / 8);
        let mut format = Vec::with_capacity(18);
        format.extend_from_slice(&self.codec.to_le_bytes());
        format.extend_from_slice(&self.channels.to_le_bytes());
        format.extend_from_slice(&self.sample_rate.to_le_bytes());
        format.extend_from_slice(&self.sample_rate.saturating_mul(u32::from(frame)).to_le_bytes());
        format.extend_from_slice(&frame.to_le_bytes());
        format.extend_from_slice(&self.bits.to_le_bytes());
        if self.codec != tag::PCM {
            format.extend_from_slice(&0_u16.to_le_bytes());
        }
        format
    }
}
