//! Statistics of speakers and of the conversation (SpeechKit API v3, `SpeakerAnalysis` and
//! `ConversationAnalysis`).

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::assignment::WantedAnalysis;
use super::speech::{Span, joined, total_ms};
use super::transcript::{Transcript, Utterance};
use super::words::Word;

/// `speakerAnalysis` of some utterances of one speaker; `window` is `TOTAL` or `LAST_UTTERANCE`.
pub(super) fn speaker(tag: usize, window: &str, utterances: &[&Utterance], wanted: &WantedAnalysis) -> Value {
    let speech = speech_of(utterances.iter().copied(), wanted.silence_threshold_ms);
    let bounds = bounds(&speech);
    let spoken_ms = total_ms(&speech);
    let silent_ms = bounds.duration_ms() - spoken_ms;
    let count = |of: fn(&Utterance) -> usize| utterances.iter().map(|it| of(it)).sum::<usize>().to_string();
    let stats = |of: &dyn Fn(&Utterance) -> f64| {
        statistics(utterances.iter().map(|it| of(it)).collect(), &wanted.quantiles)
    };
    json!({
        "speakerTag": tag.to_string(),
        "windowType": window,
        "speechBoundaries": boundaries(bounds),
        "totalSpeechMs": spoken_ms.to_string(),
        "speechRatio": ratio(spoken_ms, bounds.duration_ms()),
        "totalSilenceMs": silent_ms.to_string(),
        "silenceRatio": ratio(silent_ms, bounds.duration_ms()),
        "wordsCount": count(words_in),
        "lettersCount": count(letters_in),
        "utteranceCount": utterances.len().to_string(),
        "wordsPerSecond": stats(&|it| number(words_in(it)) / seconds(it)),
        "lettersPerSecond": stats(&|it| number(letters_in(it)) / seconds(it)),
        "wordsPerUtterance": stats(&|it| number(words_in(it))),
        "lettersPerUtterance": stats(&|it| number(letters_in(it))),
        "utteranceDurationEstimation": stats(&|it| seconds(it) * 1_000.0),
    })
}

