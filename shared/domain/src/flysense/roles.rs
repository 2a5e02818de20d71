//! Roles of the speakers: operator and client.
//!
//! SpeechKit separates voices, not people. On a stereo recording the channel determines the role, by the telephony
//! system's convention. On a mono recording with speaker labeling the role is an estimate, by the first of these rules
//! that decides:
//!
//! 1. *Incoming call*: the first speaker answered the telephone and is the operator. A greeting is no evidence here:
//!    callers greet as often as those who answer.
//! 2. *Greeting* (outgoing call, or unknown direction): the only voice with a formal greeting is the operator. Called
//!    people answer "алло", callers introduce themselves. This rule precedes rule 3, because a called person may pick
//!    up in silence.
//! 3. *Outgoing call*: the first speaker picked up the telephone and is the client.
//!
//! The answering machine is checked before all of them: the only voice most of whose utterances are classified as one is
//! the operator's on an incoming call and the client's otherwise. A call with one voice follows the same rules. If no
//! rule decides, roles stay unknown. A user may always set the operator or swap the roles; the raw tag is stored beside
//! the role, so no recognition is repeated.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::call::Direction;
use super::channel::ChannelTag;
use super::classifiers::{self, ClassifierSummary};
use super::utterance::Utterance;
use crate::text_enum::labeled_enum;

labeled_enum!(
    /// Role of a speaker in a call.
    Role {
        /// A person on the account's side.
        Operator = "operator", "Оператор";
        /// The other party.
        Client = "client", "Клиент";
        /// Undecided.
        Unknown = "unknown", "Собеседник";
    }
);

labeled_enum!(
    /// The rule that determined the roles.
    RoleRule {
        /// Stereo: by channel.
        Channel = "channel", "По каналу записи";
        /// The first speaker is the operator of an incoming call, or the client of an outgoing one.
        FirstSpeaker = "first_speaker", "По тому, кто заговорил первым";
        /// The only voice with a formal greeting is the operator.
        Greeting = "greeting", "По приветствию";
        /// One voice is an answering machine.
        Answerphone = "answerphone", "Автоответчик";
        /// Set by a user.
        Manual = "manual", "Указано вручную";
        /// No rule decided.
        Undecided = "undecided", "Не определено";
    }
);

impl Role {
    /// The opposite role; `Unknown` stays unknown.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::Operator => Self::Client,
            Self::Client => Self::Operator,
            Self::Unknown => Self::Unknown,
        }
    }
}

/// Separation of the voices of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Separation {
    /// One voice per channel; the first (left) channel has the role `left`, a setting of the install with the default
    /// `Operator`.
    Channels {
        /// Role of the left channel.
        left: Role,
    },
    /// By the recogniser's speaker labeling on one channel.
    Labeling {
        /// Direction of the call, if known.
        direction: Option<Direction>,
    },
}

/// Roles of the voices. Stored as JSON: field names never change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roles {
    /// By raw tag; a tag that is missing is unknown.
    pub by_channel: BTreeMap<ChannelTag, Role>,
    /// The rule that decided.
    pub rule: RoleRule,
}

impl Roles {
    /// Determines the roles of all speakers of a dialogue, sorted by start.
    pub fn resolve(
        dialogue: &[Utterance],
        classifiers: &[ClassifierSummary],
        separation: Separation,
    ) -> Self {
        match separation {
            Separation::Channels { left } => Self::of_channels(dialogue, left),
            Separation::Labeling { direction } => Self::of_labels(dialogue, classifiers, direction),
        }
    }

    /// Role of the speaker on a channel.
    pub fn of(&self, channel: &ChannelTag) -> Role {
        self.by_channel.get(channel).copied().unwrap_or(Role::Unknown)
    }

    /// The roles with operator and client swapped, by a user's request. Undecided roles do not change.
    #[must_use]
    pub fn swapped(self) -> Self {
        let by_channel = self.by_channel.into_iter().map(|(channel, role)| (channel, role.other())).collect();
        Self { by_channel, rule: RoleRule::Manual }
    }

