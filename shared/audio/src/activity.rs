//! Who speaks when: voice activity per channel.
//!
//! Each channel is measured in frames of 20 ms: level, and whether the frame is a pure call progress tone.
//! The decision is made at the end, when the noise floor and the speech level of the channel are known, so
//! that a quiet line and a noisy one are judged by their own measure. One byte per frame is kept: 720 kB for
//! a channel of four hours.

use serde::{Deserialize, Serialize};

use crate::level::{AUDIBLE_DB, FRAME_MS, Meter, SILENCE_DB, TONE, to_byte, to_level};
use crate::source::PcmFormat;

/// Pauses of one channel up to this long do not end a segment, in milliseconds. Pauses inside a sentence
/// stay together; the shortest gap between two turns is longer.
pub const MAX_PAUSE_MS: u64 = 300;
/// A segment begins this long before its first activity, in milliseconds: many words begin softly.
pub const LEAD_MS: u64 = 20;
/// A segment lasts this long beyond its last activity, in milliseconds: words fade below any threshold.
/// With the lead it is shorter than [`MAX_PAUSE_MS`], so segments never touch.
pub const HANGOVER_MS: u64 = 200;
/// A segment has at least this much activity in a row, in milliseconds: clicks are shorter.
pub const MIN_BURST_MS: u64 = 60;
/// Less activity than this in a whole recording is no speech, in milliseconds.
pub const MIN_SPEECH_MS: u64 = 100;

/// The same for activity that touches a tone: codecs smear the edges of a tone over some frames.
const MIN_BURST_AT_TONE_MS: u64 = 140;
/// A pure tone shorter than this may be a vowel, in milliseconds; busy tones last at least 200 ms.
const MIN_TONE_MS: u64 = 160;
/// Nothing below this level is speech, in dBFS: telephone speech is 30 dB above it.
const MIN_ONSET_DB: f32 = AUDIBLE_DB;
/// Whatever is louder than this is not silence, however loud the rest of the channel is.
const MAX_ONSET_DB: f32 = -30.0;
/// Speech starts this far above the noise floor.
const ABOVE_FLOOR_DB: f32 = 9.0;
/// Speech starts at most this far below the speech level: what is softer is echo of the other side.
const BELOW_SPEECH_DB: f32 = 35.0;
/// A segment goes on while the level is no more than this below the onset (hysteresis).
const HYSTERESIS_DB: f32 = 6.0;
/// Rank of the frame level taken for the noise floor, and for the speech level.
const FLOOR_RANK: f32 = 0.10;
const SPEECH_RANK: f32 = 0.95;

/// A stretch of speech in one channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SpeechSegment {
    /// Start, in milliseconds from the beginning of the recording.
    pub start_ms: u64,
    /// End, in milliseconds.
    pub end_ms: u64,
}

/// Speech of one channel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelSpeech {
    /// Segments in order; they do not overlap.
    pub segments: Vec<SpeechSegment>,
    /// Activity inside the segments without pauses, lead and hangover, in milliseconds.
    pub speech_ms: u64,
    /// Ring-back, busy and other pure tones of 400 to 450 Hz, in milliseconds.
    pub tone_ms: u64,
}

impl ChannelSpeech {
    /// Whether anything was said: at least [`MIN_SPEECH_MS`] of activity that is not a tone.
    pub fn is_speech(&self) -> bool {
        self.speech_ms >= MIN_SPEECH_MS
    }
}

/// Voice activity detector for all channels of a recording.
#[derive(Debug, Clone)]
pub struct Activity {
    channels: Vec<Meter>,
    /// Interleaved samples that are measured as one: see [`Meter`].
    group: usize,
    /// The beginning of a group.
    pending: Vec<f32>,
}

impl Activity {
    /// A detector for interleaved samples of this format.
    pub fn new(format: PcmFormat) -> Self {
        let count = usize::from(format.channels.max(1));
        let channels: Vec<_> = (0..count).map(|index| Meter::new(format.sample_rate, index, count)).collect();
        let group = channels.first().map_or(1, Meter::group);
        Self { channels, group, pending: Vec::new() }
    }

