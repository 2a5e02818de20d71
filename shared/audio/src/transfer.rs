//! Estimates a linear filter from one channel to the other: an equalizer, a narrower band, an echo.
//!
//! The simplest filter is a delay and a gain. With any other filter, levels and correlations vary with the pitch of the
//! voice although the sound is the same. The filter is estimated from the first seconds of voice for each frequency
//! separately (cross spectrum divided by power spectrum), and blocks are compared after it. Only frequencies with
//! coherent channels count: a band that one channel lacks, or has as noise only, gives no evidence.

use std::sync::Arc;

use rustfft::num_complex::Complex32;
use rustfft::{Fft, FftPlanner};

use crate::evidence::{Evidence, Gate};

/// Minimum magnitude-squared coherence of a frequency of the filter.
const MIN_COHERENCE: f32 = 0.5;
/// Share of the frequencies that may reach the required coherence by chance if there are few blocks.
const CHANCE: f32 = 0.02;
/// Minimum share of the energy of each channel at coherent frequencies for a filter.
const MIN_SHARE: f32 = 0.2;
/// Maximum common energy at other frequencies, as a share of the geometric mean of the energies. Doubled voices after
/// codecs of 16 kbit/s have 0.07; a single second voice of half a second in 42 s has 0.3.
const MAX_OVERLAP: f32 = 0.15;
/// Minimum number of blocks for an estimate.
const MIN_BLOCKS: usize = 10;
/// Frequencies below this are hum, in Hz.
const MIN_HZ: f32 = 90.0;
/// Power below which a frequency is silent.
const SILENCE: f32 = 1e-12;

/// Computes the spectra of both channels of a block.
pub(crate) struct Analyzer {
    fft: Arc<dyn Fft<f32>>,
    window: Vec<f32>,
    scratch: Vec<Complex32>,
    hz_per_bin: f32,
}

impl std::fmt::Debug for Analyzer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Analyzer").field("frame", &self.window.len()).finish_non_exhaustive()
    }
}

/// The spectra of the left and the right channel, from the first frequency above hum up to half the sample rate.
pub(crate) struct Spectra([Vec<Complex32>; 2]);

impl Analyzer {
    /// An analyzer for frames of `frame` samples at `rate` Hz.
    pub(crate) fn new(rate: f32, frame: usize) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "some thousand samples")]
        let len = frame as f32;
        let fft = FftPlanner::new().plan_fft_forward(frame);
        #[expect(clippy::cast_precision_loss, reason = "some thousand samples")]
        let hann = |at: usize| (std::f32::consts::PI * (at as f32 + 0.5) / len).sin().powi(2);
        let scratch = vec![Complex32::default(); fft.get_inplace_scratch_len()];
        Self { fft, window: (0..frame).map(hann).collect(), scratch, hz_per_bin: rate / len }
    }

    /// Computes both spectra of a block with its surroundings by one transform, with the channels as real and imaginary part.
    pub(crate) fn spectra(&mut self, (left, right): (&[f32], &[f32])) -> Spectra {
        let mut both: Vec<Complex32> = left
            .iter()
            .zip(right)
            .zip(&self.window)
            .map(|((left, right), weight)| Complex32::new(left * weight, right * weight))
            .collect();
        self.fft.process_with_scratch(&mut both, &mut self.scratch);
        let len = both.len();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some dozens")]
        let first = (MIN_HZ / self.hz_per_bin).ceil().max(1.0) as usize;
        #[expect(clippy::cast_precision_loss, reason = "some thousand samples")]
        let scale = 0.5 / len as f32;
        Spectra(
            (first..len / 2)
                .map(|bin| (both[bin], both[len - bin].conj()))
                .map(|(up, down)| ((up + down) * scale, (up - down) * Complex32::new(0.0, -scale)))
                .unzip()
                .into(),
        )
    }
}

/// A filter from the left channel to the right one.
#[derive(Debug)]
pub(crate) struct Transfer {
    /// Frequency response; zero where the channels are not coherent.
    response: Vec<Complex32>,
    coherent: Vec<bool>,
    gate: Gate,
}

/// Powers and cross power of two channels at one frequency, summed over blocks.
#[derive(Debug, Clone, Copy, Default)]
struct Powers {
    left: f32,
    right: f32,
    cross: Complex32,
}

impl Powers {
    fn coherence(&self) -> f32 {
        let power = self.left * self.right;
        if power > SILENCE * SILENCE { self.cross.norm_sqr() / power } else { 0.0 }
    }
}

