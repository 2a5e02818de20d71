//! Sample rate conversion of a stream with exact length and without added delay.

use audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Indexing, Resampler as _};

use crate::error::AudioError;

/// Number of input frames per conversion.
const CHUNK_FRAMES: usize = 1024;

/// Converts interleaved samples from one rate to another.
pub(crate) struct Resampler {
    inner: Fft<f32>,
    channels: usize,
    /// Input that does not fill a chunk.
    pending: Vec<f32>,
    output: Vec<f32>,
    /// Remaining frames of the filter's delay to drop.
    delay: usize,
    ratio: (u64, u64),
    taken: u64,
    given: u64,
}

impl Resampler {
    pub(crate) fn new(from: u32, to: u32, channels: u16) -> Result<Self, AudioError> {
        let channels = usize::from(channels);
        let inner = Fft::new(from as usize, to as usize, CHUNK_FRAMES, channels, FixedSync::Input)
            .map_err(|error| AudioError::UnsupportedCodec { what: format!("{from} Hz audio: {error}") })?;
        let output = vec![0.0; inner.output_frames_max() * channels];
        let delay = inner.output_delay();
        let ratio = (u64::from(from), u64::from(to));
        Ok(Self { inner, channels, pending: Vec::new(), output, delay, ratio, taken: 0, given: 0 })
    }

    /// Adds samples and passes on the converted ones.
    pub(crate) fn push(
        &mut self,
        samples: &[f32],
        mut ready: impl FnMut(&[f32]) -> Result<(), AudioError>,
    ) -> Result<(), AudioError> {
        self.taken += (samples.len() / self.channels) as u64;
        self.pending.extend_from_slice(samples);
        let mut used = 0;
        loop {
            let need = self.inner.input_frames_next();
            if self.pending.len() - used < need * self.channels {
                break;
            }
            self.convert(used, need, &mut ready)?;
            used += need * self.channels;
        }
        self.pending.drain(..used);
        Ok(())
    }

    /// Passes on the rest. The output then has the duration of the input.
    pub(crate) fn finish(
        mut self,
        mut ready: impl FnMut(&[f32]) -> Result<(), AudioError>,
    ) -> Result<(), AudioError> {
        let (from, to) = self.ratio;
        let due = (self.taken * to).div_ceil(from);
        while self.given < due {
            let frames = self.pending.len() / self.channels;
            let need = self.inner.input_frames_next();
            self.pending.resize(need.max(frames) * self.channels, 0.0);
            let mut left = usize::try_from(due - self.given).unwrap_or(usize::MAX / 8) * self.channels;
            self.convert(0, need, &mut |samples: &[f32]| {
                let kept = samples.len().min(left);
                left -= kept;
                ready(&samples[..kept])
            })?;
            self.pending.clear();
        }
        Ok(())
    }

    fn convert(
        &mut self,
        start: usize,
        frames: usize,
        ready: &mut impl FnMut(&[f32]) -> Result<(), AudioError>,
    ) -> Result<(), AudioError> {
        let capacity = self.output.len() / self.channels;
        let input = &self.pending[start..start + frames * self.channels];
        let input = InterleavedSlice::new(input, self.channels, frames).map_err(resample_error)?;
        let mut output =
            InterleavedSlice::new_mut(&mut self.output, self.channels, capacity).map_err(resample_error)?;
        let (_, made) =
            self.inner.process_into_buffer(&input, &mut output, None::<&Indexing>).map_err(resample_error)?;
        let dropped = self.delay.min(made);
        self.delay -= dropped;
        self.given += (made - dropped) as u64;
        ready(&self.output[dropped * self.channels..made * self.channels])
    }
}

fn resample_error(error: impl std::fmt::Display) -> AudioError {
    AudioError::Damaged { what: format!("sample rate conversion: {error}") }
}
