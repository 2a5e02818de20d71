//! Classifier results, aggregated over a call.
//!
//! SpeechKit returns a probability for every utterance, not only for hits; the threshold is ours.
//! Source: SpeechKit docs, speech analysis (Russian only; nine classifiers).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::channel::ChannelTag;
use super::stream::{ClassifierResult, Highlight, TimeSpan};
use super::transcript_assembly::ChannelClassifierUpdate;
use crate::text_enum::labeled_enum;

/// Minimum probability of a hit.
pub const HIT_THRESHOLD: f64 = 0.5;

/// "Здравствуйте", "добрый день".
pub const FORMAL_GREETING: &str = "formal_greeting";
/// An answering machine.
pub const ANSWERPHONE: &str = "answerphone";
/// Dissatisfaction.
pub const NEGATIVE: &str = "negative";
/// The speaker's gender. It is not a yes/no classifier and is evaluated by [`genders`].
pub const GENDER: &str = "gender";

/// All requested classifiers.
pub const ALL: [&str; 9] = [
    FORMAL_GREETING,
    "informal_greeting",
    "formal_farewell",
    "informal_farewell",
    "insult",
    "profanity",
    GENDER,
    NEGATIVE,
    ANSWERPHONE,
];

/// Results of one classifier on one channel. Stored as JSON: field names never change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassifierSummary {
    /// Name of the classifier.
    pub classifier: String,
    /// Channel of the utterances.
    pub channel: ChannelTag,
    /// Number of windows (utterances) classified.
    pub windows: u32,
    /// Highest probability.
    pub max: f64,
    /// Mean probability.
    pub mean: f64,
    /// Number of windows that reached [`HIT_THRESHOLD`].
    pub hits: u32,
    /// Positions of the hits, in the order of arrival.
    pub hit_spans: Vec<TimeSpan>,
    /// Phrases that caused hits, if the classifier returns them.
    pub highlights: Vec<Highlight>,
}

labeled_enum!(
    /// Gender of a voice.
    Gender {
        /// Male voice.
        Male = "male", "Мужской голос";
        /// Female voice.
        Female = "female", "Женский голос";
    }
);

/// Gender of the voice on a channel. Stored as JSON: field names never change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GenderEstimate {
    /// Channel of the voice.
    pub channel: ChannelTag,
    /// The more probable gender.
    pub gender: Gender,
    /// Mean probability, always above 0.5.
    pub probability: f64,
}

/// Aggregates all yes/no results, by classifier and channel in alphabetical order.
pub fn summarize(updates: &[ChannelClassifierUpdate]) -> Vec<ClassifierSummary> {
    let mut by_key: BTreeMap<(&str, &ChannelTag), Vec<(f64, &ChannelClassifierUpdate)>> = BTreeMap::new();
    for heard in updates {
        let result = &heard.update.classifier_result;
        if let Some(probability) = probability(result) {
            by_key.entry((&result.classifier, &heard.channel)).or_default().push((probability, heard));
        }
    }
    by_key
        .into_iter()
        .map(|((classifier, channel), verdicts)| summary(classifier, channel, &verdicts))
        .collect()
}

fn summary(
    classifier: &str,
    channel: &ChannelTag,
    verdicts: &[(f64, &ChannelClassifierUpdate)],
) -> ClassifierSummary {
    let hits = || {
        verdicts
            .iter()
            .filter(|(probability, _)| *probability >= HIT_THRESHOLD)
            .map(|(_, heard)| &heard.update)
    };
    let span = |start_time_ms, end_time_ms| TimeSpan { start_time_ms, end_time_ms };
    ClassifierSummary {
        classifier: classifier.to_owned(),
        channel: channel.clone(),
        windows: count(verdicts.len()),
        max: verdicts.iter().fold(0.0, |max, (probability, _)| probability.max(max)),
        mean: mean(verdicts.iter().map(|(probability, _)| *probability)).unwrap_or_default(),
        hits: count(hits().count()),
        hit_spans: hits().map(|update| span(update.start_time_ms, update.end_time_ms)).collect(),
        highlights: hits().flat_map(|update| update.classifier_result.highlights.iter().cloned()).collect(),
    }
}

/// The probability of "yes"; `None` for [`GENDER`] and for results without labels.
///
/// Since April 2024 it is sent alone as `confidence`, before that under the classifier's own name together with
/// `not_<name>`. A single label of another name is accepted as well; a single `not_…` is inverted.
fn probability(result: &ClassifierResult) -> Option<f64> {
    if result.classifier == GENDER {
        return None;
    }
    let labeled =
        |name: &str| result.labels.iter().find(|label| label.label == name).map(|label| label.confidence);
    let alone = || match result.labels.as_slice() {
        [only] if only.label.starts_with("not_") => Some(1.0 - only.confidence),
        [only] => Some(only.confidence),
        _ => None,
    };
    let found = labeled("confidence").or_else(|| labeled(&result.classifier)).or_else(alone)?;
    Some(found.clamp(0.0, 1.0))
}