impl Transfer {
    /// Estimates the filter from blocks of voice; `None` if the channels have too little in common.
    pub(crate) fn estimate(blocks: &[Spectra]) -> Option<Self> {
        if blocks.len() < MIN_BLOCKS {
            return None;
        }
        let mut powers = vec![Powers::default(); blocks[0].0[0].len()];
        for Spectra([left, right]) in blocks {
            for (powers, (left, right)) in powers.iter_mut().zip(left.iter().zip(right)) {
                powers.left += left.norm_sqr();
                powers.right += right.norm_sqr();
                powers.cross += left.conj() * right;
            }
        }
        let needed = needed_coherence(blocks.len());
        let coherent: Vec<bool> = powers.iter().map(|it| it.coherence() >= needed).collect();
        if !explains_enough(&powers, &coherent) {
            return None;
        }
        let response = powers
            .iter()
            .zip(&coherent)
            .map(|(it, coherent)| if *coherent { it.cross / it.left } else { Complex32::default() })
            .collect();
        let mut transfer = Self { response, coherent, gate: Gate::default() };
        for block in blocks {
            let levels = transfer.levels(block);
            transfer.gate.add(levels);
        }
        Some(transfer)
    }

    /// Adds correlation and level difference of a later block after the filter to the evidence.
    pub(crate) fn add(&mut self, block: &Spectra, evidence: &mut Evidence) {
        let levels = self.levels(block);
        self.gate.add(levels);
        self.observe(block, evidence);
    }

    /// Evidence of blocks after the filter.
    pub(crate) fn evidence(&self, blocks: &[Spectra]) -> Evidence {
        let mut evidence = Evidence::default();
        for block in blocks {
            self.observe(block, &mut evidence);
        }
        evidence
    }

    fn observe(&self, block: &Spectra, evidence: &mut Evidence) {
        if !self.gate.passes(self.levels(block)) {
            return;
        }
        let Spectra([left, right]) = block;
        let mut powers = Powers::default();
        for (response, (left, right)) in self.response.iter().zip(left.iter().zip(right)) {
            let filtered = left * response;
            powers.left += filtered.norm_sqr();
            powers.cross += filtered.conj() * right;
        }
        powers.right = self.power(right);
        let power = powers.left * powers.right;
        let correlation = if power > SILENCE * SILENCE { powers.cross.re / power.sqrt() } else { 0.0 };
        evidence.add(correlation, decibels(powers.left) - decibels(powers.right));
    }

    fn power(&self, spectrum: &[Complex32]) -> f32 {
        let coherent = spectrum.iter().zip(&self.coherent).filter(|(_, coherent)| **coherent);
        coherent.map(|(it, _)| it.norm_sqr()).sum()
    }

    /// Mean power of both channels at the coherent frequencies, in dBFS.
    fn levels(&self, block: &Spectra) -> [f32; 2] {
        // The spectrum has half of the power, and the window keeps three eighths of it.
        [0, 1].map(|channel| decibels(self.power(&block.0[channel]) * 2.0 * 8.0 / 3.0))
    }
}

/// Whether the coherent frequencies contain the common energy. At other frequencies a filtered channel lacks sound or has
/// noise only. If both channels have sound without coherence there, they contain a second voice.
fn explains_enough(powers: &[Powers], coherent: &[bool]) -> bool {
    let (mut all, mut shared, mut overlap) = ([0.0; 2], [0.0; 2], 0.0);
    for (powers, coherent) in powers.iter().zip(coherent) {
        let both = [powers.left, powers.right];
        for channel in 0..2 {
            all[channel] += both[channel];
            shared[channel] += if *coherent { both[channel] } else { 0.0 };
        }
        overlap += if *coherent { 0.0 } else { (both[0] * both[1]).sqrt() };
    }
    (0..2).all(|channel| shared[channel] >= MIN_SHARE * all[channel])
        && overlap <= MAX_OVERLAP * (all[0] * all[1]).sqrt()
}

/// The required coherence. It is high by chance for few blocks, and adjacent frames overlap, so that three frames count
/// little more than one.
fn needed_coherence(blocks: usize) -> f32 {
    #[expect(clippy::cast_precision_loss, reason = "some dozens")]
    let independent = (blocks as f32 / 2.0 - 1.0).max(1.0);
    (1.0 - CHANCE.powf(1.0 / independent)).max(MIN_COHERENCE)
}

fn decibels(power: f32) -> f32 {
    10.0 * (power + 1e-10).log10()
}
