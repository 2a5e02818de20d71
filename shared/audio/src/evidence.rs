//! Selects blocks of voice in two channels and collects evidence for or against a relation between the channels.

/// Minimum level of voice, in dBFS.
const MIN_VOICE_DB: f32 = -55.0;
/// Level that a channel with voices reaches, in dBFS.
const LOUD_DB: f32 = -45.0;
/// Maximum distance of voice below the loud blocks of its channel, in dB; softer blocks may be noise.
const BELOW_LOUD_DB: f32 = 15.0;
/// One of this many blocks reaches the level that counts as loud.
const LOUD_SHARE: u32 = 20;

/// Variation of the level difference that only different speakers cause, in dB. The second value is so clear that one
/// word is enough.
const MAX_SPREAD_DB: usize = 10;
const CLEAR_SPREAD_DB: usize = 18;
/// A block contradicts the relation if its correlation is below this share of the mean.
const UNLIKE: f32 = 0.5;
/// This many such blocks in a row are a different sound, not the noise of a codec.
const UNLIKE_IN_ROW: u32 = 3;
/// Minimum number of blocks against a relation: 400 ms, or one of this many in a long call.
const MIN_BLOCKS_AGAINST: u32 = 4;
const SHARE_AGAINST: u32 = 500;
/// The same for blocks that contradict clearly.
const MIN_CLEAR_BLOCKS: u32 = 2;
const SHARE_OF_CLEAR: u32 = 2_000;

/// Level differences are counted in steps of 1 dB up to this value.
const MAX_DIFFERENCE_DB: u8 = 90;
const STEPS: usize = 2 * MAX_DIFFERENCE_DB as usize + 1;
/// Levels are counted in steps of 1 dB below full scale.
const LEVELS: usize = 101;

/// Distinguishes voice from pauses, relative to the loudness of each channel.
#[derive(Debug)]
pub(crate) struct Gate {
    counts: [[u32; LEVELS]; 2],
    blocks: u32,
}

impl Default for Gate {
    fn default() -> Self {
        Self { counts: [[0; LEVELS]; 2], blocks: 0 }
    }
}

impl Gate {
    /// Adds the levels of a block, in dBFS.
    pub(crate) fn add(&mut self, levels: [f32; 2]) {
        for (counts, level) in self.counts.iter_mut().zip(levels) {
            counts[step(-level, 0.0, LEVELS)] += 1;
        }
        self.blocks += 1;
    }

    /// Whether one of the channels has voice, according to the blocks so far.
    pub(crate) fn passes(&self, levels: [f32; 2]) -> bool {
        let [left, right] = [0, 1].map(|channel| {
            levels[channel] >= MIN_VOICE_DB && levels[channel] >= self.loud_db(channel) - BELOW_LOUD_DB
        });
        left || right
    }

    /// Whether a channel has reached the level of voices.
    pub(crate) fn is_loud(&self) -> bool {
        self.loud_db(0).max(self.loud_db(1)) >= LOUD_DB
    }

    /// The level that one block of twenty reaches.
    fn loud_db(&self, channel: usize) -> f32 {
        let mut left = self.blocks / LOUD_SHARE;
        let mut level = 0.0;
        for count in self.counts[channel] {
            if count > left {
                break;
            }
            left -= count;
            level -= 1.0;
        }
        level
    }
}

/// Evidence from blocks of voice at one delay.
#[derive(Debug)]
pub(crate) struct Evidence {
    blocks: u32,
    correlations: f64,
    unlike_in_row: u32,
    unlike: u32,
    differences: [u32; STEPS],
}

impl Default for Evidence {
    fn default() -> Self {
        Self { blocks: 0, correlations: 0.0, unlike_in_row: 0, unlike: 0, differences: [0; STEPS] }
    }
}

impl Evidence {
    /// Adds the correlation of a block and the level difference (left minus right) in dB.
    pub(crate) fn add(&mut self, correlation: f32, difference_db: f32) {
        self.differences[step(difference_db, f32::from(MAX_DIFFERENCE_DB), STEPS)] += 1;
        self.blocks += 1;
        self.correlations += f64::from(correlation.max(0.0));
        if f64::from(correlation) >= f64::from(UNLIKE) * self.correlations / f64::from(self.blocks) {
            self.unlike_in_row = 0;
            return;
        }
        self.unlike_in_row += 1;
        match self.unlike_in_row.cmp(&UNLIKE_IN_ROW) {
            std::cmp::Ordering::Less => {}
            std::cmp::Ordering::Equal => self.unlike += UNLIKE_IN_ROW,
            std::cmp::Ordering::Greater => self.unlike += 1,
        }
    }

    /// Whether no single relation explains the evidence.
    pub(crate) fn speaks_against(&self) -> bool {
        self.unlike >= UNLIKE_IN_ROW.max(self.blocks / SHARE_AGAINST) || self.levels_speak_against()
    }

    /// Whether the level difference varies more than for one sound.
    pub(crate) fn levels_speak_against(&self) -> bool {
        self.spread(MIN_BLOCKS_AGAINST.max(self.blocks / SHARE_AGAINST)) > MAX_SPREAD_DB
            || self.spread(MIN_CLEAR_BLOCKS.max(self.blocks / SHARE_OF_CLEAR)) > CLEAR_SPREAD_DB
    }

    /// Range of the level differences in dB, without the outermost `blocks` at each end.
    fn spread(&self, blocks: u32) -> usize {
        let lowest = nth(self.differences.iter().copied().enumerate(), blocks);
        let highest = nth(self.differences.iter().copied().enumerate().rev(), blocks);
        lowest.zip(highest).map_or(0, |(lowest, highest)| highest.saturating_sub(lowest))
    }

    /// Mean correlation, where negative values count as zero; zero without blocks.
    pub(crate) fn mean_correlation(&self) -> f32 {
        #[expect(clippy::cast_possible_truncation, reason = "at most 1")]
        let mean = (self.correlations / f64::from(self.blocks.max(1))) as f32;
        mean
    }
}

/// The step of the `nth` block in the order of `steps`.
fn nth(mut steps: impl Iterator<Item = (usize, u32)>, nth: u32) -> Option<usize> {
    let mut seen = 0;
    steps.find_map(|(step, count)| {
        seen += count;
        (seen >= nth).then_some(step)
    })
}

/// The step of a value in dB; the first step is `-offset`, and larger values belong to the last step.
fn step(decibels: f32, offset: f32, steps: usize) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
    let step = (decibels + offset + 0.5) as usize;
    step.min(steps - 1)
}
