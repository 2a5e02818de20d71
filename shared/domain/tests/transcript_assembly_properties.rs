//! Every word comes out exactly once, for any order, numbering and repetition of messages.

use std::collections::BTreeMap;

use flysk_domain::flysense::channel::ChannelTag;
use flysk_domain::flysense::stream::{
    Alternative, AlternativeUpdate, AudioCursors, EouUpdate, EventPayload, FinalRefinement, StreamEvent, Word,
};
use flysk_domain::flysense::transcript_assembly::{SegmentationLimits, assemble};
use flysk_domain::flysense::utterance::Utterance;
use proptest::prelude::*;

/// One final of a channel: words as (length, pause after it), and its treatment in the rest of the stream.
#[derive(Debug, Clone)]
struct Piece {
    words: Vec<(u64, u64)>,
    refined: bool,
    /// Number of messages of its channel between the final and its refinement.
    refined_later: usize,
    repeated: bool,
    ends_utterance: bool,
}

/// Numbering of finals.
#[derive(Debug, Clone, Copy)]
enum Numbering {
    PerChannel,
    Global,
    Missing,
}

fn pieces() -> impl Strategy<Value = Vec<Piece>> {
    let words = prop::collection::vec((1_u64..700, prop_oneof![0_u64..300, 800_u64..4_000]), 1..8);
    let piece = (words, any::<bool>(), 0_usize..6, any::<bool>(), any::<bool>()).prop_map(
        |(words, refined, refined_later, repeated, ends_utterance)| Piece {
            words,
            refined,
            refined_later,
            repeated,
            ends_utterance,
        },
    );
    prop::collection::vec(piece, 0..12)
}

fn call() -> impl Strategy<Value = (Vec<Vec<Piece>>, Numbering)> {
    let numbering =
        prop_oneof![Just(Numbering::PerChannel), Just(Numbering::Global), Just(Numbering::Missing)];
    (prop::collection::vec(pieces(), 1..4), numbering)
}

/// The stream of a call, and the words of each channel in order. A word is a token that is unique in the call;
/// refinement adds a capital and a full stop.
fn stream(
    channels: &[Vec<Piece>],
    numbering: Numbering,
) -> (Vec<StreamEvent>, BTreeMap<ChannelTag, Vec<String>>) {
    let mut events: Vec<(usize, StreamEvent)> = Vec::new();
    let mut said: BTreeMap<ChannelTag, Vec<String>> = BTreeMap::new();
    let mut global = 0;
    for (number, pieces) in channels.iter().enumerate() {
        let channel = ChannelTag(number.to_string());
        let mut at_ms = 100;
        for (order, piece) in pieces.iter().enumerate() {
            let mut words = Vec::new();
            for (position, (length, pause)) in piece.words.iter().enumerate() {
                let text = format!("c{number}p{order}w{position}");
                said.entry(channel.clone()).or_default().push(text.clone());
                words.push(Word { text, start_time_ms: at_ms, end_time_ms: at_ms + length });
                at_ms += length + pause;
            }
            let index = match numbering {
                Numbering::PerChannel => order,
                Numbering::Global => global,
                Numbering::Missing => 0,
            };
            global += 1;
            let cursors = AudioCursors { final_index: index as u64, ..AudioCursors::default() };
            let mut push = |later: usize, payload| {
                // Messages of all channels are interleaved; `later` moves a message behind the following ones.
                let position = (order + later) * 10 + usize::from(later > 0);
                events.push((position, StreamEvent { channel: channel.clone(), cursors, payload }));
            };
            let text = words.iter().map(|word| word.text.clone()).collect::<Vec<_>>().join(" ");
            let heard = EventPayload::Final(update(&text, &words));
            push(0, heard.clone());
            if piece.repeated {
                push(0, heard);
            }
            if piece.refined {
                let normalized_text = update(&format!("{}.", text.replacen('c', "C", 1)), &words);
                let refinement = FinalRefinement { final_index: index as u64, normalized_text };
                push(piece.refined_later, EventPayload::FinalRefinement(refinement));
            }
            if piece.ends_utterance {
                push(0, EventPayload::EouUpdate(EouUpdate { time_ms: at_ms }));
            }
        }
    }
    events.sort_by_key(|(position, _)| *position);
    (events.into_iter().map(|(_, event)| event).collect(), said)
}

fn update(text: &str, words: &[Word]) -> AlternativeUpdate {
    let best = Alternative { words: words.to_vec(), text: text.to_owned(), start_time_ms: 0, end_time_ms: 0 };
    AlternativeUpdate { alternatives: vec![best], channel_tag: String::new() }
}

fn bare_words(utterances: &[Utterance]) -> BTreeMap<ChannelTag, Vec<String>> {
    let mut heard: BTreeMap<ChannelTag, Vec<String>> = BTreeMap::new();
    for utterance in utterances {
        let words = utterance.text.split_whitespace().map(|word| word.trim_end_matches('.').to_lowercase());
        heard.entry(utterance.channel.clone()).or_default().extend(words);
    }
    heard
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn every_word_appears_once_and_in_order((channels, numbering) in call()) {
        let (events, said) = stream(&channels, numbering);
        let utterances = assemble(events, SegmentationLimits::default()).utterances;
        prop_assert_eq!(bare_words(&utterances), said);
    }

    #[test]
    fn the_dialogue_is_sorted_and_no_speaker_overlaps_themselves((channels, numbering) in call()) {
        let (events, _) = stream(&channels, numbering);
        let utterances = assemble(events, SegmentationLimits::default()).utterances;
        prop_assert!(utterances.is_sorted_by_key(|utterance| utterance.start_ms));
        let mut heard_until: BTreeMap<&ChannelTag, u64> = BTreeMap::new();
        for utterance in &utterances {
            prop_assert!(utterance.start_ms <= utterance.end_ms && !utterance.text.trim().is_empty());
            let until = heard_until.insert(&utterance.channel, utterance.end_ms).unwrap_or_default();
            prop_assert!(until <= utterance.start_ms, "{} begins before {until}", utterance.text);
        }
    }

    #[test]
    fn splitting_changes_no_word_and_leaves_no_long_pause((channels, numbering) in call(), gap_ms in 1_u64..3_000) {
        let (events, said) = stream(&channels, numbering);
        let cut = assemble(events, SegmentationLimits { long_ms: 0, gap_ms }).utterances;
        prop_assert_eq!(bare_words(&cut), said);
        for piece in cut {
            let spoken: u64 = channels[piece.channel.0.parse::<usize>().unwrap()]
                .iter()
                .flat_map(|piece| &piece.words)
                .map(|(length, pause)| length + if *pause < gap_ms { *pause } else { 0 })
                .sum();
            prop_assert!(piece.duration_ms() <= spoken);
        }
    }
}
