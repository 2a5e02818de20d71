//! Detects whether a stereo recording is true stereo or doubled mono.

use serde::{Deserialize, Serialize};

use crate::planes;
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

/// Length of a compared block, in milliseconds.
const BLOCK_MS: usize = 100;
/// Maximum delay between the channels, in milliseconds.
const MAX_LAG_MS: usize = 100;

/// Compares two channels until a difference is proven.
#[derive(Debug)]
pub(crate) struct StereoProbe {
    /// Samples to compare, preceded by the samples of one lag.
    left: Vec<f32>,
    right: Vec<f32>,
    block: usize,
    lag: usize,
    relation: Relation,
    compared: bool,
    differs: bool,
}

impl StereoProbe {
    /// Creates a probe for samples that are averaged by [`Planes`](planes::Planes) from this sample rate.
    pub(crate) fn new(sample_rate: u32) -> Self {
        let rate = (sample_rate / planes::averaged(sample_rate)) as usize;
        let (block, lag) = ((rate * BLOCK_MS / 1000).max(1), rate * MAX_LAG_MS / 1000);
        Self {
            left: Vec::new(),
            right: Vec::new(),
            block,
            lag,
            relation: Relation::new(rate, block, lag),
            compared: false,
            differs: false,
        }
    }

    /// Adds as many samples of both channels.
    pub(crate) fn push(&mut self, left: &[f32], right: &[f32]) {
        if self.differs {
            return;
        }
        self.left.extend_from_slice(left);
        self.right.extend_from_slice(right);
        self.compare();
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
