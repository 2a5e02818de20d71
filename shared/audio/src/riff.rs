//! WAV headers: read leniently, judged strictly, and written anew for the decoder.
//!
//! Telephonies write WAV while the call goes on, so sizes may be 0, 0xFFFFFFFF or simply wrong. We find the
//! samples ourselves ([`crate::riff_chunks`]) and put a truthful header in front of them.

use std::io::{self, Read, Seek};
use std::ops::Range;

use crate::riff_chunks::{Chunks, le_u32};

/// Codec tags of the format chunk (RFC 2361 and mmreg.h) that we decode in process, and MPEG layer III.
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

/// What the header of a WAV file says and where its samples truly are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WavHeader {
    /// Codec tag; for the extensible format, that of its sub-format.
    pub codec: u16,
    /// Number of channels.
    pub channels: u16,
    /// Samples per second.
    pub sample_rate: u32,
    /// Bits per sample as stored.
    pub bits: u16,
    /// The format chunk as it stands in the file.
    format_chunk: Vec<u8>,
    /// Offset of the first sample.
    data_start: u64,
    /// Bytes of samples that are really there.
    pub data_len: u64,
    /// The sizes in the header are those of the file, and the format chunk is the plain one.
    pub honest: bool,
    /// The header promises more samples than there are.
    pub truncated: bool,
    /// A demuxer that walks the chunks does not come to the samples.
    pub misleading: bool,
}

impl WavHeader {
    /// Reads the header of a WAV that lies at `window` of `file`; `None` if there is no format or no data chunk.
    pub(crate) fn read<R: Read + Seek>(file: &mut R, window: Range<u64>) -> io::Result<Option<Self>> {
        let Some(chunks) = Chunks::read(file, window)? else { return Ok(None) };
        let bytes_per_second = chunks.format.get(8..12).map_or(0, le_u32);
        let block = chunks.format.get(12..14).map_or(1, |it| u16::from_le_bytes([it[0], it[1]]));
        let samples = chunks.locate_samples(file, bytes_per_second, block)?;
        Ok(Self::from_parts(chunks, &samples))
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
            data_start: chunks.data_start,
            data_len: samples.len,
            honest: chunks.plain && samples.as_stated && format_matches && stated_codec == codec,
            truncated: samples.missing,
            misleading: chunks.misleading,
            format_chunk: chunk,
        })
    }

    /// Where the samples are in the file.
    pub(crate) fn samples(&self) -> Range<u64> {
        self.data_start..self.data_start + self.data_len
    }

    /// Whether the samples are bytes of A-law or µ-law.
    pub(crate) fn is_g711(&self) -> bool {
        matches!(self.codec, tag::A_LAW | tag::MU_LAW) && self.bits == 8
    }

    /// Whether we decode this codec in process; the others are for `ffmpeg`.
    pub(crate) fn is_native(&self) -> bool {
        match self.codec {
            tag::PCM => matches!(self.bits, 8 | 16 | 24 | 32),
            tag::FLOAT => matches!(self.bits, 32 | 64),
            tag::A_LAW | tag::MU_LAW => self.is_g711(),
            tag::MS_ADPCM | tag::IMA_ADPCM => self.bits == 4,
            _ => false,
        }
    }

    /// A header for the samples at `data_start..data_start + data_len` that a demuxer reads without doubt.
    pub(crate) fn rewritten(&self) -> Vec<u8> {
        let format = self.plain_format();
        let data_len = u32::try_from(self.data_len).unwrap_or(u32::MAX).min(u32::MAX - 8192);
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

    /// ADPCM and what we do not decode need their own extension of the chunk; for all else the plain fields say
    /// everything.
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

/// How much of what stands behind the head of the data chunk is samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Samples {
    /// Bytes of samples that are there.
    pub len: u64,
    /// All sizes in the header are those of the file.
    pub as_stated: bool,
    /// Samples that the header promises are not there.
    pub missing: bool,
}
