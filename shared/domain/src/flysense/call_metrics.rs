//! Talk statistics: talk time, silence, interruptions, the longest monologue.
//!
//! They are computed from our utterances for every call in the same way, so that calls can be compared. SpeechKit's
//! conversation analysis, which may be absent and defines the terms differently, is stored beside them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::channel::ChannelTag;
use super::roles::{Role, Roles};
use super::utterance::Utterance;

/// Minimum overlap that counts as an interruption, ms; shorter ones are echo or an "угу".
pub const MIN_INTERRUPTION_MS: u64 = 300;

/// Minimum length of another speaker's reply that ends a monologue, ms.
pub const MIN_REPLY_MS: u64 = 1_000;

/// Statistics of a dialogue. Stored as JSON: field names never change. Keyed by raw channel, so that swapping roles
/// does not change them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TalkStatistics {
    /// Duration of the audio, ms.
    pub duration_ms: u64,
    /// Time without speech, ms.
    pub silence_ms: u64,
    /// Time with simultaneous speech, ms.
    pub overlap_ms: u64,
    /// Talk time, words and pauses of each channel; a channel without speech is missing.
    pub voices: BTreeMap<ChannelTag, VoiceStatistics>,
}

/// Statistics of one voice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoiceStatistics {
    /// Talk time, ms.
    pub talk_ms: u64,
    /// Number of utterances.
    pub utterances: u32,
    /// Number of times it started during another voice's utterance with an overlap of at least [`MIN_INTERRUPTION_MS`].
    pub interruptions: u32,
    /// Total overlap of these interruptions, ms.
    pub interruptions_ms: u64,
    /// The longest sequence of utterances, pauses included, without a reply of [`MIN_REPLY_MS`] or more, ms.
    pub longest_monologue_ms: u64,
}

impl TalkStatistics {
    /// Computes the statistics of a dialogue, sorted by start, in audio of the given duration.
    pub fn of(dialogue: &[Utterance], duration_ms: u64) -> Self {
        let mut voices: BTreeMap<ChannelTag, VoiceStatistics> = BTreeMap::new();
        let tags: BTreeSet<&ChannelTag> = dialogue.iter().map(|utterance| &utterance.channel).collect();
        for tag in tags {
            let own = || dialogue.iter().filter(|utterance| utterance.channel == *tag);
            let voice = voices.entry(tag.clone()).or_default();
            voice.talk_ms = covered_ms(own(), duration_ms);
            voice.utterances = u32::try_from(own().count()).unwrap_or(u32::MAX);
        }
        add_interruptions(dialogue, &mut voices);
        add_monologues(dialogue, &mut voices);
        let spoken_ms = covered_ms(dialogue.iter(), duration_ms);
        let talk_ms: u64 = voices.values().map(|voice| voice.talk_ms).sum();
        Self {
            duration_ms,
            silence_ms: duration_ms.saturating_sub(spoken_ms),
            // Exact for two voices; time with three simultaneous voices counts twice.
            overlap_ms: talk_ms.saturating_sub(spoken_ms),
            voices,
        }
    }

    /// The role's share of all talk time, 0 to 1; 0 if there is no speech.
    pub fn talk_ratio(&self, role: Role, roles: &Roles) -> f64 {
        let (mut own, mut all) = (0, 0);
        for (channel, voice) in &self.voices {
            all += voice.talk_ms;
            if roles.of(channel) == role {
                own += voice.talk_ms;
            }
        }
        if all == 0 { 0.0 } else { ratio(own, all) }
    }
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds of a call are far below 2^53")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

/// Length of the union of utterances, sorted by start, within the audio.
fn covered_ms<'a>(utterances: impl Iterator<Item = &'a Utterance>, duration_ms: u64) -> u64 {
    let (mut covered, mut until) = (0, 0);
    for utterance in utterances {
        let end = utterance.end_ms.min(duration_ms);
        covered += end.saturating_sub(utterance.start_ms.max(until));
        until = until.max(end);
    }
    covered
}

