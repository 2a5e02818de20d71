//! True stereo, or the same voice twice.

use serde::{Deserialize, Serialize};

use crate::relation::{Block, Judgement, Relation};

/// How the speakers lie in the channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Layout {
    /// One channel with everybody; also what more than two channels are mixed down to.
    Mono,
    /// Two channels that differ: one side of the call in each.
    Stereo,
    /// Two channels with the same sound, of which one may be louder, later, inverted, or noisier by a codec. Recognised
    /// as two they would say everything twice.
    DoubledMono,
}

/// Samples are averaged down to no less than this rate before they are compared, in Hz.
const ANALYSIS_RATE: u32 = 8_000;
/// Milliseconds that are compared at a time.
const BLOCK_MS: usize = 100;
/// One channel may be later than the other by this much, in milliseconds.
const MAX_LAG_MS: usize = 100;

/// Compares two interleaved channels until they prove to be different.
#[derive(Debug)]
pub(crate) struct StereoProbe {
    /// Pairs of samples averaged into one, and the beginning of such a group.
    averaged: usize,
    group: (usize, f32, f32),
    /// Averaged samples that are still to be compared. The right ones begin a lag earlier: the first of the left ones are
    /// not compared, since nothing is known of what was before them in the other channel.
    left: Vec<f32>,
    right: Vec<f32>,
    block: usize,
    lag: usize,
    skipped: usize,
    relation: Relation,
    compared: bool,
    differs: bool,
}

impl StereoProbe {
    /// A probe for this sample rate.
    pub(crate) fn new(sample_rate: u32) -> Self {
        let averaged = (sample_rate / ANALYSIS_RATE).max(1) as usize;
        let rate = sample_rate as usize / averaged;
        let (block, lag) = ((rate * BLOCK_MS / 1000).max(1), rate * MAX_LAG_MS / 1000);
        Self {
            averaged,
            group: (0, 0.0, 0.0),
            left: Vec::new(),
            right: Vec::new(),
            block,
            lag,
            skipped: 0,
            relation: Relation::new(rate, block, lag),
            compared: false,
            differs: false,
        }
    }

    /// Takes interleaved samples of two channels.
    pub(crate) fn push(&mut self, interleaved: &[f32]) {
        if self.differs {
            return;
        }
        if self.averaged == 1 {
            self.left.extend(interleaved.chunks_exact(2).map(|pair| pair[0]));
            self.right.extend(interleaved.chunks_exact(2).map(|pair| pair[1]));
        } else {
            self.average(interleaved);
        }
        self.compare();
    }

    fn average(&mut self, interleaved: &[f32]) {
        #[expect(clippy::cast_precision_loss, reason = "below 25")]
        let share = 1.0 / self.averaged as f32;
        for pair in interleaved.chunks_exact(2) {
            let (seen, left, right) = &mut self.group;
            (*seen, *left, *right) = (*seen + 1, *left + pair[0], *right + pair[1]);
            if *seen == self.averaged {
                self.left.push(*left * share);
                self.right.push(*right * share);
                self.group = (0, 0.0, 0.0);
            }
        }
    }

    /// Compares the blocks that are complete.
    fn compare(&mut self) {
        let (block, lag) = (self.block, self.lag);
        let skipped = (lag - self.skipped).min(self.left.len());
        self.left.drain(..skipped);
        self.skipped += skipped;
        let mut done = 0;
        while !self.differs && self.right.len() >= done + block + 2 * lag {
            let left = &self.left[done..done + block];
            let right = &self.right[done..done + block + 2 * lag];
            self.compared = true;
            self.differs = self.relation.add(&Block::new(left, right));
            done += block;
        }
        self.left.drain(..done);
        self.right.drain(..done);
    }

    /// Whether the channels have proved to be different so far.
    pub(crate) fn differs(&self) -> bool {
        self.differs
    }

    /// The verdict at the end of the recording, and which of two equal channels is the louder one.
    pub(crate) fn finish(self) -> (Layout, usize) {
        // Of a recording too short to be compared nothing is thrown away.
        if self.differs || !self.compared {
            return (Layout::Stereo, 0);
        }
        match self.relation.finish() {
            Judgement::Different => (Layout::Stereo, 0),
            Judgement::Same { louder } => (Layout::DoubledMono, louder),
        }
    }
}
