//! Recordings with known words, and how they are recognized from the detected speech.
//!
//! **The rule.** A recording matches an entry of the manifest if the number of channels is equal, the duration
//! differs by at most 150 ms, and the speech matches the turns: at least half of every turn of 1 s or more is
//! speech, and at most a fifth of all speech lies more than 300 ms outside the turns. In stereo the operator may
//! be on either channel. Of several matches, the one whose turns are covered best is used. Recordings of one call
//! in several formats have the same words, so any of them is correct.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::speech::{Span, SpeechAnalysis, joined, total_ms};

const DURATION_TOLERANCE_MS: i64 = 150;
const EDGE_TOLERANCE_MS: i64 = 300;
const TURN_THAT_COUNTS_MS: i64 = 1_000;

/// Error of loading a manifest.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The file cannot be read.
    #[error("the manifest cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// The file is not valid JSON of the expected shape.
    #[error("the manifest is invalid: {0}")]
    Damaged(#[from] serde_json::Error),
    /// A turn names a prompt without known words.
    #[error("{recording}: unknown words of prompt {prompt:?}")]
    UnknownPrompt {
        /// Name of the recording.
        recording: String,
        /// Name of the prompt.
        prompt: String,
    },
    /// A turn has neither text nor prompt.
    #[error("{recording}: a turn has neither text nor prompt")]
    WordlessTurn {
        /// Name of the recording.
        recording: String,
    },
}

/// Recordings with known words.
#[derive(Debug, Clone, Default)]
pub struct Manifest {
    recordings: Vec<Recording>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recording {
    duration_ms: i64,
    channels: usize,
    pub(crate) turns: Vec<Turn>,
    pub(crate) answerphone: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Turn {
    pub(crate) speaker: Speaker,
    pub(crate) span: Span,
    pub(crate) text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Speaker {
    Operator,
    Client,
}

/// A recognized recording, and the channel of its operator.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recognised<'a> {
    pub(crate) recording: &'a Recording,
    operator_channel: usize,
}

impl<'a> Recognised<'a> {
    /// Turns on a channel, in order of time.
    pub(crate) fn turns_of(self, channel: usize) -> impl Iterator<Item = &'a Turn> {
        let mono = self.recording.channels == 1;
        self.recording.turns.iter().filter(move |turn| mono || self.channel_of(turn.speaker) == channel)
    }

    fn channel_of(self, speaker: Speaker) -> usize {
        match speaker {
            Speaker::Operator => self.operator_channel,
            Speaker::Client => 1 - self.operator_channel,
        }
    }
}

#[derive(Deserialize)]
struct Entry {
    duration_ms: Option<i64>,
    channels: Option<usize>,
    #[serde(default)]
    turns: Vec<EntryTurn>,
    #[serde(default)]
    answerphone: bool,
}

#[derive(Deserialize)]
struct EntryTurn {
    speaker: Speaker,
    start_ms: i64,
    end_ms: i64,
    text: Option<String>,
    prompt: Option<String>,
}

impl Manifest {
    /// Reads a manifest file.
    pub fn load(path: &Path) -> Result<Self, ManifestError> {
        Self::parse(&std::fs::read_to_string(path)?)
    }

    /// Parses a manifest. Files without turns (invalid input, silence) are skipped.
    pub fn parse(json: &str) -> Result<Self, ManifestError> {
        let prompts: BTreeMap<String, String> = serde_json::from_str(include_str!("prompts.json"))?;
        let entries: BTreeMap<String, Entry> = serde_json::from_str(json)?;
        let mut recordings = Vec::new();
        for (name, entry) in entries {
            let (Some(duration_ms), Some(channels @ 1..=2)) = (entry.duration_ms, entry.channels) else {
                continue;
            };
            if entry.turns.is_empty() {
                continue;
            }
            let turns = entry
                .turns
                .into_iter()
                .map(|turn| turn.with_words(&name, &prompts))
                .collect::<Result<_, _>>()?;
            recordings.push(Recording { duration_ms, channels, turns, answerphone: entry.answerphone });
        }
        Ok(Self { recordings })
    }

    /// Finds the matching recording by the rule above.
    pub(crate) fn recognise(&self, analysis: &SpeechAnalysis) -> Option<Recognised<'_>> {
        let readings = self.recordings.iter().flat_map(|recording| {
            let sides = if recording.channels == 2 { 0..2 } else { 0..1 };
            sides.map(move |operator_channel| Recognised { recording, operator_channel })
        });
        readings
            .filter_map(|reading| Some((reading.fit(analysis)?, reading)))
            .max_by_key(|(covered_ms, _)| *covered_ms)
            .map(|(_, reading)| reading)
    }
}