/// Counts each utterance that starts within another voice's once, against the one that lasts longest.
fn add_interruptions(dialogue: &[Utterance], voices: &mut BTreeMap<ChannelTag, VoiceStatistics>) {
    let mut speaking: BTreeMap<&ChannelTag, (u64, u64)> = BTreeMap::new();
    for utterance in dialogue {
        let talked_over = speaking
            .iter()
            .filter(|(channel, (start, _))| **channel != &utterance.channel && *start < utterance.start_ms)
            .map(|(_, (_, end))| (*end).min(utterance.end_ms).saturating_sub(utterance.start_ms))
            .max()
            .unwrap_or_default();
        if talked_over >= MIN_INTERRUPTION_MS {
            let voice = voices.entry(utterance.channel.clone()).or_default();
            voice.interruptions += 1;
            voice.interruptions_ms += talked_over;
        }
        let latest = speaking.entry(&utterance.channel).or_insert((utterance.start_ms, utterance.end_ms));
        if utterance.end_ms > latest.1 {
            *latest = (utterance.start_ms, utterance.end_ms);
        }
    }
}

fn add_monologues(dialogue: &[Utterance], voices: &mut BTreeMap<ChannelTag, VoiceStatistics>) {
    let mut run: Option<(&ChannelTag, u64, u64)> = None;
    for utterance in dialogue {
        run = match run {
            Some((speaker, start, end)) if *speaker == utterance.channel => {
                Some((speaker, start, end.max(utterance.end_ms)))
            }
            Some(run) if utterance.duration_ms() < MIN_REPLY_MS => Some(run),
            _ => Some((&utterance.channel, utterance.start_ms, utterance.end_ms)),
        };
        if let Some((speaker, start, end)) = run {
            let voice = voices.entry(speaker.clone()).or_default();
            voice.longest_monologue_ms = voice.longest_monologue_ms.max(end - start);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flysense::roles::RoleRule;

    fn dialogue(rows: &[(&str, u64, u64)]) -> Vec<Utterance> {
        let utterance = |&(channel, start_ms, end_ms): &(&str, u64, u64)| Utterance {
            channel: ChannelTag::from(channel),
            start_ms,
            end_ms,
            text: "да".into(),
        };
        rows.iter().map(utterance).collect()
    }

    fn voice(statistics: &TalkStatistics, tag: &str) -> VoiceStatistics {
        statistics.voices[&ChannelTag::from(tag)]
    }

    #[test]
    fn talk_silence_and_overlap_add_up() {
        let measured = TalkStatistics::of(
            &dialogue(&[("0", 500, 3_500), ("1", 3_000, 5_000), ("0", 6_000, 7_000)]),
            10_000,
        );
        assert_eq!((voice(&measured, "0").talk_ms, voice(&measured, "1").talk_ms), (4_000, 2_000));
        assert_eq!((measured.silence_ms, measured.overlap_ms), (4_500, 500));
        let by_channel =
            [(ChannelTag::from("0"), Role::Operator), (ChannelTag::from("1"), Role::Client)].into();
        let roles = Roles { by_channel, rule: RoleRule::Channel };
        assert!((measured.talk_ratio(Role::Operator, &roles) - 2.0 / 3.0).abs() < 1e-9);
        assert!((measured.talk_ratio(Role::Operator, &roles.swapped()) - 1.0 / 3.0).abs() < 1e-9);
    }

    #[test]
    fn an_interruption_begins_inside_anothers_words_and_lasts() {
        let measured = TalkStatistics::of(
            &dialogue(&[
                ("0", 0, 5_000),
                ("1", 1_000, 1_200),
                ("1", 4_000, 6_000),
                ("0", 6_000, 7_000),
                ("1", 7_500, 9_000),
                ("0", 7_500, 9_000),
            ]),
            10_000,
        );
        let client = voice(&measured, "1");
        assert_eq!((client.interruptions, client.interruptions_ms), (1, 1_000));
        assert_eq!(voice(&measured, "0").interruptions, 0, "simultaneous starts are not interruptions");
    }

    #[test]
    fn a_short_reply_does_not_end_a_monologue_and_a_real_one_does() {
        let measured = TalkStatistics::of(
            &dialogue(&[
                ("0", 0, 4_000),
                ("1", 4_100, 4_500),
                ("0", 5_000, 9_000),
                ("1", 9_500, 11_000),
                ("0", 12_000, 13_000),
            ]),
            15_000,
        );
        assert_eq!(voice(&measured, "0").longest_monologue_ms, 9_000);
        assert_eq!(voice(&measured, "1").longest_monologue_ms, 1_500);
    }

    #[test]
    fn nobody_spoke() {
        let measured = TalkStatistics::of(&[], 5_000);
        assert_eq!((measured.silence_ms, measured.voices.len()), (5_000, 0));
        let nobody = Roles { by_channel: BTreeMap::new(), rule: RoleRule::Undecided };
        assert!(measured.talk_ratio(Role::Client, &nobody).abs() < f64::EPSILON);
    }
}
