//! Loudness of a recording and turns of its speakers in bins of equal length, for the player.

use super::channel::ChannelTag;
use super::utterance::Utterance;

/// Bins of a dialogue whose recording has no waveform.
pub const DEFAULT_BINS: usize = 600;

/// Consecutive bins in which one speaker talks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpeakerSpan {
    /// The speaker's voice.
    pub channel: ChannelTag,
    /// The first bin.
    pub from_bin: usize,
    /// The bin after the last.
    pub to_bin: usize,
}

/// Turns of a dialogue in `bins` bins over `duration_ms`, ordered by their start. Turns of one voice that touch are joined.
/// Times beyond the recording are cut; an empty dialogue, recording or number of bins gives none.
pub fn speaker_spans(dialogue: &[Utterance], duration_ms: u64, bins: usize) -> Vec<SpeakerSpan> {
    if duration_ms == 0 || bins == 0 {
        return Vec::new();
    }
    let count = u64::try_from(bins).unwrap_or(u64::MAX);
    let bin =
        |ms: u64| usize::try_from(ms.min(duration_ms).saturating_mul(count) / duration_ms).unwrap_or(bins);
    let mut spans: Vec<SpeakerSpan> = Vec::new();
    let mut turns: Vec<&Utterance> = dialogue.iter().filter(|turn| turn.start_ms < duration_ms).collect();
    turns.sort_by_key(|turn| turn.start_ms);
    for turn in turns {
        let from_bin = bin(turn.start_ms).min(bins - 1);
        // A short turn fills at least one bin.
        let to_bin = bin(turn.end_ms).clamp(from_bin + 1, bins);
        match spans.iter_mut().rev().find(|span| span.channel == turn.channel) {
            Some(last) if from_bin <= last.to_bin => last.to_bin = last.to_bin.max(to_bin),
            _ => spans.push(SpeakerSpan { channel: turn.channel.clone(), from_bin, to_bin }),
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(channel: &str, start_ms: u64, end_ms: u64) -> Utterance {
        Utterance { channel: ChannelTag::from(channel), start_ms, end_ms, text: String::new() }
    }

    fn spans(dialogue: &[Utterance], duration_ms: u64, bins: usize) -> Vec<(String, usize, usize)> {
        let spans = speaker_spans(dialogue, duration_ms, bins);
        spans.into_iter().map(|span| (span.channel.0, span.from_bin, span.to_bin)).collect()
    }

    #[test]
    fn touching_turns_of_a_voice_are_one_span_and_short_ones_are_seen() {
        let dialogue =
            [turn("0", 0, 900), turn("0", 950, 2_000), turn("1", 2_000, 2_010), turn("0", 5_000, 6_000)];
        assert_eq!(
            spans(&dialogue, 10_000, 10),
            [("0".into(), 0, 2), ("1".into(), 2, 3), ("0".into(), 5, 6)]
        );
    }

    #[test]
    fn times_beyond_the_recording_and_turned_around_do_no_harm() {
        let dialogue = [turn("1", 9_000, 99_000), turn("0", 20_000, 30_000), turn("0", 5_000, 1_000)];
        assert_eq!(spans(&dialogue, 10_000, 10), [("0".into(), 5, 6), ("1".into(), 9, 10)]);
        assert_eq!(spans(&dialogue, 0, 10), []);
        assert_eq!(spans(&dialogue, 10_000, 0), []);
    }
}
