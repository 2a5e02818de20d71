//! Taps of low-pass filters for sample rate conversion: a sinc in Kaiser's window.
//!
//! The attenuation gives the shape of the window; together with the width of the transition it gives the number of taps
//! (A. V. Oppenheim, R. W. Schafer: Discrete-Time Signal Processing, 3rd edition, 7.5.3).

use std::f64::consts::PI;

/// Shape of the window for an attenuation of 80 dB: 0.1102 × (80 − 8.7). The high frequencies of speech, which are attenuated,
/// are then below the noise of 16 bits.
const SHAPE: f64 = 7.857;
/// Product of the number of taps and the width of the transition as a share of the sample rate: (80 − 7.95) ÷ 14.36.
const TAPS_BY_WIDTH: f64 = 5.017;
/// Share of the sum below which further terms of a series are left out.
const PRECISION: f64 = 1e-12;

/// Number of taps for a transition of `width`, as a share of the sample rate.
pub(crate) fn tap_count(width: f64) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some dozens, and positive")]
    let count = (TAPS_BY_WIDTH / width).ceil() as usize;
    count
}

/// The response to an impulse, with a gain of 1 for constant input.
pub(crate) struct LowPass {
    /// Frequency of half the amplitude, as a share of the sample rate.
    cutoff: f64,
    /// Time from the centre to the last tap, in samples.
    half_len: f64,
    peak: f64,
}

impl LowPass {
    /// A filter of `tap_count` taps that halves the amplitude at `cutoff`, as a share of the sample rate.
    pub(crate) fn new(cutoff: f64, tap_count: usize) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "some dozens")]
        let half_len = tap_count as f64 / 2.0;
        Self { cutoff, half_len, peak: bessel(SHAPE) }
    }

    /// The tap `time` samples after the centre.
    pub(crate) fn at(&self, time: f64) -> f64 {
        let angle = 2.0 * PI * self.cutoff * time;
        let sinc = if angle.abs() < PRECISION { 1.0 } else { angle.sin() / angle };
        let inside = (1.0 - (time / self.half_len).powi(2)).max(0.0);
        2.0 * self.cutoff * sinc * bessel(SHAPE * inside.sqrt()) / self.peak
    }
}

/// The modified Bessel function of the first kind and order 0, by its power series.
fn bessel(x: f64) -> f64 {
    let (mut sum, mut term, mut index) = (1.0, 1.0, 1.0);
    while term > sum * PRECISION {
        term *= (x / (2.0 * index)).powi(2);
        sum += term;
        index += 1.0;
    }
    sum
}
