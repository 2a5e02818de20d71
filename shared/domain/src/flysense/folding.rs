//! From the recogniser's events to the dialogue.
//!
//! 1. Events are grouped by channel; call-level ones (analysis, summarization, status) become [`CallFacts`].
//! 2. Within a channel an utterance runs up to an `eouUpdate`; without them it runs to the end of the call.
//! 3. Speech is a final, or the refinement that replaces it; a refinement belongs to the utterance of its final
//!    even if it comes after the utterance's end, and never doubles it.
//! 4. Times come from words, not from alternatives (whose start is often 0); punctuated text gets the times of the
//!    words it was made from.
//! 5. An utterance longer than [`Cutting::long_ms`] is cut where a voice pauses for [`Cutting::gap_ms`] or more.
//! 6. The dialogue is the utterances of all channels by start.
//!
//! No word is lost or doubled by any of it, and what does not overlap within a channel does not begin to.

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

/// When an utterance is too long to be read as one, and where it may be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cutting {
    /// Utterances up to this long stay whole, milliseconds.
    pub long_ms: u64,
    /// The shortest pause between words at which a longer one is cut, milliseconds.
    pub gap_ms: u64,
}

impl Default for Cutting {
    fn default() -> Self {
        Self { long_ms: 10_000, gap_ms: 900 }
    }
}

/// What a recognition came to.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Folded {
    /// The dialogue by start; empty if nobody spoke.
    pub utterances: Vec<Utterance>,
    /// What is known of the call as a whole.
    pub facts: CallFacts,
}

/// Folds the events of one recognition, in the order they came.
pub fn fold(events: Vec<StreamEvent>, cutting: Cutting) -> Folded {
    let mut facts = FactsCollector::default();
    let mut channels = Channels::default();
    for StreamEvent { channel, cursors, payload } in events {
        facts.see_cursors(cursors);
        match payload {
            EventPayload::Final(update) => {
                channels.of(channel).hear(|epoch| Arrival::of_final(update, cursors, epoch));
            }
            EventPayload::FinalRefinement(refinement) => {
                channels.of(channel).hear(|epoch| Arrival::of_refinement(refinement, epoch));
            }
            EventPayload::EouUpdate(_) => channels.end_utterance(channel),
            EventPayload::Partial(_) => {}
            payload => facts.see(channel, payload),
        }
    }
    let mut utterances = channels.into_utterances(cutting);
    utterances.sort_by(|a, b| (a.start_ms, a.end_ms, &a.channel).cmp(&(b.start_ms, b.end_ms, &b.channel)));
    Folded { utterances, facts: facts.finish() }
}

/// What was heard, by channel.
#[derive(Default)]
struct Channels {
    by_tag: BTreeMap<ChannelTag, Channel>,
    /// Ends of utterances that named no channel: they count for all.
    shared_ends: usize,
}

/// What was heard on one channel.
#[derive(Default)]
struct Channel {
    arrivals: Vec<Arrival>,
    /// How many utterances have ended; what comes next belongs to the utterance of that number.
    ends: usize,
}

impl Channels {
    fn of(&mut self, tag: ChannelTag) -> ChannelAt<'_> {
        ChannelAt { shared_ends: self.shared_ends, channel: self.by_tag.entry(tag).or_default() }
    }

    fn end_utterance(&mut self, tag: ChannelTag) {
        if tag.is_empty() {
            self.shared_ends += 1;
        } else {
            self.by_tag.entry(tag).or_default().ends += 1;
        }
    }

    fn into_utterances(self, cutting: Cutting) -> Vec<Utterance> {
        self.by_tag
            .into_iter()
            .flat_map(|(tag, channel)| {
                join(pairing::pair(channel.arrivals))
                    .into_iter()
                    .flat_map(move |tokens| cut(tokens, cutting))
                    .map(move |tokens| utterance(&tag, &tokens))
            })
            .collect()
    }
}

/// A channel at the present end-of-utterance count.
struct ChannelAt<'a> {
    shared_ends: usize,
    channel: &'a mut Channel,
}

impl ChannelAt<'_> {
    fn hear(self, arrival: impl FnOnce(usize) -> Option<Arrival>) {
        self.channel.arrivals.extend(arrival(self.shared_ends + self.channel.ends));
    }
}

/// Neighbours in time that belong to the same utterance become one run of tokens. Going by time and not by
/// number alone keeps a late final from stretching its utterance over another one.
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

fn cut(tokens: Vec<TimedToken>, cutting: Cutting) -> Vec<Vec<TimedToken>> {
    let (start_ms, end_ms) = bounds(&tokens);
    if end_ms - start_ms <= cutting.long_ms {
        return vec![tokens];
    }
    let mut pieces: Vec<Vec<TimedToken>> = Vec::new();
    let mut heard_until = 0;
    for token in tokens {
        let goes_on = token.start_ms < heard_until + cutting.gap_ms;
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