    fn of_channels(dialogue: &[Utterance], left: Role) -> Self {
        let role = |tag: &ChannelTag| match tag.0.as_str() {
            ChannelTag::FIRST => left,
            ChannelTag::SECOND => left.other(),
            _ => Role::Unknown,
        };
        let by_channel = voices(dialogue).map(|tag| (tag.clone(), role(tag))).collect();
        Self { by_channel, rule: RoleRule::Channel }
    }

    fn of_labels(
        dialogue: &[Utterance],
        classifiers: &[ClassifierSummary],
        direction: Option<Direction>,
    ) -> Self {
        let everybody = voices(dialogue).cloned();
        if let Some(Decision { voice, role, rule }) = decisive_voice(dialogue, classifiers, direction) {
            return Self { by_channel: sides(everybody, voice, role), rule };
        }
        Self { by_channel: everybody.map(|tag| (tag, Role::Unknown)).collect(), rule: RoleRule::Undecided }
    }
}

/// The role of one voice, which determines the others.
struct Decision<'a> {
    voice: &'a ChannelTag,
    role: Role,
    rule: RoleRule,
}

/// Applies the rules in order; returns the first decision.
fn decisive_voice<'a>(
    dialogue: &'a [Utterance],
    classifiers: &[ClassifierSummary],
    direction: Option<Direction>,
) -> Option<Decision<'a>> {
    let first = &dialogue.first()?.channel;
    let only_voice = |name: &str, heard: fn(&ClassifierSummary) -> bool| {
        let is_heard = |tag: &ChannelTag| {
            classifiers.iter().any(|it| it.classifier == name && it.channel == *tag && heard(it))
        };
        let mut tags: Vec<_> = voices(dialogue).filter(|tag| is_heard(tag)).collect();
        tags.sort_unstable();
        tags.dedup();
        <[_; 1]>::try_from(tags).ok().map(|[only]| only)
    };
    if let Some(machine) = only_voice(classifiers::ANSWERPHONE, |it| it.hits * 2 > it.windows) {
        let role = if direction == Some(Direction::Incoming) { Role::Operator } else { Role::Client };
        return Some(Decision { voice: machine, role, rule: RoleRule::Answerphone });
    }
    if direction == Some(Direction::Incoming) {
        return Some(Decision { voice: first, role: Role::Operator, rule: RoleRule::FirstSpeaker });
    }
    if let Some(greeter) = only_voice(classifiers::FORMAL_GREETING, |it| it.hits > 0) {
        return Some(Decision { voice: greeter, role: Role::Operator, rule: RoleRule::Greeting });
    }
    let called = Decision { voice: first, role: Role::Client, rule: RoleRule::FirstSpeaker };
    (direction == Some(Direction::Outgoing)).then_some(called)
}

fn voices(dialogue: &[Utterance]) -> impl Iterator<Item = &ChannelTag> {
    dialogue.iter().map(|utterance| &utterance.channel)
}