    /// Takes the next interleaved samples: whole frames of all channels.
    pub fn push(&mut self, mut interleaved: &[f32]) {
        if !self.pending.is_empty() {
            let missing = (self.group - self.pending.len()).min(interleaved.len());
            self.pending.extend_from_slice(&interleaved[..missing]);
            interleaved = &interleaved[missing..];
            if self.pending.len() < self.group {
                return;
            }
            self.channels.iter_mut().for_each(|it| it.push(&self.pending));
            self.pending.clear();
        }
        let whole = interleaved.len() - interleaved.len() % self.group;
        self.channels.iter_mut().for_each(|it| it.push(&interleaved[..whole]));
        self.pending.extend_from_slice(&interleaved[whole..]);
    }

    /// Decides; one entry per channel.
    pub fn finish(self) -> Vec<ChannelSpeech> {
        self.channels.into_iter().map(|it| decide(it.into_levels())).collect()
    }
}

fn decide(mut levels: Vec<u8>) -> ChannelSpeech {
    // A vowel may come close to a tone for some frames, but does not hold it.
    unmark_short_tones(&mut levels);
    let (onset, hold) = thresholds(&levels);
    let mut bursts = Bursts::default();
    let (mut active, mut tone_frames) = (false, 0);
    for &level in &levels {
        tone_frames += u64::from(level == TONE);
        active = level != TONE && level >= if active { hold } else { onset };
        bursts.frame(active, level == TONE);
    }
    bursts.finish(tone_frames * FRAME_MS)
}

/// Gathers active frames into bursts, and bursts into segments.
#[derive(Debug, Default)]
struct Bursts {
    speech: ChannelSpeech,
    now_ms: u64,
    started_ms: Option<u64>,
    /// The burst that is open, or the last frame, touches a tone.
    at_tone: bool,
}

impl Bursts {
    fn frame(&mut self, active: bool, tone: bool) {
        match (active, self.started_ms) {
            (true, None) => self.started_ms = Some(self.now_ms),
            (false, Some(start_ms)) => {
                self.at_tone |= tone;
                self.close(start_ms);
            }
            _ => {}
        }
        if !active {
            self.at_tone = tone;
        }
        self.now_ms += FRAME_MS;
    }

    fn close(&mut self, start_ms: u64) {
        self.started_ms = None;
        let end_ms = self.now_ms;
        if end_ms - start_ms < if self.at_tone { MIN_BURST_AT_TONE_MS } else { MIN_BURST_MS } {
            return;
        }
        self.speech.speech_ms += end_ms - start_ms;
        match self.speech.segments.last_mut() {
            Some(last) if start_ms - last.end_ms <= MAX_PAUSE_MS => last.end_ms = end_ms,
            _ => self.speech.segments.push(SpeechSegment { start_ms, end_ms }),
        }
    }

    fn finish(mut self, tone_ms: u64) -> ChannelSpeech {
        if let Some(start_ms) = self.started_ms {
            self.close(start_ms);
        }
        for segment in &mut self.speech.segments {
            segment.start_ms = segment.start_ms.saturating_sub(LEAD_MS);
            segment.end_ms = (segment.end_ms + HANGOVER_MS).min(self.now_ms);
        }
        self.speech.tone_ms = tone_ms;
        self.speech
    }
}

/// Turns runs of tone frames that are shorter than any signal of an exchange back into sound.
fn unmark_short_tones(levels: &mut [u8]) {
    for run in levels.chunk_by_mut(|a, b| (*a == TONE) == (*b == TONE)) {
        if run.first() == Some(&TONE) && (run.len() as u64) * FRAME_MS < MIN_TONE_MS {
            run.fill(TONE - 1);
        }
    }
}

/// Level bytes at which speech starts, and down to which it goes on.
fn thresholds(levels: &[u8]) -> (u8, u8) {
    let mut sorted: Vec<u8> = levels.iter().copied().filter(|&it| it != TONE).collect();
    sorted.sort_unstable();
    let rank = |share: f32| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a rank in a list of at most some million entries"
        )]
        let index = (sorted.len() as f32 * share) as usize;
        sorted.get(index.min(sorted.len().saturating_sub(1))).map_or(SILENCE_DB, |&it| to_level(it))
    };
    let relative = (rank(FLOOR_RANK) + ABOVE_FLOOR_DB).max(rank(SPEECH_RANK) - BELOW_SPEECH_DB);
    let onset = relative.clamp(MIN_ONSET_DB, MAX_ONSET_DB);
    (to_byte(onset), to_byte(onset - HYSTERESIS_DB))
}
