//! Voice activity detection per channel.
//!
//! Each channel is measured in frames of 20 ms: level, and whether the frame is a pure call progress tone. The decision is
//! made at the end, when the noise floor and the speech level of the channel are known, so that thresholds fit quiet and
//! noisy lines. One byte per frame is kept: 720 kB for a channel of four hours.

use serde::{Deserialize, Serialize};

use crate::level::{AUDIBLE_DB, FRAME_MS, LevelMeter, SILENCE_DB, TONE, to_byte, to_level};
use crate::pcm_format::PcmFormat;
use crate::planes::{self, Planes};
use crate::waveform;

/// Maximum pause within a segment, in milliseconds. Longer than pauses inside a sentence, shorter than gaps between turns.
pub const MAX_PAUSE_MS: u64 = 300;
/// Time by which a segment begins before its first activity, in milliseconds, because many words begin softly.
pub const LEAD_MS: u64 = 20;
/// Time by which a segment ends after its last activity, in milliseconds, because words fade below any threshold.
/// Together with the lead it is shorter than [`MAX_PAUSE_MS`], so segments never touch.
pub const HANGOVER_MS: u64 = 200;
/// Minimum continuous activity of a segment, in milliseconds; clicks are shorter.
pub const MIN_BURST_MS: u64 = 60;
/// Minimum activity of a recording with speech, in milliseconds.
pub const MIN_SPEECH_MS: u64 = 100;

/// Minimum continuous activity next to a tone, in milliseconds, because codecs smear the edges of a tone over some frames.
const MIN_BURST_AT_TONE_MS: u64 = 140;
/// Minimum length of a tone, in milliseconds. A shorter one may be a vowel; busy tones last at least 200 ms.
const MIN_TONE_MS: u64 = 160;
/// Minimum onset level of speech, in dBFS; telephone speech is 30 dB above it.
const MIN_ONSET_DB: f32 = AUDIBLE_DB;
/// Maximum onset level, in dBFS: louder frames are never silence, even in a loud channel.
const MAX_ONSET_DB: f32 = -30.0;
/// Onset level above the noise floor, in dB.
const ABOVE_FLOOR_DB: f32 = 9.0;
/// Maximum distance of the onset level below the speech level, in dB; softer sound is echo of the other side.
const BELOW_SPEECH_DB: f32 = 35.0;
/// A segment continues while the level is at most this much below the onset level, in dB (hysteresis).
const HYSTERESIS_DB: f32 = 6.0;
/// Quantiles of frame levels that are used as noise floor and as speech level.
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
    /// Whether the channel has speech: at least [`MIN_SPEECH_MS`] of activity that is not a tone.
    pub fn is_speech(&self) -> bool {
        self.speech_ms >= MIN_SPEECH_MS
    }
}

/// Voice activity detector for all channels of a recording.
#[derive(Debug, Clone)]
pub struct VoiceActivityDetector {
    channels: Vec<LevelMeter>,
    planes: Planes,
}

impl VoiceActivityDetector {
    /// Creates a detector for interleaved samples of this format.
    pub fn new(format: PcmFormat) -> Self {
        let rate = f64::from(format.sample_rate) / f64::from(planes::averaged(format.sample_rate));
        let channels = (0..format.channels.max(1)).map(|_| LevelMeter::new(rate)).collect();
        Self { channels, planes: Planes::new(format) }
    }

    /// Adds interleaved samples: whole frames of all channels.
    pub fn push(&mut self, interleaved: &[f32]) {
        self.planes.push(interleaved);
        for (meter, plane) in self.channels.iter_mut().zip(self.planes.latest()) {
            meter.push(plane);
        }
    }

    /// The samples of each channel that the last call of [`Self::push`] completed, averaged to the rate of the analysis.
    pub(crate) fn planes(&self) -> &[Vec<f32>] {
        self.planes.latest()
    }

    /// Loudness of what was pushed, for a player: see [`Prepared::peaks`](crate::Prepared::peaks).
    pub(crate) fn peaks(&self) -> Vec<u8> {
        waveform::peaks(&self.channels.iter().map(LevelMeter::levels))
    }

    /// The result, one entry per channel.
    pub fn finish(self) -> Vec<ChannelSpeech> {
        self.channels.into_iter().map(|it| decide(it.into_levels())).collect()
    }
}

fn decide(mut levels: Vec<u8>) -> ChannelSpeech {
    // A vowel may resemble a tone for some frames only.
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
    /// Whether the open burst or the last frame is adjacent to a tone.
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

/// Converts runs of tone frames that are shorter than any call progress tone back to sound.
fn unmark_short_tones(levels: &mut [u8]) {
    for run in levels.chunk_by_mut(|a, b| (*a == TONE) == (*b == TONE)) {
        if run.first() == Some(&TONE) && (run.len() as u64) * FRAME_MS < MIN_TONE_MS {
            run.fill(TONE - 1);
        }
    }
}

/// Level bytes at which speech starts, and down to which it continues.
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
