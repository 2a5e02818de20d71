//! Recordings whose words are known, and how one is recognised from what was heard.
//!
//! **The rule.** A recording is taken for the one of the manifest whose number of channels is the same,
//! whose duration differs by at most 150 ms, and where the speech lies where the turns say: every turn of a
//! second and more is spoken over at least half of its time, and at most a fifth of all speech lies more
//! than 300 ms outside the turns. In stereo the operator may be on either side. Of several, the one whose
//! turns are covered best; recordings of one call in several formats have the same words, so it does not
//! matter which.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::speech::{Heard, Span, joined, total_ms};

const DURATION_TOLERANCE_MS: i64 = 150;
const EDGE_TOLERANCE_MS: i64 = 300;
const TURN_THAT_COUNTS_MS: i64 = 1_000;

/// Why a manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The file cannot be read.
    #[error("the manifest cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// It is not the JSON it should be.
    #[error("the manifest is damaged: {0}")]
    Damaged(#[from] serde_json::Error),
    /// A turn names a prompt whose words nobody wrote down.
    #[error("{recording}: no words are known for prompt {prompt:?}")]
    UnknownPrompt {
        /// The recording.
        recording: String,
        /// The prompt.
        prompt: String,
    },
    /// A turn has neither text nor prompt.
    #[error("{recording}: a turn has neither text nor prompt")]
    WordlessTurn {
        /// The recording.
        recording: String,
    },
}

/// The known recordings.
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

/// A recording that was recognised, and on which channel its operator was heard.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recognised<'a> {
    pub(crate) recording: &'a Recording,
    operator_channel: usize,
}

impl<'a> Recognised<'a> {
    /// The turns heard on a channel, in order of time.
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

    /// Reads a manifest; files without turns (bad input, silence) are left out.
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

    /// Finds the recording that was heard, by the rule above.
    pub(crate) fn recognise(&self, heard: &Heard) -> Option<Recognised<'_>> {
        let readings = self.recordings.iter().flat_map(|recording| {
            let sides = if recording.channels == 2 { 0..2 } else { 0..1 };
            sides.map(move |operator_channel| Recognised { recording, operator_channel })
        });
        readings
            .filter_map(|reading| Some((reading.fit(heard)?, reading)))
            .max_by_key(|(covered_ms, _)| *covered_ms)
            .map(|(_, reading)| reading)
    }
}

impl Recognised<'_> {
    /// How much of the turns was heard, ms; `None` if this is another recording.
    fn fit(self, heard: &Heard) -> Option<i64> {
        let recording = self.recording;
        let same_length = (recording.duration_ms - heard.duration_ms).abs() <= DURATION_TOLERANCE_MS;
        if !same_length || recording.channels != heard.speech.len() {
            return None;
        }
        let mut covered_ms = 0;
        let mut outside_ms = 0;
        for (channel, speech) in heard.speech.iter().enumerate() {
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
        let all: i64 = heard.speech.iter().map(|speech| total_ms(speech)).sum();
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

    fn heard(left: Span, right: Span, duration_ms: i64) -> Heard {
        Heard { duration_ms, speech: vec![vec![left], vec![right]], fingerprint: 0 }
    }

    #[test]
    fn speech_in_the_right_places_is_recognised_on_either_side() {
        let manifest = Manifest::parse(STEREO).unwrap();
        let (first, second) = (Span::new(520, 3900), Span::new(4600, 8900));
        let straight = heard(first, second, 10_100);
        let known = manifest.recognise(&straight).unwrap();
        assert_eq!(known.turns_of(1).map(|turn| turn.text.as_str()).collect::<Vec<_>>(), ["Спасибо."]);
        let swapped = heard(second, first, 9_900);
        let known = manifest.recognise(&swapped).unwrap();
        assert_eq!(known.turns_of(0).map(|turn| turn.text.as_str()).collect::<Vec<_>>(), ["Спасибо."]);
    }

    #[test]
    fn another_length_or_other_places_are_another_recording() {
        let manifest = Manifest::parse(STEREO).unwrap();
        let (first, second) = (Span::new(520, 3900), Span::new(4600, 8900));
        assert!(manifest.recognise(&heard(first, second, 10_200)).is_none());
        assert!(manifest.recognise(&heard(first, Span::new(0, 9_900), 10_000)).is_none());
        assert!(manifest.recognise(&heard(first, Span::new(4_600, 6_000), 10_000)).is_none());
    }

    #[test]
    fn a_prompt_without_words_is_reported() {
        let error = Manifest::parse(&STEREO.replace("vm-goodbye", "nobody-knows")).unwrap_err();
        assert!(matches!(error, ManifestError::UnknownPrompt { prompt, .. } if prompt == "nobody-knows"));
    }
}
