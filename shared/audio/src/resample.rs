//! Sample rate conversion of a stream with exact length and without added delay.
//!
//! High rates are halved first. Then every sample of the result is a weighted sum of the samples around its position: the
//! rates have a common divisor, so the positions between two samples repeat, and there is a row of weights for each of them.

use crate::error::AudioError;
use crate::half_band::HalfBand;
use crate::low_pass::{LowPass, tap_count};
use crate::planes;
use crate::simd;

/// A rate is halved while it is at least this multiple of the target rate: the filter for it is then short.
const MIN_HALVED: f64 = 2.5;
/// Width of the transition and its centre, as shares of the lower rate. It ends where that rate's frequencies end.
const TRANSITION: f64 = 0.1;
const CUTOFF: f64 = 0.45;
/// Silence that is added at a time to complete the last samples, in samples per channel.
const PADDING_FRAMES: usize = 256;

/// Converts interleaved samples of one or two channels from one rate to another.
pub(crate) struct Resampler {
    /// The input of each channel.
    planes: Vec<Vec<f32>>,
    /// For each channel, the filters that halve its rate, and the samples after them that are still needed.
    halving: Vec<Vec<HalfBand>>,
    signals: Vec<Vec<f32>>,
    /// Rows of weights, one for each position between two samples.
    weights: Vec<f32>,
    taps: usize,
    /// Number of rows.
    phases: usize,
    /// Distance of two samples of the result in samples, and the rest of it in parts of a sample.
    step: (usize, usize),
    /// Position of the first weighted sample, and the row.
    position: (usize, usize),
    output: Vec<f32>,
    ratio: (u64, u64),
    taken: u64,
    given: u64,
}

impl Resampler {
    pub(crate) fn new(from: u32, to: u32, channels: u16) -> Self {
        let channels = usize::from(channels);
        let target = f64::from(to);
        let (mut rate, mut up) = (f64::from(from), to);
        let mut halving: Vec<Vec<HalfBand>> = (0..channels).map(|_| Vec::new()).collect();
        while rate >= MIN_HALVED * target {
            for stages in &mut halving {
                stages.push(HalfBand::new(rate, target));
            }
            (rate, up) = (rate / 2.0, up * 2);
        }
        let divisor = greatest_common_divisor(from, up);
        let (phases, step) = ((up / divisor) as usize, (from / divisor) as usize);
        let lower = rate.min(target) / rate;
        let taps = tap_count(TRANSITION * lower).next_multiple_of(simd::LANE_COUNT);
        Self {
            planes: vec![Vec::new(); channels],
            halving,
            // The first sample of the result is the centre of its weights.
            signals: vec![vec![0.0; taps / 2 - 1]; channels],
            weights: weights(phases, taps, CUTOFF * lower),
            taps,
            phases,
            step: (step / phases, step % phases),
            position: (0, 0),
            output: Vec::new(),
            ratio: (u64::from(from), u64::from(to)),
            taken: 0,
            given: 0,
        }
    }

    /// Adds samples and passes on the converted ones.
    pub(crate) fn push(
        &mut self,
        samples: &[f32],
        ready: impl FnOnce(&[f32]) -> Result<(), AudioError>,
    ) -> Result<(), AudioError> {
        self.taken += (samples.len() / self.planes.len()) as u64;
        self.given += self.convert(samples);
        ready(&self.output)
    }

    /// Passes on the rest. The output then has the duration of the input.
    pub(crate) fn finish(
        mut self,
        mut ready: impl FnMut(&[f32]) -> Result<(), AudioError>,
    ) -> Result<(), AudioError> {
        let (from, to) = self.ratio;
        let due = (self.taken * to).div_ceil(from);
        let padding = vec![0.0; PADDING_FRAMES * self.planes.len()];
        while self.given < due {
            let left = due - self.given;
            let made = self.convert(&padding);
            self.given += made;
            let kept = usize::try_from(made.min(left)).unwrap_or(usize::MAX);
            ready(&self.output[..kept * self.planes.len()])?;
        }
        Ok(())
    }

    /// Replaces the output with what follows from `samples`; returns its samples per channel.
    fn convert(&mut self, samples: &[f32]) -> u64 {
        self.planes.iter_mut().for_each(Vec::clear);
        planes::split(samples, 1, &mut self.planes);
        for ((plane, halving), signal) in self.planes.iter().zip(&mut self.halving).zip(&mut self.signals) {
            let mut stage: &[f32] = plane;
            for half_band in halving {
                stage = half_band.push(stage);
            }
            signal.extend_from_slice(stage);
        }
        self.weigh();
        let known = self.signals.first().map_or(0, Vec::len);
        let used = self.position.0.min(known);
        self.signals.iter_mut().for_each(|signal| drop(signal.drain(..used)));
        self.position.0 -= used;
        (self.output.len() / self.planes.len()) as u64
    }

    /// Computes the samples of the result whose surroundings are known.
    fn weigh(&mut self) {
        self.output.clear();
        let known = self.signals.first().map_or(0, Vec::len);
        let (mut at, mut phase) = self.position;
        while at + self.taps <= known {
            let weights = &self.weights[phase * self.taps..(phase + 1) * self.taps];
            let around = at..at + self.taps;
            match self.signals.as_slice() {
                [left, right] => {
                    self.output.extend(simd::dot_pair(weights, &left[around.clone()], &right[around]));
                }
                signals => {
                    self.output.extend(signals.iter().map(|it| simd::dot(weights, &it[around.clone()])));
                }
            }
            at += self.step.0;
            phase += self.step.1;
            if phase >= self.phases {
                (at, phase) = (at + 1, phase - self.phases);
            }
        }
        self.position = (at, phase);
    }
}

