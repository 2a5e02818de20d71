//! Encodes decoded samples to the file for the upload: 16-bit PCM WAV at 8 or 16 kHz.
//!
//! Reasons for PCM instead of Opus, with measurements: `docs/decisions/0003-upload-original-or-pcm-wav.md`.

use std::fs::File;

use crate::error::AudioError;
use crate::pcm_format::PcmFormat;
use crate::resample::Resampler;
use crate::wav_writer::WavWriter;

/// Sample rate of telephone lines, which is not converted.
const TELEPHONE_HZ: u32 = 8_000;
/// Highest sample rate that recognition uses.
const WIDEBAND_HZ: u32 = 16_000;
/// Maximum output per millisecond: two channels of 16 bits at the highest rate.
pub(crate) const MAX_BYTES_PER_MS: u64 = WIDEBAND_HZ as u64 / 1000 * 2 * 2;

/// Writes one or two channels; more channels are mixed down before.
pub(crate) struct Encoder {
    resampler: Option<Resampler>,
    writer: WavWriter,
    sample_rate: u32,
}

impl Encoder {
    pub(crate) fn new(file: File, format: PcmFormat) -> Result<Self, AudioError> {
        let channels = if format.channels == 2 { 2 } else { 1 };
        let sample_rate = output_rate(format.sample_rate);
        let resampler = if sample_rate == format.sample_rate {
            None
        } else {
            Some(Resampler::new(format.sample_rate, sample_rate, channels))
        };
        Ok(Self { resampler, writer: WavWriter::new(file, channels, sample_rate)?, sample_rate })
    }

    pub(crate) fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    pub(crate) fn push(&mut self, samples: &[f32]) -> Result<(), AudioError> {
        let Self { resampler, writer, .. } = self;
        match resampler {
            Some(resampler) => resampler.push(samples, |ready| Ok(writer.write(ready)?)),
            None => Ok(writer.write(samples)?),
        }
    }

    /// Completes the file and returns its length in bytes. With `kept`, only that one of two channels remains.
    pub(crate) fn finish(mut self, kept: Option<usize>) -> Result<u64, AudioError> {
        if let Some(resampler) = self.resampler.take() {
            resampler.finish(|ready| Ok(self.writer.write(ready)?))?;
        }
        Ok(match kept {
            Some(channel) => self.writer.finish_as_mono(channel)?,
            None => self.writer.finish()?,
        })
    }
}

/// Output rate. `SpeechKit` supports PCM at 8, 16 and 48 kHz. Telephone audio is not upsampled, because that only adds
/// bytes; rates in between are converted up to 16 kHz, higher ones down to 16 kHz, which recognition uses.
fn output_rate(input: u32) -> u32 {
    if input <= TELEPHONE_HZ { TELEPHONE_HZ } else { WIDEBAND_HZ }
}
