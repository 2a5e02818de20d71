//! Detects whether a stereo recording is true stereo or doubled mono.

use serde::{Deserialize, Serialize};

use crate::relation::{Block, Judgement, Relation};

/// Assignment of speakers to channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Layout {
    /// One channel with all speakers. More than two channels are mixed down to one.
    Mono,
    /// Two different channels: one side of the call in each.
    Stereo,
    /// Two channels with the same sound, where one may be louder, delayed, inverted, or noisier due to a codec. Recognition
    /// of both would return everything twice.
    DoubledMono,
}

/// Lower limit of the rate to which samples are averaged before the comparison, in Hz.
const ANALYSIS_RATE: u32 = 8_000;
/// Length of a compared block, in milliseconds.
const BLOCK_MS: usize = 100;
/// Maximum delay between the channels, in milliseconds.
const MAX_LAG_MS: usize = 100;

/// Compares two interleaved channels until a difference is proven.
#[derive(Debug)]
pub(crate) struct StereoProbe {
    /// Number of sample pairs averaged into one, and the beginning of such a group.
    averaged: usize,
    group: (usize, f32, f32),
    /// Averaged samples to compare, preceded by the samples of one lag.
    left: Vec<f32>,
    right: Vec<f32>,
    block: usize,
    lag: usize,
    relation: Relation,
    compared: bool,
    differs: bool,
}

impl StereoProbe {
    /// Creates a probe for this sample rate.
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
            relation: Relation::new(rate, block, lag),
            compared: false,
            differs: false,
        }
    }

    /// Adds interleaved samples of two channels.
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

    /// Compares complete blocks.
    fn compare(&mut self) {
        let (block, lag) = (self.block, self.lag);
        let mut done = 0;
        while !self.differs && self.left.len() >= done + block + 2 * lag {
            let frame = done..done + block + 2 * lag;
            self.compared = true;
            self.differs = self.relation.add(Block::new(&self.left[frame.clone()], &self.right[frame], lag));
            done += block;
        }
        self.left.drain(..done);
        self.right.drain(..done);
    }

    /// Whether the channels have been proven to differ.
    pub(crate) fn differs(&self) -> bool {
        self.differs
    }

    /// The layout at the end of the recording, and the louder one of two equal channels.
    pub(crate) fn finish(self) -> (Layout, usize) {
        // A recording that is too short for the comparison keeps both channels.
        if self.differs || !self.compared {
            return (Layout::Stereo, 0);
        }
        match self.relation.finish() {
            Judgement::Different => (Layout::Stereo, 0),
            Judgement::Same { louder } => (Layout::DoubledMono, louder),
        }
    }
}
