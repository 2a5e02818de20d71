//! Decides whether one channel is a copy of the other one (louder, delayed, inverted, noisier) by a constant relation.
//!
//! In a single block of true stereo with crosstalk the channels are as similar as in a doubled recording: the quiet one is
//! a copy of the loud one. The difference is that the relation changes with the speaker. So one delay, or one filter if a
//! delay explains too little, is estimated from the first seconds of voice. Then every block of voice is compared with it:
//! the level difference must stay constant, and the correlation high.

use crate::evidence::{Evidence, Gate};
use crate::simd;
use crate::tone::ToneProbe;
use crate::transfer::{Analyzer, Spectra, Transfer};

/// Number of blocks of voice from which the delay is estimated, and the number before the first estimate.
const SEARCHED_BLOCKS: usize = 80;
const FIRST_LOOK: usize = 10;
/// Minimum mean correlation at the best delay for a relation, and the addition for few blocks, among which some delay fits
/// by chance.
const RELATED: f32 = 0.5;
const RELATED_BY_CHANCE: f32 = 0.3;
/// Mean correlation at the best delay below which this many blocks of loud voices prove that there is no relation.
const UNRELATED: f32 = 0.3;
const UNRELATED_BLOCKS: usize = 20;
/// Share of the best correlation from which a shorter delay is preferred, because voices repeat every few milliseconds.
const AS_GOOD: f32 = 0.97;
/// Ratio of energies (1 dB) from which the right channel counts as louder.
const MIN_LOUDER: f64 = 1.26;
/// Product of the energies of two blocks below which at least one of them is digital silence.
const MIN_POWER: f32 = 1e-12;

/// A block of both channels with the samples of one lag before and after it.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    left: Vec<f32>,
    right: Vec<f32>,
    lag: usize,
    /// Mean power of each channel without delay, in dBFS.
    pub(crate) levels: [f32; 2],
}

impl Block {
    /// Copies the samples and removes their offset. The first and the last `lag` samples are the surroundings of the block.
    pub(crate) fn new(left: &[f32], right: &[f32], lag: usize) -> Self {
        let (left, right) = (without_offset(left), without_offset(right));
        let levels = [&left, &right].map(|it| level_db(&it[lag..it.len() - lag]));
        Self { left, right, lag, levels }
    }

    /// The samples of both channels with their surroundings.
    fn frames(&self) -> (&[f32], &[f32]) {
        (&self.left, &self.right)
    }

    fn left(&self) -> &[f32] {
        &self.left[self.lag..self.left.len() - self.lag]
    }

    fn right_at(&self, delay: usize) -> &[f32] {
        &self.right[delay..delay + self.right.len() - 2 * self.lag]
    }

    /// Correlation from −1 to 1 with the right channel at `delay`, in samples from the earliest one.
    fn correlation(&self, delay: usize) -> f32 {
        let right = self.right_at(delay);
        let power = energy(self.left()) * energy(right);
        if power > MIN_POWER { simd::dot(self.left(), right) / power.sqrt() } else { 0.0 }
    }

    /// Correlations at every second delay with every second sample: enough to find the region of the best delay.
    fn coarse_correlations(&self) -> Vec<f32> {
        let (left, right) = (halved(self.left()), halved(&self.right));
        let len = left.len();
        let left_energy = energy(&left);
        let mut right_energy = f64::from(energy(&right[..len]));
        (0..=self.lag)
            .map(|delay| {
                let power = left_energy * narrow(right_energy.max(0.0));
                let product = simd::dot(&left, &right[delay..delay + len]);
                // The next window of the right channel begins and ends one sample later.
                if let Some(&next) = right.get(delay + len) {
                    right_energy += f64::from(next).powi(2) - f64::from(right[delay]).powi(2);
                }
                if power > MIN_POWER { (product / power.sqrt()).clamp(-1.0, 1.0) } else { 0.0 }
            })
            .collect()
    }
}

/// A block for the estimate of the delay, with its correlations at every second delay.
#[derive(Debug)]
struct Kept {
    block: Block,
    coarse: Vec<f32>,
}

/// A delay and the sign of the correlation.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Delay {
    /// Delay in samples from the earliest one.
    samples: usize,
    sign: f32,
}

/// Result of comparing two channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// Two sides of a call.
    Different,
    /// The same sound.
    Same {
        /// Index of the louder channel, 0 or 1.
        louder: usize,
    },
}

/// The estimated relation.
#[derive(Debug)]
enum Model {
    Delay(Delay),
    Filter(Box<Transfer>),
}

/// State of the comparison of two channels.
#[derive(Debug)]
pub(crate) struct Relation {
    gate: Gate,
    tones: ToneProbe,
    tone_frame: usize,
    analyzer: Analyzer,
    /// Blocks of voice until the relation is estimated.
    kept: Vec<Kept>,
    next_look: usize,
    lag: usize,
    model: Option<Model>,
    evidence: Evidence,
    /// Energy of the blocks of voice in each channel.
    energies: [f64; 2],
}

