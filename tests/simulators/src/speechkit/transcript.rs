//! Utterances by channel or speaker.

use super::manifest::{Manifest, Recognised};
use super::speech::{Span, SpeechAnalysis, cut_at, total_ms};
use super::words::{Word, divide, split, spread};

/// Minimum pause that ends an utterance, ms.
const END_OF_UTTERANCE_MS: i64 = 700;

/// Duration of a filler word, ms.
const WORD_MS: i64 = 400;

/// Uninterrupted speech of one speaker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Utterance {
    /// `channelTag`: the audio channel, or the speaker when labeling is on.
    pub(crate) tag: usize,
    /// Never empty, in order of time.
    pub(crate) words: Vec<Word>,
    /// Never empty: speech within the utterance, without pauses.
    pub(crate) speech: Vec<Span>,
}

impl Utterance {
    pub(crate) fn span(&self) -> Span {
        let start_ms = self.speech.first().map_or(0, |span| span.start_ms);
        Span::new(start_ms, self.speech.last().map_or(start_ms, |span| span.end_ms))
    }
}

/// All utterances, in order of time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Transcript {
    pub(crate) duration_ms: i64,
    pub(crate) utterances: Vec<Utterance>,
    /// The manifest marks the recording as an answering machine.
    pub(crate) answerphone: bool,
}

/// Assigns words to detected speech: those of the manifest if it contains the recording, otherwise filler words.
pub(crate) fn transcribe(analysis: &SpeechAnalysis, manifest: &Manifest, labeling: bool) -> Transcript {
    let known = manifest.recognise(analysis);
    let mut utterances = Vec::new();
    for (channel, speech) in analysis.speech.iter().enumerate() {
        let mut said = match known {
            Some(known) => recall(known, channel, speech, labeling),
            None => invent(analysis.fingerprint, channel, speech),
        };
        if labeling && known.is_none() {
            // The speakers are unknown: two of them alternate.
            said.iter_mut().enumerate().for_each(|(index, utterance)| utterance.tag = index % 2);
        }
        utterances.extend(said);
    }
    utterances.sort_by_key(|utterance| (utterance.span().start_ms, utterance.tag));
    let answerphone = known.is_some_and(|known| known.recording.answerphone);
    Transcript { duration_ms: analysis.duration_ms, utterances, answerphone }
}

/// Words of the manifest for the speech of one channel. Speech is cut in the middle between two turns, so that a
/// mono file keeps its speakers apart however short the pause is.
fn recall(known: Recognised<'_>, channel: usize, speech: &[Span], labeling: bool) -> Vec<Utterance> {
    let turns: Vec<_> = known.turns_of(channel).collect();
    let borders: Vec<i64> =
        turns.windows(2).map(|pair| i64::midpoint(pair[0].span.end_ms, pair[1].span.start_ms)).collect();
    let speech = cut_at(speech, &borders);
    let first_speaker = turns.first().map(|turn| turn.speaker);
    let mut said = Vec::new();
    for (index, turn) in turns.iter().enumerate() {
        let of_turn: Vec<Span> = speech
            .iter()
            .copied()
            .filter(|span| borders.partition_point(|border| *border <= span.start_ms) == index)
            .collect();
        let speaker = usize::from(Some(turn.speaker) != first_speaker);
        let tag = if labeling { speaker } else { channel };
        said.extend(speak(tag, &split(&turn.text), &of_turn));
    }
    said
}

/// Filler words for the speech of one channel.
fn invent(fingerprint: u64, channel: usize, speech: &[Span]) -> Vec<Utterance> {
    let sentences: Vec<&str> = include_str!("filler.txt").lines().collect();
    let mut said = Vec::new();
    for group in grouped(speech) {
        let count = usize::try_from(total_ms(&group) / WORD_MS).unwrap_or(0).max(1);
        let drawn = fingerprint.rotate_left(7).wrapping_add((said.len() * 2 + channel) as u64);
        let first = usize::try_from(drawn % sentences.len().max(1) as u64).unwrap_or(0);
        let endless = sentences.iter().cycle().skip(first).flat_map(|sentence| split(sentence));
        let words: Vec<String> = endless.take(count).collect();
        said.extend(speak(channel, &words, &group));
    }
    said
}

/// Utterances of `words` over `speech`, cut at long pauses. A part too short for a word is joined with the
/// previous one.
fn speak(tag: usize, words: &[String], speech: &[Span]) -> Vec<Utterance> {
    let groups = grouped(speech);
    let lengths: Vec<i64> = groups.iter().map(|group| total_ms(group)).collect();
    let mut parts: Vec<(Vec<String>, Vec<Span>)> = Vec::new();
    for (words, speech) in divide(words, &lengths).into_iter().zip(groups) {
        match parts.last_mut() {
            Some(last) if words.is_empty() || last.0.is_empty() => {
                last.0.extend(words);
                last.1.extend(speech);
            }
            _ => parts.push((words, speech)),
        }
    }
    parts
        .into_iter()
        .filter(|(words, _)| !words.is_empty())
        .map(|(words, speech)| Utterance { tag, words: spread(&words, &speech), speech })
        .collect()
}

/// Groups speech by pauses that end an utterance.
fn grouped(speech: &[Span]) -> Vec<Vec<Span>> {
    speech
        .chunk_by(|before, after| after.start_ms - before.end_ms < END_OF_UTTERANCE_MS)
        .map(<[Span]>::to_vec)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MONO: &str = r#"{ "a.wav": { "duration_ms": 10000, "channels": 1, "turns": [
        { "speaker": "operator", "start_ms": 500, "end_ms": 4000, "text": "Слушаю вас внимательно." },
        { "speaker": "client", "start_ms": 4300, "end_ms": 9000, "text": "У меня не работает виджет." } ] } }"#;

    fn mono(speech: &[Span]) -> SpeechAnalysis {
        SpeechAnalysis { duration_ms: 10_000, speech: vec![speech.to_vec()], fingerprint: 42 }
    }

    #[test]
    fn mono_turns_stay_separate_without_a_detected_pause() {
        let manifest = Manifest::parse(MONO).unwrap();
        let said = transcribe(&mono(&[Span::new(500, 9_000)]), &manifest, true).utterances;
        let tags: Vec<_> = said.iter().map(|utterance| (utterance.tag, utterance.span())).collect();
        assert_eq!(tags, [(0, Span::new(500, 4_150)), (1, Span::new(4_150, 9_000))]);
        assert_eq!(said[1].words.len(), 5);
    }

    #[test]
    fn unknown_speech_gets_reproducible_filler_words_at_measured_times() {
        let analysis = mono(&[Span::new(0, 2_000), Span::new(2_300, 3_000), Span::new(5_000, 5_200)]);
        let said = transcribe(&analysis, &Manifest::default(), false);
        assert_eq!(said, transcribe(&analysis, &Manifest::default(), false));
        let spans: Vec<_> = said.utterances.iter().map(Utterance::span).collect();
        assert_eq!(spans, [Span::new(0, 3_000), Span::new(5_000, 5_200)]);
        assert!(said.utterances.iter().all(|utterance| utterance.tag == 0 && !utterance.words.is_empty()));
    }
}