/// Rows of weights: row `n` is for the position `n / phases` after the sample in the middle.
fn weights(phases: usize, taps: usize, cutoff: f64) -> Vec<f32> {
    let filter = LowPass::new(cutoff, taps);
    let mut weights = Vec::with_capacity(phases * taps);
    for phase in 0..phases {
        #[expect(clippy::cast_precision_loss, reason = "some thousand")]
        let first = phase as f64 / phases as f64 + (taps / 2 - 1) as f64;
        let times = std::iter::successors(Some(first), |time| Some(time - 1.0)).take(taps);
        let row: Vec<f64> = times.map(|time| filter.at(time)).collect();
        // Constant input must stay constant at all positions.
        let sum: f64 = row.iter().sum();
        #[expect(clippy::cast_possible_truncation, reason = "below 1")]
        weights.extend(row.iter().map(|weight| (weight / sum) as f32));
    }
    weights
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::TAU;

    use super::Resampler;

    /// Rates of recorders, rates that are halved up to three times, and one that has no common divisor with the result.
    const RATES: [(u32, u32); 10] = [
        (6_000, 8_000),
        (11_025, 16_000),
        (22_050, 16_000),
        (22_051, 16_000),
        (24_000, 16_000),
        (32_000, 16_000),
        (44_100, 16_000),
        (48_000, 16_000),
        (96_000, 16_000),
        (192_000, 16_000),
    ];
    /// Largest share of the signal's energy that may be wrong: −70 dB.
    const MAX_ERROR: f64 = 1e-7;

    /// A fifth of a second at full scale.
    fn sine(hertz: f64, sample_rate: u32) -> Vec<f32> {
        let sample = |at: u32| {
            #[expect(clippy::cast_possible_truncation, reason = "at most 1")]
            let sample = (TAU * hertz * f64::from(at) / f64::from(sample_rate)).sin() as f32;
            sample
        };
        (0..sample_rate / 5).map(sample).collect()
    }

    /// All converted samples, after blocks of `block` samples per channel.
    fn converted((from, to): (u32, u32), channels: u16, samples: &[f32], block: usize) -> Vec<f32> {
        let mut resampler = Resampler::new(from, to, channels);
        let mut all = Vec::new();
        let mut keep = |ready: &[f32]| {
            all.extend_from_slice(ready);
            Ok(())
        };
        for samples in samples.chunks(block * usize::from(channels)) {
            resampler.push(samples, &mut keep).unwrap();
        }
        resampler.finish(&mut keep).unwrap();
        all
    }

    fn energy(samples: impl Iterator<Item = f32>) -> f64 {
        samples.map(|sample| f64::from(sample).powi(2)).sum()
    }

    #[test]
    fn what_both_rates_can_represent_is_unchanged_and_in_its_place() {
        for rates @ (from, to) in RATES {
            for share in [0.01, 0.1, 0.25, 0.4] {
                let hertz = share * f64::from(from.min(to));
                let left = sine(hertz, from);
                let both: Vec<f32> = left.iter().flat_map(|sample| [*sample, -0.5 * sample]).collect();
                let expected = sine(hertz, to);
                let (mono, stereo) = (converted(rates, 1, &left, 1_152), converted(rates, 2, &both, 777));
                assert_eq!(mono.len(), (left.len() * to as usize).div_ceil(from as usize), "{rates:?}");
                assert_eq!(stereo.len(), 2 * mono.len(), "{rates:?}");
                // Without the ends, where the sine begins and ends suddenly.
                let middle = mono.len() / 4..mono.len() * 3 / 4;
                let signal = energy(expected[middle.clone()].iter().copied());
                let error = |sample: &dyn Fn(usize) -> f32| {
                    energy(middle.clone().map(|at| sample(at) - expected[at])) / signal
                };
                let errors = [
                    error(&|at| mono[at]),
                    error(&|at| stereo[2 * at]),
                    error(&|at| -2.0 * stereo[2 * at + 1]),
                ];
                assert!(errors.iter().all(|&it| it < MAX_ERROR), "{rates:?}, {hertz} Hz: {errors:?}");
            }
        }
    }

    #[test]
    fn what_the_result_cannot_represent_is_removed() {
        for rates @ (from, to) in RATES.into_iter().filter(|(from, to)| from > to) {
            for hertz in (to / 2 + 100..from / 2).step_by(3_700) {
                let result = converted(rates, 1, &sine(f64::from(hertz), from), 1_024);
                let middle = &result[result.len() / 4..result.len() * 3 / 4];
                let full = 0.5 * f64::from(u32::try_from(middle.len()).unwrap());
                let left = energy(middle.iter().copied()) / full;
                assert!(left < MAX_ERROR, "{rates:?}, {hertz} Hz: {left}");
            }
        }
    }

    #[test]
    fn the_result_does_not_depend_on_the_blocks() {
        for rates in RATES {
            let samples = sine(440.0, rates.0);
            let whole = converted(rates, 2, &samples[..samples.len() / 2 * 2], samples.len());
            assert_eq!(converted(rates, 2, &samples[..samples.len() / 2 * 2], 11), whole, "{rates:?}");
        }
    }
}