impl Relation {
    /// A comparison of blocks of `block` samples at `rate` Hz with delays of up to `lag` samples.
    pub(crate) fn new(rate: usize, block: usize, lag: usize) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "some thousand")]
        let rate_hz = rate as f32;
        let tone_frame = (rate / 50).clamp(1, block);
        Self {
            gate: Gate::default(),
            tones: ToneProbe::new(rate_hz, tone_frame),
            tone_frame,
            analyzer: Analyzer::new(rate_hz, block + 2 * lag),
            kept: Vec::new(),
            next_look: FIRST_LOOK,
            lag,
            model: None,
            evidence: Evidence::default(),
            energies: [0.0; 2],
        }
    }

    /// Adds the next block; returns whether the channels have been proven to differ.
    pub(crate) fn add(&mut self, block: Block) -> bool {
        self.gate.add(block.levels);
        if !self.gate.passes(block.levels) || self.is_tone(&block) {
            return false;
        }
        for (sum, level) in self.energies.iter_mut().zip(block.levels) {
            *sum += 10_f64.powf(f64::from(level) / 10.0);
        }
        match &mut self.model {
            Some(Model::Delay(delay)) => observe(&block, *delay, &self.gate, &mut self.evidence),
            Some(Model::Filter(filter)) => {
                filter.add(&self.analyzer.spectra(block.frames()), &mut self.evidence);
            }
            None => return self.keep(block),
        }
        self.evidence.speaks_against()
    }

    /// Keeps a block until there are enough for an estimate; returns whether the channels have been proven to differ.
    fn keep(&mut self, block: Block) -> bool {
        let coarse = block.coarse_correlations();
        self.kept.push(Kept { block, coarse });
        if self.kept.len() < self.next_look {
            return false;
        }
        // Blocks that passed as voice at first may be noise relative to louder blocks since.
        let gate = &self.gate;
        self.kept.retain(|kept| gate.passes(kept.block.levels));
        if self.kept.len() < self.next_look {
            return false;
        }
        self.look()
    }

    /// Estimates the relation from the kept blocks; returns whether the channels have been proven to differ.
    fn look(&mut self) -> bool {
        let (delay, fit) = self.best_delay();
        let related = fit >= needed(self.kept.len());
        let evidence = self.evidence_at(delay);
        if self.kept.len() < SEARCHED_BLOCKS {
            // At a wrong delay a word begins in one channel and ends in the other, so levels are not comparable.
            let unrelated = fit < UNRELATED && self.kept.len() >= UNRELATED_BLOCKS && self.gate.is_loud();
            let different = unrelated || related && evidence.levels_speak_against();
            self.next_look = (self.next_look * 2).min(SEARCHED_BLOCKS);
            return different && self.filter().is_none();
        }
        let delayed = related && !evidence.speaks_against();
        match self.filter() {
            // A filter must halve the unexplained energy of the delay, because some filter always fits better.
            Some((filter, behind))
                if !delayed || unexplained(behind.mean_correlation()) < unexplained(fit) / 2.0 =>
            {
                (self.model, self.evidence) = (Some(Model::Filter(Box::new(filter))), behind);
            }
            _ if delayed => (self.model, self.evidence) = (Some(Model::Delay(delay)), evidence),
            _ if related || self.gate.is_loud() => return true,
            // Noise of a quiet line: wait for voices.
            _ => {
                self.kept.drain(..SEARCHED_BLOCKS / 2);
                return false;
            }
        }
        self.kept = Vec::new();
        false
    }

    /// A filter that explains all kept blocks.
    fn filter(&mut self) -> Option<(Transfer, Evidence)> {
        let spectra: Vec<Spectra> =
            self.kept.iter().map(|kept| self.analyzer.spectra(kept.block.frames())).collect();
        let filter = Transfer::estimate(&spectra)?;
        let evidence = filter.evidence(&spectra);
        let explains = evidence.mean_correlation() >= needed(spectra.len()) && !evidence.speaks_against();
        explains.then_some((filter, evidence))
    }

    /// The delay that fits the kept blocks best, and their mean correlation at it.
    fn best_delay(&self) -> (Delay, f32) {
        let mut sums = vec![0.0; self.lag + 1];
        for kept in &self.kept {
            sums.iter_mut().zip(&kept.coarse).for_each(|(sum, correlation)| *sum += correlation);
        }
        let best = sums.iter().fold(0.0, |best: f32, sum| best.max(sum.abs()));
        let middle = self.lag / 2;
        let coarse = (0..=self.lag)
            .filter(|&at| sums[at].abs() >= AS_GOOD * best)
            .min_by_key(|&at| at.abs_diff(middle))
            .unwrap_or(middle);
        let around = 2 * peak_around(&sums, coarse);
        #[expect(clippy::cast_precision_loss, reason = "some dozens")]
        let count = self.kept.len().max(1) as f32;
        let mean = |samples: usize| {
            self.kept.iter().map(|kept| kept.block.correlation(samples)).sum::<f32>() / count
        };
        let fits = (around.saturating_sub(2)..=(around + 2).min(2 * self.lag)).map(|at| (at, mean(at)));
        let (samples, fit) =
            fits.max_by(|(_, a), (_, b)| a.abs().total_cmp(&b.abs())).unwrap_or((self.lag, 0.0));
        (Delay { samples, sign: fit.signum() }, fit.abs())
    }

    fn evidence_at(&self, delay: Delay) -> Evidence {
        let mut evidence = Evidence::default();
        self.kept.iter().for_each(|kept| observe(&kept.block, delay, &self.gate, &mut evidence));
        evidence
    }

    /// Whether the block contains a call progress tone. Tones are periodic, so many delays fit.
    fn is_tone(&mut self, block: &Block) -> bool {
        let louder =
            if block.levels[0] >= block.levels[1] { block.left() } else { block.right_at(block.lag) };
        let Self { tones, tone_frame, .. } = self;
        let mut frames = louder.chunks_exact(*tone_frame);
        frames.any(|frame| tones.is_tone(frame, energy(frame)))
    }

    /// The result for the whole call.
    pub(crate) fn finish(mut self) -> Judgement {
        if self.model.is_none() {
            let gate = &self.gate;
            self.kept.retain(|kept| gate.passes(kept.block.levels));
            if self.kept.is_empty() {
                return Judgement::Same { louder: 0 }; // silence
            }
            let (delay, fit) = self.best_delay();
            let delayed = fit >= needed(self.kept.len()) && !self.evidence_at(delay).speaks_against();
            if !delayed && self.filter().is_none() {
                return Judgement::Different;
            }
        }
        if self.evidence.speaks_against() {
            return Judgement::Different;
        }
        let [left, right] = self.energies;
        Judgement::Same { louder: usize::from(right > left * MIN_LOUDER) }
    }
}