impl Recognised<'_> {
    /// Duration of the turns covered by speech, ms; `None` if the recording does not match.
    fn fit(self, analysis: &SpeechAnalysis) -> Option<i64> {
        let recording = self.recording;
        let same_length = (recording.duration_ms - analysis.duration_ms).abs() <= DURATION_TOLERANCE_MS;
        if !same_length || recording.channels != analysis.speech.len() {
            return None;
        }
        let mut covered_ms = 0;
        let mut outside_ms = 0;
        for (channel, speech) in analysis.speech.iter().enumerate() {
            for turn in self.turns_of(channel) {
                let spoken: i64 = speech.iter().map(|span| span.overlap_ms(turn.span)).sum();
                if turn.span.duration_ms() >= TURN_THAT_COUNTS_MS && spoken * 2 < turn.span.duration_ms() {
                    return None;
                }
                covered_ms += spoken;
            }
            let near = joined(self.turns_of(channel).map(Turn::widened), 0);
            let inside: i64 =
                speech.iter().flat_map(|span| near.iter().map(|turn| span.overlap_ms(*turn))).sum();
            outside_ms += total_ms(speech) - inside;
        }
        let all: i64 = analysis.speech.iter().map(|speech| total_ms(speech)).sum();
        (outside_ms * 5 <= all).then_some(covered_ms)
    }
}

impl Turn {
    fn widened(&self) -> Span {
        Span::new(self.span.start_ms - EDGE_TOLERANCE_MS, self.span.end_ms + EDGE_TOLERANCE_MS)
    }
}

impl EntryTurn {
    fn with_words(self, recording: &str, prompts: &BTreeMap<String, String>) -> Result<Turn, ManifestError> {
        let text = match (self.text, self.prompt) {
            (Some(text), _) => text,
            (None, Some(prompt)) => match prompts.get(&prompt) {
                Some(text) => text.clone(),
                None => return Err(ManifestError::UnknownPrompt { recording: recording.to_owned(), prompt }),
            },
            (None, None) => return Err(ManifestError::WordlessTurn { recording: recording.to_owned() }),
        };
        Ok(Turn { speaker: self.speaker, span: Span::new(self.start_ms, self.end_ms), text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEREO: &str = r#"{ "a.wav": { "duration_ms": 10000, "channels": 2, "turns": [
        { "speaker": "operator", "start_ms": 500, "end_ms": 4000, "prompt": "vm-goodbye" },
        { "speaker": "client", "start_ms": 4500, "end_ms": 9000, "text": "Спасибо." } ] } }"#;

    fn analysis(left: Span, right: Span, duration_ms: i64) -> SpeechAnalysis {
        SpeechAnalysis { duration_ms, speech: vec![vec![left], vec![right]], fingerprint: 0 }
    }

    #[test]
    fn matching_speech_is_recognised_on_either_channel() {
        let manifest = Manifest::parse(STEREO).unwrap();
        let (first, second) = (Span::new(520, 3900), Span::new(4600, 8900));
        let straight = analysis(first, second, 10_100);
        let known = manifest.recognise(&straight).unwrap();
        assert_eq!(known.turns_of(1).map(|turn| turn.text.as_str()).collect::<Vec<_>>(), ["Спасибо."]);
        let swapped = analysis(second, first, 9_900);
        let known = manifest.recognise(&swapped).unwrap();
        assert_eq!(known.turns_of(0).map(|turn| turn.text.as_str()).collect::<Vec<_>>(), ["Спасибо."]);
    }

    #[test]
    fn another_duration_or_other_speech_times_do_not_match() {
        let manifest = Manifest::parse(STEREO).unwrap();
        let (first, second) = (Span::new(520, 3900), Span::new(4600, 8900));
        assert!(manifest.recognise(&analysis(first, second, 10_200)).is_none());
        assert!(manifest.recognise(&analysis(first, Span::new(0, 9_900), 10_000)).is_none());
        assert!(manifest.recognise(&analysis(first, Span::new(4_600, 6_000), 10_000)).is_none());
    }

    #[test]
    fn a_prompt_without_words_is_an_error() {
        let error = Manifest::parse(&STEREO.replace("vm-goodbye", "nobody-knows")).unwrap_err();
        assert!(matches!(error, ManifestError::UnknownPrompt { prompt, .. } if prompt == "nobody-knows"));
    }
}