/// Gender of each voice whose results favour one, by channel.
pub fn genders(updates: &[ChannelClassifierUpdate]) -> Vec<GenderEstimate> {
    let mut by_channel: BTreeMap<&ChannelTag, Vec<f64>> = BTreeMap::new();
    for heard in updates.iter().filter(|heard| heard.update.classifier_result.classifier == GENDER) {
        by_channel
            .entry(&heard.channel)
            .or_default()
            .extend(male_probability(&heard.update.classifier_result));
    }
    by_channel
        .into_iter()
        .filter_map(|(channel, males)| {
            let male = mean(males.into_iter())?;
            let (gender, probability) =
                if male > 0.5 { (Gender::Male, male) } else { (Gender::Female, 1.0 - male) };
            (probability > 0.5).then(|| GenderEstimate { channel: channel.clone(), gender, probability })
        })
        .collect()
}

/// The share of `male` in `male` and `female`; one of them suffices.
fn male_probability(result: &ClassifierResult) -> Option<f64> {
    let labeled = |name: &str| {
        result.labels.iter().find(|label| label.label == name).map(|label| label.confidence.clamp(0.0, 1.0))
    };
    match (labeled(Gender::Male.code()), labeled(Gender::Female.code())) {
        (Some(male), Some(female)) if male + female > 0.0 => Some(male / (male + female)),
        (Some(male), None) => Some(male),
        (None, Some(female)) => Some(1.0 - female),
        _ => None,
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn mean(numbers: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = numbers.fold((0.0, 0_u32), |(sum, count), number| (sum + number, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flysense::stream::{ClassifierLabel, ClassifierUpdate, Window};

    fn verdict(
        channel: &str,
        classifier: &str,
        start_time_ms: u64,
        labels: &[(&str, f64)],
    ) -> ChannelClassifierUpdate {
        let labels = labels
            .iter()
            .map(|(label, confidence)| ClassifierLabel { label: (*label).into(), confidence: *confidence });
        ChannelClassifierUpdate {
            channel: ChannelTag::from(channel),
            update: ClassifierUpdate {
                window_type: Window::LastUtterance,
                start_time_ms,
                end_time_ms: start_time_ms + 500,
                classifier_result: ClassifierResult {
                    classifier: classifier.into(),
                    highlights: vec![],
                    labels: labels.collect(),
                },
            },
        }
    }

    #[test]
    fn verdicts_are_gathered_by_classifier_and_channel() {
        let summaries = summarize(&[
            verdict("1", "negative", 0, &[("confidence", 0.25)]),
            verdict("1", "negative", 1_000, &[("confidence", 0.5)]),
            verdict("0", "negative", 2_000, &[("confidence", 0.1)]),
            verdict("0", "gender", 2_000, &[("male", 0.1), ("female", 0.9)]),
        ]);
        let told: Vec<_> =
            summaries.iter().map(|s| (s.channel.0.as_str(), s.windows, s.max, s.mean, s.hits)).collect();
        assert_eq!(told, [("0", 1, 0.1, 0.1, 0), ("1", 2, 0.5, 0.375, 1)]);
        assert_eq!(summaries[1].hit_spans, [TimeSpan { start_time_ms: 1_000, end_time_ms: 1_500 }]);
    }

    #[test]
    fn labels_of_all_times_are_understood() {
        for (labels, expected) in [
            (&[("confidence", 0.7)][..], Some(0.7)),
            (&[("negative", 0.7), ("not_negative", 0.3)], Some(0.7)),
            (&[("not_negative", 0.25)], Some(0.75)),
            (&[("yes", 0.7)], Some(0.7)),
            (&[("confidence", 1.5)], Some(1.0)),
            (&[("a", 0.7), ("b", 0.3)], None),
            (&[], None),
        ] {
            let heard = verdict("0", "negative", 0, labels);
            assert_eq!(probability(&heard.update.classifier_result), expected, "{labels:?}");
        }
    }

    #[test]
    fn a_voice_is_a_mans_or_a_womans_only_if_verdicts_lean_to_one_side() {
        let estimates = genders(&[
            verdict("0", "gender", 0, &[("male", 0.2), ("female", 0.8)]),
            verdict("0", "gender", 1, &[("male", 0.4), ("female", 0.6)]),
            verdict("1", "gender", 0, &[("male", 0.5), ("female", 0.5)]),
            verdict("2", "gender", 0, &[("male", 0.9)]),
            verdict("3", "gender", 0, &[]),
        ]);
        let told: Vec<_> = estimates.iter().map(|e| (e.channel.0.as_str(), e.gender)).collect();
        assert_eq!(told, [("0", Gender::Female), ("2", Gender::Male)]);
        assert!((estimates[0].probability - 0.7).abs() < 1e-9);
    }
}
