//! Level of each 20 ms frame of a channel as one byte, with a marker for call progress tones.

use crate::simd;
use crate::tone::ToneProbe;

/// Length of a frame, in milliseconds.
pub const FRAME_MS: u64 = 20;
/// Frames below this level are not analyzed for tones, in dBFS.
pub(crate) const AUDIBLE_DB: f32 = -58.0;
/// The lowest level that a byte represents, in dBFS.
pub(crate) const SILENCE_DB: f32 = -127.0;
/// The byte of a pure tone. All other bytes are steps of 0.5 dB above [`SILENCE_DB`].
pub(crate) const TONE: u8 = u8::MAX;

/// Measures one channel.
#[derive(Debug, Clone)]
pub(crate) struct LevelMeter {
    probe: ToneProbe,
    frame: Vec<f32>,
    /// Number of samples in the current frame; it alternates if the rate is not a multiple of 50.
    frame_capacity: usize,
    frame_len: f64,
    frame_end: f64,
    levels: Vec<u8>,
}

impl LevelMeter {
    /// A meter for samples at `rate` Hz.
    pub(crate) fn new(rate: f64) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "20")]
        let frame_len = rate * FRAME_MS as f64 / 1000.0;
        let frame_capacity = ceil(frame_len);
        #[expect(clippy::cast_possible_truncation, reason = "a sample rate fits")]
        let probe = ToneProbe::new(rate as f32, frame_capacity);
        Self {
            probe,
            frame: Vec::with_capacity(frame_capacity),
            frame_capacity,
            frame_len,
            frame_end: frame_len,
            levels: Vec::new(),
        }
    }

    /// Adds samples.
    pub(crate) fn push(&mut self, mut samples: &[f32]) {
        loop {
            let missing = self.frame_capacity - self.frame.len();
            let (now, later) = samples.split_at(missing.min(samples.len()));
            samples = later;
            self.frame.extend_from_slice(now);
            if self.frame.len() < self.frame_capacity {
                return;
            }
            self.close_frame();
        }
    }

    fn close_frame(&mut self) {
        #[expect(clippy::cast_precision_loss, reason = "some hundred samples")]
        let len = self.frame.len() as f32;
        let (sum, squares) = simd::sum_and_energy(&self.frame);
        // Remove the mean of the frame, because cheap converters have a DC offset.
        let energy = (squares - sum * sum / len).max(0.0);
        let level = 10.0 * (energy / len + 1e-13).log10();
        let tone = level > AUDIBLE_DB && self.probe.is_tone(&self.frame, energy);
        self.levels.push(if tone { TONE } else { to_byte(level) });
        let begun = ceil(self.frame_end);
        self.frame_end += self.frame_len;
        self.frame_capacity = ceil(self.frame_end) - begun;
        self.frame.clear();
    }

    /// One byte per complete frame.
    pub(crate) fn levels(&self) -> &[u8] {
        &self.levels
    }

    /// One byte per complete frame.
    pub(crate) fn into_levels(self) -> Vec<u8> {
        self.levels
    }
}

pub(crate) fn to_byte(level_db: f32) -> u8 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
    let byte = ((level_db - SILENCE_DB) * 2.0) as u8;
    byte.min(TONE - 1)
}

/// The level of a byte, in dBFS.
pub(crate) fn to_level(byte: u8) -> f32 {
    f32::from(byte) / 2.0 + SILENCE_DB
}

fn ceil(position: f64) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "hours of samples, and positive"
    )]
    let ceil = position.ceil() as usize;
    ceil
}
