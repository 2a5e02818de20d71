//! Halves a sample rate, for rates far above that of the result.
//!
//! A half-band filter has the middle of its transition at a quarter of the sample rate. Every second of its taps is zero, and
//! the transition may be wide, because a sharper filter follows, which then has half of the taps.

use crate::low_pass::{LowPass, tap_count};

/// Converts one channel to half of its sample rate, without delay.
#[derive(Debug)]
pub(crate) struct HalfBand {
    /// Half of the taps at odd distances from the centre; the others are equal.
    taps: Vec<f32>,
    /// Samples at even and at odd positions. Before the odd ones is as much silence as there are taps.
    even: Vec<f32>,
    odd: Vec<f32>,
    /// Whether the next sample has an odd position.
    is_odd: bool,
    halved: Vec<f32>,
}

impl HalfBand {
    /// A filter for samples at `rate` that keeps the frequencies which the `target` rate can represent; `rate` is more than
    /// twice of it.
    pub(crate) fn new(rate: f64, target: f64) -> Self {
        // Symmetric around a quarter of the rate: what folds back is above the highest kept frequency too.
        let width = (rate / 2.0 - target) / rate;
        // One more than computed, because the formula is not exact for short filters.
        let count = (tap_count(width) + 1).div_ceil(4) + 1;
        let filter = LowPass::new(0.25, 4 * count);
        let positions = std::iter::successors(Some(1.0), |position| Some(position + 2.0));
        let taps: Vec<f64> = positions.take(count).map(|position| filter.at(position)).collect();
        // The centre is one half, and all others together are the other half.
        let scale = 0.25 / taps.iter().sum::<f64>();
        #[expect(clippy::cast_possible_truncation, reason = "below 1")]
        let taps: Vec<f32> = taps.iter().map(|tap| (tap * scale) as f32).collect();
        let odd = vec![0.0; taps.len()];
        Self { taps, even: Vec::new(), odd, is_odd: false, halved: Vec::new() }
    }

    /// Adds samples, and returns those at half of the rate for which enough samples are known.
    pub(crate) fn push(&mut self, samples: &[f32]) -> &[f32] {
        self.split(samples);
        let taps = self.taps.len();
        let ready = self.even.len().min((self.odd.len() + 1).saturating_sub(2 * taps));
        self.halved.clear();
        if ready == 0 {
            return &self.halved; // fewer samples than taps
        }
        self.halved.extend(self.even[..ready].iter().map(|sample| 0.5 * sample));
        // One tap after another for all samples: compilers vectorize that.
        for (distance, &tap) in self.taps.iter().enumerate() {
            let before = &self.odd[taps - 1 - distance..][..ready];
            let after = &self.odd[taps + distance..][..ready];
            for (sum, (before, after)) in self.halved.iter_mut().zip(before.iter().zip(after)) {
                *sum += tap * (before + after);
            }
        }
        self.even.drain(..ready);
        self.odd.drain(..ready);
        &self.halved
    }

    /// Appends samples to those at even and odd positions.
    fn split(&mut self, mut samples: &[f32]) {
        if self.is_odd
            && let Some((&first, later)) = samples.split_first()
        {
            self.odd.push(first);
            self.is_odd = false;
            samples = later;
        }
        let (pairs, last) = samples.as_chunks::<2>();
        self.even.extend(pairs.iter().map(|pair| pair[0]));
        self.odd.extend(pairs.iter().map(|pair| pair[1]));
        if let [last] = last {
            self.even.push(*last);
            self.is_odd = true;
        }
    }
}
