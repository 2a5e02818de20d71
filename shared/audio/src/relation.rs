//! Whether one channel is the other one: louder, later, inverted, noisier, but by one relation for the whole call.
//!
//! Within a single block of true stereo with crosstalk the channels are as much alike as those of a doubled recording:
//! the quiet one is a copy of the loud one. What tells them apart is that the relation changes with the speaker. So one
//! delay is found from the first seconds of voice, and from then on every block of voice is held against it: the
//! difference of levels has to stay the same, and the correlation high.

use crate::evidence::{Evidence, Gate};
use crate::lanes;
use crate::tone::ToneProbe;

/// Blocks of voice that are kept to find the delay; how many it takes at least before a look is worth it.
const SEARCHED_BLOCKS: usize = 80;
const FIRST_LOOK: usize = 10;
/// Mean correlation at the best delay from which on there is a relation, for many blocks and for one: among few blocks
/// some delay fits by chance.
const RELATED: f32 = 0.5;
const RELATED_BY_CHANCE: f32 = 0.3;
/// Mean correlation at the best delay below which so many blocks of loud voices have no relation, nor will have.
const UNRELATED: f32 = 0.3;
const UNRELATED_BLOCKS: usize = 20;
/// Of two delays that fit almost equally well, the shorter one is meant: voices repeat themselves each few milliseconds.
const AS_GOOD: f32 = 0.97;
/// Product of the energies of two blocks below which at least one of them is silent to the last bit.
const MIN_POWER: f32 = 1e-12;

/// A block of the left channel, and the right one from a lag before it to a lag after it.
#[derive(Debug, Clone)]
pub(crate) struct Block {
    left: Vec<f32>,
    right: Vec<f32>,
    lag: usize,
    /// Mean power of both channels at no delay, in dBFS.
    pub(crate) levels: [f32; 2],
}

impl Block {
    /// Copies the samples without their offset.
    pub(crate) fn new(left: &[f32], right: &[f32]) -> Self {
        let lag = (right.len() - left.len()) / 2;
        let (left, right) = (without_offset(left), without_offset(right));
        let levels = [&left[..], &right[lag..lag + left.len()]].map(level_db);
        Self { left, right, lag, levels }
    }

    fn right_at(&self, delay: usize) -> &[f32] {
        &self.right[delay..delay + self.left.len()]
    }

    /// Correlation, from −1 to 1, with the right channel `delay` samples after the earliest one.
    fn correlation(&self, delay: usize) -> f32 {
        let right = self.right_at(delay);
        let power = energy(&self.left) * energy(right);
        if power > MIN_POWER { lanes::dot(&self.left, right) / power.sqrt() } else { 0.0 }
    }

    /// The correlation at every second delay, of every second sample: enough to find where to look closely.
    fn coarse_correlations(&self) -> Vec<f32> {
        let (left, right) = (halved(&self.left), halved(&self.right));
        let len = left.len();
        let left_energy = energy(&left);
        let mut right_energy = f64::from(energy(&right[..len]));
        (0..=self.lag)
            .map(|delay| {
                let power = left_energy * narrow(right_energy.max(0.0));
                let product = lanes::dot(&left, &right[delay..delay + len]);
                // The next window of the right channel begins and ends a sample later.
                if let Some(&next) = right.get(delay + len) {
                    right_energy += f64::from(next).powi(2) - f64::from(right[delay]).powi(2);
                }
                if power > MIN_POWER { (product / power.sqrt()).clamp(-1.0, 1.0) } else { 0.0 }
            })
            .collect()
    }
}

/// A block that was kept to find the delay, with its correlation at every second one.
#[derive(Debug)]
struct Kept {
    block: Block,
    coarse: Vec<f32>,
}

/// One delay and one sign.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Delay {
    /// Samples after the earliest one.
    samples: usize,
    sign: f32,
}

/// What is to be thought of two channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// Two sides of a call.
    Different,
    /// One sound.
    Same {
        /// The channel that is louder, 0 or 1.
        louder: usize,
    },
}

/// Everything known about two channels so far.
#[derive(Debug)]
pub(crate) struct Relation {
    gate: Gate,
    tones: ToneProbe,
    tone_frame: usize,
    /// Blocks of voice, until the delay is known.
    kept: Vec<Kept>,
    next_look: usize,
    lag: usize,
    delay: Option<Delay>,
    evidence: Evidence,
}