/// Gives the role to `known` and the opposite one to all others.
fn sides(
    tags: impl Iterator<Item = ChannelTag>,
    known: &ChannelTag,
    role: Role,
) -> BTreeMap<ChannelTag, Role> {
    tags.map(|tag| if tag == *known { (tag, role) } else { (tag, role.other()) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialogue(tags: &[&str]) -> Vec<Utterance> {
        let at = |order: usize| u64::try_from(order).unwrap() * 1_000;
        tags.iter()
            .enumerate()
            .map(|(order, tag)| Utterance {
                channel: ChannelTag::from(*tag),
                start_ms: at(order),
                end_ms: at(order) + 900,
                text: "да".into(),
            })
            .collect()
    }

    fn heard(classifier: &str, tags: &[&str]) -> Vec<ClassifierSummary> {
        let summary = |tag: &&str| ClassifierSummary {
            classifier: classifier.into(),
            channel: ChannelTag::from(*tag),
            windows: 1,
            max: 0.9,
            mean: 0.9,
            hits: 1,
            hit_spans: vec![],
            highlights: vec![],
        };
        tags.iter().map(summary).collect()
    }

    fn labeled(
        tags: &[&str],
        signals: &[ClassifierSummary],
        direction: Option<Direction>,
    ) -> (String, RoleRule) {
        let roles = Roles::resolve(&dialogue(tags), signals, Separation::Labeling { direction });
        let told = roles.by_channel.iter().map(|(tag, role)| format!("{tag}={role}")).collect::<Vec<_>>();
        (told.join(" "), roles.rule)
    }

    #[test]
    fn a_stereo_channel_says_who_speaks_unless_the_telephony_has_it_the_other_way_round() {
        let stereo = |left| Roles::resolve(&dialogue(&["1", "0", "2"]), &[], Separation::Channels { left });
        let usual = stereo(Role::Operator);
        let of = |roles: &Roles, tag| roles.of(&ChannelTag::from(tag));
        assert_eq!((of(&usual, "0"), of(&usual, "1")), (Role::Operator, Role::Client));
        assert_eq!((of(&usual, "2"), of(&usual, "7")), (Role::Unknown, Role::Unknown));
        assert_eq!(of(&stereo(Role::Client), "0"), Role::Client);
        let swapped = usual.swapped();
        assert_eq!(
            (of(&swapped, "0"), of(&swapped, "2"), swapped.rule),
            (Role::Client, Role::Unknown, RoleRule::Manual)
        );
    }

    #[test]
    fn labeled_voices_get_their_roles_by_the_first_rule_that_decides() {
        use Direction::{Incoming, Outgoing};
        let greets = |tags: &[&str]| heard(classifiers::FORMAL_GREETING, tags);
        let machine = heard(classifiers::ANSWERPHONE, &["0"]);
        let (operator_first, client_first) = ("0=client 1=operator", "0=operator 1=client");
        for (tags, signals, direction, roles, rule) in [
            (&["1", "0"][..], greets(&[]), Some(Incoming), operator_first, RoleRule::FirstSpeaker),
            (&["1", "0"], greets(&["0"]), Some(Incoming), operator_first, RoleRule::FirstSpeaker),
            (&["1", "0"], greets(&[]), Some(Outgoing), client_first, RoleRule::FirstSpeaker),
            (&["1", "0"], greets(&["1"]), Some(Outgoing), operator_first, RoleRule::Greeting),
            (&["1", "0"], greets(&["0", "1"]), Some(Outgoing), client_first, RoleRule::FirstSpeaker),
            (&["1", "0"], greets(&["0"]), None, client_first, RoleRule::Greeting),
            (&["1", "0"], greets(&["0", "1"]), None, "0=unknown 1=unknown", RoleRule::Undecided),
            (&["0"], greets(&[]), Some(Outgoing), "0=client", RoleRule::FirstSpeaker),
            (&["0"], machine.clone(), Some(Outgoing), "0=client", RoleRule::Answerphone),
            (&["0"], machine.clone(), Some(Incoming), "0=operator", RoleRule::Answerphone),
            (&["1", "0"], machine.clone(), Some(Outgoing), operator_first, RoleRule::Answerphone),
            (
                &["1", "0"],
                vec![ClassifierSummary { windows: 9, ..machine[0].clone() }],
                None,
                "0=unknown 1=unknown",
                RoleRule::Undecided,
            ),
            (&[], greets(&[]), Some(Incoming), "", RoleRule::Undecided),
        ] {
            assert_eq!(
                labeled(tags, &signals, direction),
                (roles.to_owned(), rule),
                "{tags:?} {direction:?}"
            );
        }
    }

    #[test]
    fn swapped_roles_are_a_persons_word_and_survive_storage() {
        let left = Separation::Channels { left: Role::Operator };
        let swapped = Roles::resolve(&dialogue(&["0", "1"]), &[], left).swapped();
        assert_eq!(swapped.of(&ChannelTag::from("0")), Role::Client);
        let json = serde_json::to_value(&swapped).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"by_channel": {"0": "client", "1": "operator"}, "rule": "manual"})
        );
        assert_eq!(serde_json::from_value::<Roles>(json).unwrap(), swapped);
    }
}
