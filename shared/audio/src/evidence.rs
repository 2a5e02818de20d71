//! Which blocks of two channels are voice, and what they say about a relation between the channels.

/// Nothing below this level is voice, in dBFS.
const MIN_VOICE_DB: f32 = -55.0;
/// A line with voices reaches this level, in dBFS.
const LOUD_DB: f32 = -45.0;
/// Voice is at most this far below the loud blocks of its channel: what is softer may be noise of its own.
const BELOW_LOUD_DB: f32 = 15.0;
/// Share of blocks above the level that is taken for loud, one of so many.
const LOUD_SHARE: u32 = 20;

/// Levels differ by this much more at one time than at another only if different people speak; the second one so clearly
/// that a word is enough.
const MAX_SPREAD_DB: usize = 10;
const CLEAR_SPREAD_DB: usize = 18;
/// A block is unlike the relation if its correlation is less than this share of the usual one.
const UNLIKE: f32 = 0.5;
/// So many such blocks in a row are another sound, not the noise of a codec.
const UNLIKE_IN_ROW: u32 = 3;
/// Blocks that have to speak against a relation: 400 ms, or one of so many in a long call.
const MIN_BLOCKS_AGAINST: u32 = 4;
const SHARE_AGAINST: u32 = 500;
/// The same for blocks that do so clearly.
const MIN_CLEAR_BLOCKS: u32 = 2;
const SHARE_OF_CLEAR: u32 = 2_000;

/// Differences of levels are counted in steps of a decibel up to this one.
const MAX_DIFFERENCE_DB: u8 = 90;
const STEPS: usize = 2 * MAX_DIFFERENCE_DB as usize + 1;
/// Levels are counted in steps of a decibel down from full scale.
const LEVELS: usize = 101;

/// Tells voice from what is between the words, for each channel by its own measure.
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
    /// Takes the levels of a block, in dBFS.
    pub(crate) fn add(&mut self, levels: [f32; 2]) {
        for (counts, level) in self.counts.iter_mut().zip(levels) {
            counts[step(-level, 0.0, LEVELS)] += 1;
        }
        self.blocks += 1;
    }

    /// Whether there is voice in one of the channels, as far as is known by now.
    pub(crate) fn passes(&self, levels: [f32; 2]) -> bool {
        let [left, right] = [0, 1].map(|channel| {
            levels[channel] >= MIN_VOICE_DB && levels[channel] >= self.loud_db(channel) - BELOW_LOUD_DB
        });
        left || right
    }

    /// Whether a channel reaches the level of voices.
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

/// What blocks of voice showed at one delay.
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
    /// Takes the correlation of a block, and by how many decibels its left channel is louder.
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

    /// Whether no one relation explains what was seen.
    pub(crate) fn speaks_against(&self) -> bool {
        self.unlike >= UNLIKE_IN_ROW.max(self.blocks / SHARE_AGAINST) || self.levels_speak_against()
    }

    /// Whether now the one channel is the louder one and now the other.
    pub(crate) fn levels_speak_against(&self) -> bool {
        self.spread(MIN_BLOCKS_AGAINST.max(self.blocks / SHARE_AGAINST)) > MAX_SPREAD_DB
            || self.spread(MIN_CLEAR_BLOCKS.max(self.blocks / SHARE_OF_CLEAR)) > CLEAR_SPREAD_DB
    }

    /// How far the differences of levels lie apart, without less than `blocks` at each end.
    fn spread(&self, blocks: u32) -> usize {
        let lowest = nth(self.differences.iter().copied().enumerate(), blocks);
        let highest = nth(self.differences.iter().copied().enumerate().rev(), blocks);
        lowest.zip(highest).map_or(0, |(lowest, highest)| highest.saturating_sub(lowest))
    }

    /// Whether the right channel is louder, by a decibel and more.
    pub(crate) fn right_is_louder(&self) -> bool {
        let middle = nth(self.differences.iter().copied().enumerate(), self.blocks / 2 + 1);
        middle.is_some_and(|step| step < STEPS / 2)
    }
}

/// The step in which the `nth` block lies, counted from the one end or the other.
fn nth(mut steps: impl Iterator<Item = (usize, u32)>, nth: u32) -> Option<usize> {
    let mut seen = 0;
    steps.find_map(|(step, count)| {
        seen += count;
        (seen >= nth).then_some(step)
    })
}

/// The step of a value in decibels, of which the first is `-offset`; what lies beyond belongs to the last one.
fn step(decibels: f32, offset: f32, steps: usize) -> usize {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
    let step = (decibels + offset + 0.5) as usize;
    step.min(steps - 1)
}