/// The share of the energy that a correlation does not explain.
fn unexplained(correlation: f32) -> f32 {
    1.0 - correlation.powi(2)
}

/// Adds correlation and level difference of a block at a delay to the evidence, if there is voice at that delay. The
/// actual delay may be fractional, so the estimate may be off by one sample.
fn observe(block: &Block, delay: Delay, gate: &Gate, evidence: &mut Evidence) {
    let levels = [level_db(block.left()), level_db(block.right_at(delay.samples))];
    if !gate.passes(levels) {
        return;
    }
    let around = delay.samples.saturating_sub(1)..=(delay.samples + 1).min(2 * block.lag);
    let correlation = around.map(|at| block.correlation(at) * delay.sign).fold(-1.0, f32::max);
    evidence.add(correlation, levels[0] - levels[1]);
}

/// The mean correlation that `blocks` require at their best delay.
fn needed(blocks: usize) -> f32 {
    #[expect(clippy::cast_precision_loss, reason = "some dozens")]
    let blocks = blocks.max(1) as f32;
    RELATED + RELATED_BY_CHANCE / blocks.sqrt()
}

/// Index of the peak around a value on its flank.
fn peak_around(sums: &[f32], from: usize) -> usize {
    let mut at = from;
    loop {
        let next = [at.saturating_sub(1), (at + 1).min(sums.len() - 1)];
        match next.into_iter().find(|&it| sums[it].abs() > sums[at].abs()) {
            Some(higher) => at = higher,
            None => return at,
        }
    }
}

fn without_offset(samples: &[f32]) -> Vec<f32> {
    #[expect(clippy::cast_precision_loss, reason = "some thousand samples")]
    let mean = simd::sum_and_energy(samples).0 / samples.len().max(1) as f32;
    samples.iter().map(|it| it - mean).collect()
}

/// Averages pairs of samples.
fn halved(samples: &[f32]) -> Vec<f32> {
    samples.chunks_exact(2).map(|pair| (pair[0] + pair[1]) * 0.5).collect()
}

fn narrow(value: f64) -> f32 {
    #[expect(clippy::cast_possible_truncation, reason = "an energy of some thousand samples")]
    let value = value as f32;
    value
}

fn energy(samples: &[f32]) -> f32 {
    simd::dot(samples, samples)
}

fn level_db(samples: &[f32]) -> f32 {
    #[expect(clippy::cast_precision_loss, reason = "some thousand samples")]
    let power = energy(samples) / samples.len().max(1) as f32;
    10.0 * (power + 1e-10).log10()
}