/// `conversationAnalysis` of the whole call.
pub(super) fn conversation(transcript: &Transcript, wanted: &WantedAnalysis) -> Value {
    let mut by_speaker: BTreeMap<usize, Vec<Span>> = BTreeMap::new();
    for utterance in &transcript.utterances {
        by_speaker.entry(utterance.tag).or_default().extend(&utterance.speech);
    }
    let speech = speech_of(&transcript.utterances, 0);
    let bounds = bounds(&speech);
    let silences: Vec<Span> = speech
        .windows(2)
        .map(|pair| Span::new(pair[0].end_ms, pair[1].start_ms))
        .filter(|span| span.duration_ms() > 0 && span.duration_ms() >= wanted.common_silence_threshold_ms)
        .collect();
    let interrupts = interrupts(&by_speaker, wanted.common_speech_threshold_ms);
    let overlaps: Vec<Span> = interrupts.values().flatten().copied().collect();
    let durations = |spans: &[Span]| {
        statistics(spans.iter().map(|span| millis(span.duration_ms())).collect(), &wanted.quantiles)
    };
    let evaluations: Vec<Value> = interrupts
        .iter()
        .map(|(tag, spans)| {
            json!({
                "speakerTag": tag.to_string(),
                "interruptsCount": spans.len().to_string(),
                "interruptsDurationMs": total_ms(spans).to_string(),
                "interrupts": spans.iter().copied().map(boundaries).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({
        "conversationBoundaries": boundaries(bounds),
        "totalSimultaneousSilenceDurationMs": total_ms(&silences).to_string(),
        "totalSimultaneousSilenceRatio": ratio(total_ms(&silences), bounds.duration_ms()),
        "simultaneousSilenceDurationEstimation": durations(&silences),
        "totalSimultaneousSpeechDurationMs": total_ms(&overlaps).to_string(),
        "totalSimultaneousSpeechRatio": ratio(total_ms(&overlaps), bounds.duration_ms()),
        "simultaneousSpeechDurationEstimation": durations(&overlaps),
        "speakerInterrupts": evaluations,
        "totalSpeechDurationMs": total_ms(&speech).to_string(),
        "totalSpeechRatio": ratio(total_ms(&speech), bounds.duration_ms()),
    })
}

/// Interruptions by speaker: times at which a speaker began while the other was still speaking.
fn interrupts(by_speaker: &BTreeMap<usize, Vec<Span>>, threshold_ms: i64) -> BTreeMap<usize, Vec<Span>> {
    by_speaker
        .iter()
        .map(|(tag, own)| {
            let others = || by_speaker.iter().filter(|(other, _)| *other != tag).flat_map(|(_, spans)| spans);
            let broken_into = own.iter().filter_map(|span| {
                let other =
                    others().find(|other| other.start_ms < span.start_ms && span.start_ms < other.end_ms)?;
                Some(Span::new(span.start_ms, span.end_ms.min(other.end_ms)))
            });
            (*tag, broken_into.filter(|span| span.duration_ms() >= threshold_ms).collect())
        })
        .collect()
}

/// All speech in order of time, with pauses below the threshold closed.
fn speech_of<'a>(utterances: impl IntoIterator<Item = &'a Utterance>, threshold_ms: i64) -> Vec<Span> {
    let mut spans: Vec<Span> = utterances.into_iter().flat_map(|it| it.speech.iter().copied()).collect();
    spans.sort_by_key(|span| span.start_ms);
    joined(spans, threshold_ms)
}

fn bounds(speech: &[Span]) -> Span {
    let start_ms = speech.first().map_or(0, |span| span.start_ms);
    Span::new(start_ms, speech.last().map_or(start_ms, |span| span.end_ms))
}

fn boundaries(span: Span) -> Value {
    json!({ "startTimeMs": span.start_ms.to_string(), "endTimeMs": span.end_ms.to_string() })
}

fn words_in(utterance: &Utterance) -> usize {
    utterance.words.len()
}

fn letters_in(utterance: &Utterance) -> usize {
    utterance
        .words
        .iter()
        .map(Word::bare)
        .map(|word| word.chars().filter(|it| it.is_alphabetic()).count())
        .sum()
}

fn seconds(utterance: &Utterance) -> f64 {
    millis(utterance.span().duration_ms().max(1)) / 1_000.0
}

fn ratio(part_ms: i64, whole_ms: i64) -> f64 {
    if whole_ms == 0 { 0.0 } else { millis(part_ms) / millis(whole_ms) }
}

#[expect(clippy::cast_precision_loss, reason = "a call has far less than 2^52 ms")]
fn millis(ms: i64) -> f64 {
    ms as f64
}

#[expect(clippy::cast_precision_loss, reason = "a call has far less than 2^52 words")]
fn number(count: usize) -> f64 {
    count as f64
}

/// `DescriptiveStatistics`; all zero without values.
fn statistics(mut values: Vec<f64>, levels: &[f64]) -> Value {
    values.sort_by(f64::total_cmp);
    let count = number(values.len().max(1));
    let mean = values.iter().sum::<f64>() / count;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
    let quantiles: Vec<Value> =
        levels.iter().map(|level| json!({ "level": level, "value": quantile(&values, *level) })).collect();
    json!({
        "min": values.first().copied().unwrap_or(0.0),
        "max": values.last().copied().unwrap_or(0.0),
        "mean": mean,
        "std": variance.sqrt(),
        "quantiles": quantiles,
    })
}

/// Quantile by nearest rank: the smallest value that at least this share of all does not exceed.
fn quantile(sorted: &[f64], level: f64) -> f64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 < level < 1")]
    let rank = (level * number(sorted.len())).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::super::words::{split, spread};
    use super::*;

    fn said(tag: usize, start_ms: i64, end_ms: i64) -> Utterance {
        let speech = vec![Span::new(start_ms, end_ms)];
        Utterance { tag, words: spread(&split("да нет"), &speech), speech }
    }

    #[test]
    fn silence_overlap_and_interruptions_are_measured() {
        let utterances = vec![said(0, 0, 4_000), said(1, 3_000, 6_000), said(0, 8_000, 10_000)];
        let transcript = Transcript { duration_ms: 10_000, utterances, answerphone: false };
        let found = conversation(&transcript, &WantedAnalysis::default());
        assert_eq!(found["totalSimultaneousSilenceDurationMs"], "2000");
        assert_eq!(found["totalSimultaneousSpeechDurationMs"], "1000");
        assert_eq!(found["totalSpeechDurationMs"], "8000");
        assert_eq!(found["speakerInterrupts"][0]["interruptsCount"], "0");
        assert_eq!(found["speakerInterrupts"][1]["interrupts"][0]["startTimeMs"], "3000");
    }

    #[test]
    fn a_speakers_numbers_add_up() {
        let (first, second) = (said(0, 0, 1_000), said(0, 3_000, 4_000));
        let wanted = WantedAnalysis { quantiles: vec![0.5], ..WantedAnalysis::default() };
        let found = speaker(0, "TOTAL", &[&first, &second], &wanted);
        assert_eq!((&found["totalSpeechMs"], &found["totalSilenceMs"]), (&json!("2000"), &json!("2000")));
        assert_eq!((&found["wordsCount"], &found["lettersCount"]), (&json!("4"), &json!("10")));
        assert_eq!(found["utteranceDurationEstimation"]["quantiles"][0]["value"], 1_000.0);
    }
}
