//! The events of a result stream (SpeechKit API v3, `StreamingResponse`).
//!
//! Per utterance: `final`, `finalRefinement` with normalization, `eouUpdate`, then results of classifiers and
//! analysis. At the end: totals, conversation analysis, language model. Files have no partial results.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::analysis;
use super::assignment::{Assignment, Normalization, WantedSummary};
use super::behaviour::{Behaviour, FinalIndex, Refinements, Utterances};
use super::classify;
use super::request::Trigger;
use super::speech::Span;
use super::transcript::{Transcript, Utterance};
use super::words::{Word, literary};
use crate::yandex::language_model::{AnswerFormat, Dialogue, answer, fenced, tokens, usage};

/// All events in the order of the service.
pub(super) fn of(
    id: &str,
    transcript: &Transcript,
    assignment: &Assignment,
    behaviour: &Behaviour,
) -> Vec<Value> {
    let transcript = match behaviour.utterances {
        Utterances::AtPauses => transcript.clone(),
        Utterances::Single => in_one_piece(transcript),
    };
    let mut writer = EventWriter {
        id,
        transcript: &transcript,
        assignment,
        behaviour,
        cursors: BTreeMap::new(),
        events: Vec::new(),
    };
    let mut late = Vec::new();
    for utterance in &transcript.utterances {
        late.extend(writer.utterance(utterance));
    }
    writer.events.extend(late);
    writer.totals();
    writer.events
}

/// One utterance per channel.
fn in_one_piece(transcript: &Transcript) -> Transcript {
    let mut by_tag: BTreeMap<usize, Utterance> = BTreeMap::new();
    for utterance in &transcript.utterances {
        let whole = by_tag.entry(utterance.tag).or_insert_with(|| Utterance {
            tag: utterance.tag,
            words: Vec::new(),
            speech: Vec::new(),
        });
        whole.words.extend(utterance.words.iter().cloned());
        whole.speech.extend(&utterance.speech);
    }
    Transcript { utterances: by_tag.into_values().collect(), ..transcript.clone() }
}

/// Recognition progress of a channel.
#[derive(Debug, Clone, Copy, Default)]
struct Cursor {
    finals: i64,
    final_ms: i64,
    eou_ms: i64,
}

struct EventWriter<'a> {
    id: &'a str,
    transcript: &'a Transcript,
    assignment: &'a Assignment,
    behaviour: &'a Behaviour,
    cursors: BTreeMap<usize, Cursor>,
    events: Vec<Value>,
}

