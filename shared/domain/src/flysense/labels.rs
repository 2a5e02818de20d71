//! Labels of a call: what the recogniser's classifiers found, under names for users, and what users corrected.
//!
//! Corrections are stored apart, so that the recogniser's word is never lost.

use serde::{Deserialize, Serialize};

use super::analysis::Analysis;
use super::classifiers::ClassifierSummary;
use super::roles::{Role, Roles};
use crate::text_enum::labeled_enum;

labeled_enum!(
    /// A label. Its codes are SpeechKit's classifiers, except for the gender, which is not a label.
    Label {
        /// "Здравствуйте", "добрый день".
        FormalGreeting = "formal_greeting", "Приветствие";
        /// "Привет".
        InformalGreeting = "informal_greeting", "Неформальное приветствие";
        /// "До свидания".
        FormalFarewell = "formal_farewell", "Прощание";
        /// "Пока".
        InformalFarewell = "informal_farewell", "Неформальное прощание";
        /// An insult.
        Insult = "insult", "Оскорбление";
        /// Obscene words.
        Profanity = "profanity", "Ненормативная лексика";
        /// Dissatisfaction.
        Negative = "negative", "Негатив";
        /// An answering machine.
        Answerphone = "answerphone", "Автоответчик";
    }
);

impl Label {
    /// Whether a manager should see the label at a glance. Greetings and farewells are usual.
    pub const fn is_notable(self) -> bool {
        matches!(self, Self::Insult | Self::Profanity | Self::Negative | Self::Answerphone)
    }
}

/// A label that the recogniser found. Stored as JSON: field names never change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecognizedLabel {
    /// What was recognised.
    pub label: Label,
    /// Roles of the speakers whose words caused it, without repetition; a manual swap is applied when they are read.
    pub speakers: Vec<Role>,
    /// Number of utterances that caused it.
    pub hits: u32,
}

/// The labels of an analysis: classifiers with at least one hit, in the order of [`Label`].
pub fn recognized(analysis: &Analysis) -> Vec<RecognizedLabel> {
    let found = |label: Label| of_label(label, &analysis.classifiers, &analysis.roles);
    Label::ALL.iter().copied().filter_map(found).collect()
}

fn of_label(label: Label, classifiers: &[ClassifierSummary], roles: &Roles) -> Option<RecognizedLabel> {
    let mut speakers: Vec<Role> = Vec::new();
    let mut hits = 0_u32;
    for summary in classifiers.iter().filter(|summary| summary.classifier == label.code() && summary.hits > 0)
    {
        let role = roles.of(&summary.channel);
        if !speakers.contains(&role) {
            speakers.push(role);
        }
        hits = hits.saturating_add(summary.hits);
    }
    (hits > 0).then_some(RecognizedLabel { label, speakers, hits })
}

/// A label as users see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShownLabel {
    /// What is shown, by its Russian name.
    pub label: Label,
    /// Roles of the speakers; empty for an added label.
    pub speakers: Vec<Role>,
    /// Number of utterances that caused it; 0 for an added label.
    pub hits: u32,
    /// Whether a user added it, although the recogniser did not find it.
    pub is_added: bool,
    /// Whether a user removed it, although the recogniser found it.
    pub is_removed: bool,
}

/// Applies the users' corrections and a swap of the roles. Recognised labels come first; corrections that repeat the
/// recogniser's word change nothing.
pub fn shown(
    recognized: &[RecognizedLabel],
    added: &[Label],
    removed: &[Label],
    roles_swapped: bool,
) -> Vec<ShownLabel> {
    let role = |role: &Role| if roles_swapped { role.other() } else { *role };
    let found = recognized.iter().map(|one| ShownLabel {
        label: one.label,
        speakers: one.speakers.iter().map(role).collect(),
        hits: one.hits,
        is_added: false,
        is_removed: removed.contains(&one.label),
    });
    let is_new = |label: &&Label| !recognized.iter().any(|one| one.label == **label);
    let own = added.iter().filter(is_new).map(|label| ShownLabel {
        label: *label,
        speakers: Vec::new(),
        hits: 0,
        is_added: true,
        is_removed: false,
    });
    found.chain(own).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flysense::channel::ChannelTag;
    use crate::flysense::classifiers;
    use crate::flysense::roles::RoleRule;

    fn summary(classifier: &str, channel: &str, hits: u32) -> ClassifierSummary {
        ClassifierSummary {
            classifier: classifier.into(),
            channel: ChannelTag::from(channel),
            windows: 9,
            max: 0.9,
            mean: 0.5,
            hits,
            hit_spans: vec![],
            highlights: vec![],
        }
    }

    fn roles() -> Roles {
        let by_channel =
            [(ChannelTag::from("0"), Role::Operator), (ChannelTag::from("1"), Role::Client)].into();
        Roles { by_channel, rule: RoleRule::Channel }
    }

    #[test]
    fn every_classifier_but_the_gender_has_a_label() {
        let labels = Label::ALL.iter().map(|label| label.code());
        let classifiers = classifiers::ALL.into_iter().filter(|name| *name != classifiers::GENDER);
        let sorted = |names: &mut dyn Iterator<Item = &'static str>| {
            let mut names: Vec<_> = names.collect();
            names.sort_unstable();
            names
        };
        assert_eq!(sorted(&mut labels.into_iter()), sorted(&mut classifiers.into_iter()));
    }

    #[test]
    fn a_label_needs_a_hit_and_names_its_speakers_once() {
        let heard = [summary("negative", "1", 2), summary("negative", "0", 1), summary("insult", "1", 0)];
        let found = of_label(Label::Negative, &heard, &roles()).unwrap();
        assert_eq!((found.speakers.as_slice(), found.hits), (&[Role::Client, Role::Operator][..], 3));
        assert_eq!(of_label(Label::Insult, &heard, &roles()), None);
    }

    #[test]
    fn corrections_stand_beside_the_recognisers_word() {
        let recognized = [RecognizedLabel { label: Label::Negative, speakers: vec![Role::Client], hits: 2 }];
        let labels = shown(&recognized, &[Label::Insult, Label::Negative], &[Label::Negative], true);
        let told: Vec<_> =
            labels.iter().map(|it| (it.label, it.speakers.as_slice(), it.is_added, it.is_removed)).collect();
        assert_eq!(
            told,
            [(Label::Negative, &[Role::Operator][..], false, true), (Label::Insult, &[][..], true, false)]
        );
    }
}