impl Relation {
    /// For blocks of `block` samples at `rate` Hz, and delays of up to `lag` samples.
    pub(crate) fn new(rate: usize, block: usize, lag: usize) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "some thousand")]
        let rate_hz = rate as f32;
        let tone_frame = (rate / 50).clamp(1, block);
        Self {
            gate: Gate::default(),
            tones: ToneProbe::new(rate_hz, tone_frame),
            tone_frame,
            kept: Vec::new(),
            next_look: FIRST_LOOK,
            lag,
            delay: None,
            evidence: Evidence::default(),
        }
    }

    /// Takes the next block; whether the channels have proved to be different.
    pub(crate) fn add(&mut self, block: &Block) -> bool {
        self.gate.add(block.levels);
        if !self.gate.passes(block.levels) || self.is_tone(block) {
            return false;
        }
        if let Some(delay) = self.delay {
            observe(block, delay, &self.gate, &mut self.evidence);
            return self.evidence.speaks_against();
        }
        self.kept.push(Kept { block: block.clone(), coarse: block.coarse_correlations() });
        if self.kept.len() < self.next_look {
            return false;
        }
        // What seemed voice at first may have been noise before it.
        let gate = &self.gate;
        self.kept.retain(|kept| gate.passes(kept.block.levels));
        if self.kept.len() < self.next_look {
            return false;
        }
        self.look()
    }

    /// Judges by the blocks that are kept; whether the channels have proved to be different.
    fn look(&mut self) -> bool {
        let (delay, fit) = self.best_delay();
        let related = fit >= needed(self.kept.len());
        let evidence = self.evidence_at(delay);
        // At a wrong delay a word begins in one channel and ends in the other: levels say nothing then.
        if related && evidence.levels_speak_against() {
            return true;
        }
        if fit < UNRELATED && self.kept.len() >= UNRELATED_BLOCKS && self.gate.is_loud() {
            return true;
        }
        if self.kept.len() < SEARCHED_BLOCKS {
            self.next_look = (self.next_look * 2).min(SEARCHED_BLOCKS);
            return false;
        }
        if related {
            let different = evidence.speaks_against();
            (self.delay, self.evidence) = (Some(delay), evidence);
            self.kept = Vec::new();
            return different;
        }
        if self.gate.is_loud() {
            return true;
        }
        // Noise of a quiet line: the voices are still to come.
        self.kept.drain(..SEARCHED_BLOCKS / 2);
        false
    }

    /// The delay that fits the kept blocks best, and their mean correlation there.
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

    /// Whether a call progress tone is in it: tones repeat themselves exactly, so that many delays fit.
    fn is_tone(&mut self, block: &Block) -> bool {
        let louder = if block.levels[0] >= block.levels[1] {
            &block.left
        } else {
            &block.right[block.lag..block.lag + block.left.len()]
        };
        let Self { tones, tone_frame, .. } = self;
        let mut frames = louder.chunks_exact(*tone_frame);
        frames.any(|frame| tones.is_tone(frame, energy(frame)))
    }

    /// The judgement over the whole call.
    pub(crate) fn finish(mut self) -> Judgement {
        if self.delay.is_none() {
            let gate = &self.gate;
            self.kept.retain(|kept| gate.passes(kept.block.levels));
            if self.kept.is_empty() {
                return Judgement::Same { louder: 0 }; // silence
            }
            let (delay, fit) = self.best_delay();
            self.evidence = self.evidence_at(delay);
            if fit < needed(self.kept.len()) {
                return Judgement::Different;
            }
        }
        if self.evidence.speaks_against() {
            return Judgement::Different;
        }
        Judgement::Same { louder: usize::from(self.evidence.right_is_louder()) }
    }
}

/// Adds correlation and difference of levels of a block at a delay to the evidence, if there is voice at that delay. A
/// delay need not be a whole number of samples, and what is measured of it is off by one at times.
fn observe(block: &Block, delay: Delay, gate: &Gate, evidence: &mut Evidence) {
    let levels = [level_db(&block.left), level_db(block.right_at(delay.samples))];
    if !gate.passes(levels) {
        return;
    }
    let around = delay.samples.saturating_sub(1)..=(delay.samples + 1).min(2 * block.lag);
    let correlation = around.map(|at| block.correlation(at) * delay.sign).fold(-1.0, f32::max);
    evidence.add(correlation, levels[0] - levels[1]);
}

/// The mean correlation that `blocks` need at their best delay.
fn needed(blocks: usize) -> f32 {
    #[expect(clippy::cast_precision_loss, reason = "some dozens")]
    let blocks = blocks.max(1) as f32;
    RELATED + RELATED_BY_CHANCE / blocks.sqrt()
}

/// From a flank to the top.
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
    let mean = lanes::sum_and_energy(samples).0 / samples.len().max(1) as f32;
    samples.iter().map(|it| it - mean).collect()
}

/// Pairs of samples as one.
fn halved(samples: &[f32]) -> Vec<f32> {
    samples.chunks_exact(2).map(|pair| (pair[0] + pair[1]) * 0.5).collect()
}

fn narrow(value: f64) -> f32 {
    #[expect(clippy::cast_possible_truncation, reason = "an energy of some thousand samples")]
    let value = value as f32;
    value
}

fn energy(samples: &[f32]) -> f32 {
    lanes::dot(samples, samples)
}

fn level_db(samples: &[f32]) -> f32 {
    #[expect(clippy::cast_precision_loss, reason = "some thousand samples")]
    let power = energy(samples) / samples.len().max(1) as f32;
    10.0 * (power + 1e-10).log10()
}
