//! Transcript assembly: SpeechKit's stream of events becomes a dialogue.
//!
//! 1. Events are grouped by channel. Events about the whole call (analysis, summarization, status) become [`CallFacts`].
//! 2. Within a channel, an utterance ends at an `eouUpdate`; without any, it ends with the call.
//! 3. A piece of speech is a `final`, or the `finalRefinement` that replaces it. A refinement belongs to the utterance of
//!    its final, even if it arrives after the utterance's end, and never duplicates it.
//! 4. Times are taken from words, not from alternatives (whose start is often 0). Punctuated text gets the times of the
//!    words that it corresponds to.
//! 5. An utterance longer than [`SegmentationLimits::long_ms`] is split at pauses of [`SegmentationLimits::gap_ms`] or
//!    more.
//! 6. The dialogue consists of the utterances of all channels, sorted by start.
//!
//! Invariants: no word is lost or duplicated, and no overlaps within a channel are introduced.

mod facts;
mod pairing;
mod timing;

use std::collections::BTreeMap;

use super::channel::ChannelTag;
use super::stream::{EventPayload, StreamEvent};
use super::utterance::Utterance;

pub use facts::{CallFacts, ChannelClassifierUpdate};

use facts::FactsCollector;
use pairing::{Arrival, Speech};
use timing::TimedToken;

/// Limits for splitting long utterances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentationLimits {
    /// Utterances up to this duration are not split, ms.
    pub long_ms: u64,
    /// Minimum pause between words at which a longer utterance is split, ms.
    pub gap_ms: u64,
}

impl Default for SegmentationLimits {
    fn default() -> Self {
        Self { long_ms: 10_000, gap_ms: 900 }
    }
}

/// Utterances and facts built from a whole stream of SpeechKit.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AssembledTranscript {
    /// The utterances sorted by start; empty if there is no speech.
    pub utterances: Vec<Utterance>,
    /// Facts about the whole call.
    pub facts: CallFacts,
}

/// Assembles the transcript from the events of one recognition, in the order of arrival.
pub fn assemble(events: Vec<StreamEvent>, limits: SegmentationLimits) -> AssembledTranscript {
    let mut facts = FactsCollector::default();
    let mut channels = Channels::default();
    for StreamEvent { channel, cursors, payload } in events {
        facts.see_cursors(cursors);
        match payload {
            EventPayload::Final(update) => {
                channels.channel_mut(channel).push(|epoch| Arrival::of_final(update, cursors, epoch));
            }
            EventPayload::FinalRefinement(refinement) => {
                channels.channel_mut(channel).push(|epoch| Arrival::of_refinement(refinement, epoch));
            }
            EventPayload::EouUpdate(_) => channels.end_utterance(channel),
            EventPayload::Partial(_) => {}
            payload => facts.see(channel, payload),
        }
    }
    let mut utterances = channels.into_utterances(limits);
    utterances.sort_by(|a, b| (a.start_ms, a.end_ms, &a.channel).cmp(&(b.start_ms, b.end_ms, &b.channel)));
    AssembledTranscript { utterances, facts: facts.finish() }
}

/// Received speech, by channel.
#[derive(Default)]
struct Channels {
    by_tag: BTreeMap<ChannelTag, Channel>,
    /// Number of utterance ends without a channel: they apply to all channels.
    shared_ends: usize,
}

/// Received speech of one channel.
#[derive(Default)]
struct Channel {
    arrivals: Vec<Arrival>,
    /// Number of ended utterances, which is the number of the utterance in progress.
    ends: usize,
}

impl Channels {
    fn channel_mut(&mut self, tag: ChannelTag) -> ChannelAt<'_> {
        ChannelAt { shared_ends: self.shared_ends, channel: self.by_tag.entry(tag).or_default() }
    }

    fn end_utterance(&mut self, tag: ChannelTag) {
        if tag.is_empty() {
            self.shared_ends += 1;
        } else {
            self.by_tag.entry(tag).or_default().ends += 1;
        }
    }

    fn into_utterances(self, limits: SegmentationLimits) -> Vec<Utterance> {
        self.by_tag
            .into_iter()
            .flat_map(|(tag, channel)| {
                join(pairing::pair(channel.arrivals))
                    .into_iter()
                    .flat_map(move |tokens| cut(tokens, limits))
                    .map(move |tokens| utterance(&tag, &tokens))
            })
            .collect()
    }
}

/// A channel with the current number of ended utterances of all channels.
struct ChannelAt<'a> {
    shared_ends: usize,
    channel: &'a mut Channel,
}

impl ChannelAt<'_> {
    fn push(self, arrival: impl FnOnce(usize) -> Option<Arrival>) {
        self.channel.arrivals.extend(arrival(self.shared_ends + self.channel.ends));
    }
}

/// Joins pieces that are adjacent in time and belong to the same utterance. Requiring both keeps a late final from
/// extending its utterance over another one.
fn join(mut pieces: Vec<Speech>) -> Vec<Vec<TimedToken>> {
    pieces.sort_by_key(|piece| piece.start_ms);
    let mut utterances: Vec<(usize, Vec<TimedToken>)> = Vec::new();
    for piece in pieces {
        match utterances.last_mut() {
            Some((number, tokens)) if *number == piece.utterance => tokens.extend(piece.tokens),
            _ => utterances.push((piece.utterance, piece.tokens)),
        }
    }
    utterances.into_iter().map(|(_, tokens)| tokens).collect()
}

fn cut(tokens: Vec<TimedToken>, limits: SegmentationLimits) -> Vec<Vec<TimedToken>> {
    let (start_ms, end_ms) = bounds(&tokens);
    if end_ms - start_ms <= limits.long_ms {
        return vec![tokens];
    }
    let mut pieces: Vec<Vec<TimedToken>> = Vec::new();
    let mut heard_until = 0;
    for token in tokens {
        let goes_on = token.start_ms < heard_until + limits.gap_ms;
        heard_until = heard_until.max(token.end_ms);
        match pieces.last_mut() {
            Some(piece) if goes_on => piece.push(token),
            _ => pieces.push(vec![token]),
        }
    }
    pieces
}

fn bounds(tokens: &[TimedToken]) -> (u64, u64) {
    let start_ms = tokens.iter().map(|token| token.start_ms).min().unwrap_or_default();
    let end_ms = tokens.iter().map(|token| token.end_ms).max().unwrap_or_default();
    (start_ms, end_ms.max(start_ms))
}

fn utterance(channel: &ChannelTag, tokens: &[TimedToken]) -> Utterance {
    let (start_ms, end_ms) = bounds(tokens);
    let text = tokens.iter().map(|token| token.text.as_str()).collect::<Vec<_>>().join(" ");
    Utterance { channel: channel.clone(), start_ms, end_ms, text }
}