impl EventWriter<'_> {
    /// Adds the events of one utterance. Its refinement is returned instead if it is to be sent late.
    fn utterance(&mut self, utterance: &Utterance) -> Option<Value> {
        let tag = utterance.tag;
        let span = utterance.span();
        let index = match self.behaviour.final_index {
            FinalIndex::PerChannel => self.cursors.get(&tag).map_or(0, |cursor| cursor.finals),
            FinalIndex::Global => self.cursors.values().map(|cursor| cursor.finals).sum(),
        };
        let frame = self.cursors.entry(tag).or_default();
        // The time frame of a final begins at the end of the previous one, not at its first word.
        let frame_start_ms = frame.final_ms;
        *frame = Cursor { finals: frame.finals + 1, final_ms: span.end_ms, ..*frame };
        let frame = Span::new(frame_start_ms, span.end_ms);

        let raw = self.alternative(&utterance.words, None, frame);
        self.push(tag, index, "final", json!({ "alternatives": [raw], "channelTag": tag.to_string() }));
        self.classify(utterance, index, Trigger::OnFinal);
        let mut late = None;
        if let Some(style) = self.assignment.normalization {
            let text = self.alternative(&utterance.words, Some(style), frame);
            let text = json!({ "alternatives": [text], "channelTag": tag.to_string() });
            let refinement = json!({ "finalIndex": index.to_string(), "normalizedText": text });
            match self.behaviour.refinements {
                Refinements::Prompt => self.push(tag, index, "finalRefinement", refinement),
                Refinements::Late => {
                    late = Some(self.envelope(&tag.to_string(), index, "finalRefinement", refinement));
                }
            }
        }
        if let Some(cursor) = self.cursors.get_mut(&tag) {
            cursor.eou_ms = span.end_ms;
        }
        self.push(tag, index, "eouUpdate", json!({ "timeMs": span.end_ms.to_string() }));
        self.classify(utterance, index, Trigger::OnUtterance);
        if self.assignment.analysis.speakers {
            let analysis = analysis::speaker(tag, "LAST_UTTERANCE", &[utterance], &self.assignment.analysis);
            self.push(tag, index, "speakerAnalysis", analysis);
        }
        late
    }

    fn classify(&mut self, utterance: &Utterance, index: i64, trigger: Trigger) {
        for classifier in &self.assignment.classifiers {
            if classifier.triggers.contains(&trigger) {
                let update = classify::update(&classifier.name, trigger, utterance, self.transcript);
                self.push(utterance.tag, index, "classifierUpdate", update);
            }
        }
    }

    /// Adds the events about the whole call.
    fn totals(&mut self) {
        let wanted = &self.assignment.analysis;
        let tags: Vec<usize> = self.cursors.keys().copied().collect();
        for tag in tags.iter().copied().filter(|_| wanted.speakers) {
            let own: Vec<&Utterance> = self.transcript.utterances.iter().filter(|it| it.tag == tag).collect();
            let index = self.cursors.get(&tag).map_or(0, |cursor| cursor.finals - 1);
            self.push(tag, index, "speakerAnalysis", analysis::speaker(tag, "TOTAL", &own, wanted));
        }
        let two_sided = !self.assignment.labeling || self.behaviour.conversation_in_labeled_mono;
        if wanted.conversation && two_sided && tags.len() == 2 {
            let conversation = analysis::conversation(self.transcript, wanted);
            self.events.push(self.envelope("", 0, "conversationAnalysis", conversation));
        }
        if let Some(summary) = &self.assignment.summary {
            let summarization = self.summarization(summary);
            self.events.push(self.envelope("", 0, "summarization", summarization));
        }
    }

    fn summarization(&self, wanted: &WantedSummary) -> Value {
        let mut dialogue = Dialogue::default();
        for utterance in &self.transcript.utterances {
            dialogue.push(&format!("Спикер {}", utterance.tag + 1), &literary(&utterance.words));
        }
        let text: String = self.transcript.utterances.iter().map(|it| literary(&it.words)).collect();
        let (mut input, mut output) = (0, 0);
        let mut results = Vec::new();
        for (instruction, format) in &wanted.instructions {
            let written = answer(instruction, format, &dialogue).unwrap_or_else(|| " \n".repeat(1_000));
            let fence = self.behaviour.fenced_json && *format != AnswerFormat::Text;
            let response = if fence { fenced(&written) } else { written };
            input += tokens(instruction) + tokens(&text);
            output += tokens(&response);
            results.push(json!({ "response": response }));
        }
        json!({ "results": results, "contentUsage": usage(input, output) })
    }

    /// A text with its words. The words are not normalized even if the text is refined.
    fn alternative(&self, words: &[Word], style: Option<Normalization>, frame: Span) -> Value {
        let masked = |word: &str| match style {
            Some(style) if style.profanity_filter && classify::is_profane(word) => "***".to_owned(),
            _ => word.to_owned(),
        };
        let text = match style {
            Some(style) if style.literature_text => literary(
                &words
                    .iter()
                    .map(|word| Word { written: masked(&word.written), span: word.span })
                    .collect::<Vec<_>>(),
            ),
            _ => words.iter().map(|word| masked(&word.bare())).collect::<Vec<_>>().join(" "),
        };
        let words: Vec<Value> = words
            .iter()
            .map(|word| {
                json!({
                    "text": masked(&word.bare()),
                    "startTimeMs": word.span.start_ms.to_string(),
                    "endTimeMs": word.span.end_ms.to_string(),
                })
            })
            .collect();
        let detected = self.assignment.detect_language;
        let languages: &[&str] = if detected { &["ru-RU"] } else { &[] };
        let languages: Vec<Value> =
            languages.iter().map(|code| json!({ "languageCode": code, "probability": 0.98 })).collect();
        json!({
            "words": words,
            "text": text,
            "startTimeMs": frame.start_ms.to_string(),
            "endTimeMs": frame.end_ms.to_string(),
            "confidence": 0,
            "languages": languages,
        })
    }

    fn push(&mut self, tag: usize, index: i64, event: &str, payload: Value) {
        self.events.push(self.envelope(&tag.to_string(), index, event, payload));
    }

    fn envelope(&self, channel_tag: &str, final_index: i64, event: &str, payload: Value) -> Value {
        let cursor = channel_tag
            .parse()
            .ok()
            .and_then(|tag: usize| self.cursors.get(&tag))
            .copied()
            .unwrap_or_default();
        let mut response = Map::new();
        response
            .insert("sessionUuid".to_owned(), json!({ "uuid": session(self.id), "userRequestId": self.id }));
        response.insert(
            "audioCursors".to_owned(),
            json!({
                "receivedDataMs": self.transcript.duration_ms.to_string(),
                "resetTimeMs": "0",
                "partialTimeMs": cursor.final_ms.to_string(),
                "finalTimeMs": cursor.final_ms.to_string(),
                "finalIndex": final_index.to_string(),
                "eouTimeMs": cursor.eou_ms.to_string(),
            }),
        );
        response
            .insert("responseWallTimeMs".to_owned(), json!((self.transcript.duration_ms / 6).to_string()));
        response.insert(event.to_owned(), payload);
        response.insert("channelTag".to_owned(), json!(channel_tag));
        json!({ "result": response })
    }
}

/// A session id in UUID format, always the same for an operation.
fn session(id: &str) -> String {
    uuid::Builder::from_random_bytes(digest(id)).into_uuid().to_string()
}

fn digest(id: &str) -> [u8; 16] {
    use sha2::Digest as _;
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&sha2::Sha256::digest(id)[..16]);
    bytes
}
