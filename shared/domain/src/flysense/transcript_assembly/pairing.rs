//! Pairing of refinements with finals, and removal of repeated messages.
//!
//! The key is the channel and `finalIndex`. Whether the index counts per channel or per call is undocumented; both work,
//! because pairing is done within one channel. If an index is missing or wrong, times decide: overlapping speech of one
//! voice is the same speech.

use super::timing::{self, TimedToken};
use crate::flysense::stream::{Alternative, AlternativeUpdate, AudioCursors, FinalRefinement, Word};

/// A received final or refinement.
pub(super) struct Arrival {
    kind: Kind,
    /// Number of the utterance in progress when it arrived.
    utterance: usize,
    index: u64,
    best: Alternative,
}

#[derive(PartialEq, Clone, Copy)]
enum Kind {
    Final,
    Refinement,
}

/// A piece of speech without duplicates.
pub(super) struct Speech {
    /// Number of its utterance within the channel.
    pub(super) utterance: usize,
    pub(super) start_ms: u64,
    pub(super) tokens: Vec<TimedToken>,
}

impl Arrival {
    /// Creates the arrival of a final; `None` if it has no text.
    pub(super) fn of_final(
        update: AlternativeUpdate,
        cursors: AudioCursors,
        utterance: usize,
    ) -> Option<Self> {
        Self::new(Kind::Final, update, cursors.final_index, utterance)
    }

    /// Creates the arrival of a refinement; `None` if it has no text, in which case the final is kept.
    pub(super) fn of_refinement(refinement: FinalRefinement, utterance: usize) -> Option<Self> {
        Self::new(Kind::Refinement, refinement.normalized_text, refinement.final_index, utterance)
    }

    fn new(kind: Kind, update: AlternativeUpdate, index: u64, utterance: usize) -> Option<Self> {
        let mut best = update.alternatives.into_iter().next()?;
        best.words.retain(|word| !word.text.trim().is_empty());
        if best.text.trim().is_empty() {
            best.text = best.words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ");
        }
        (!best.text.is_empty()).then_some(Self { kind, utterance, index, best })
    }

    /// From the first word to the last one, ms; without words, the alternative's own times; `None` if these are missing
    /// too.
    fn span(&self) -> Option<(u64, u64)> {
        match (self.best.words.first(), self.best.words.last()) {
            (Some(Word { start_time_ms, .. }), Some(Word { end_time_ms, .. })) if *end_time_ms > 0 => {
                Some((*start_time_ms, *end_time_ms))
            }
            _ => Some((self.best.start_time_ms, self.best.end_time_ms)).filter(|(_, end)| *end > 0),
        }
    }

    /// Whether both cover the same time: they overlap by more than half of the shorter one. `None` if one has no times.
    fn overlaps(&self, other: &Self) -> Option<bool> {
        let ((a_start, a_end), (b_start, b_end)) = (self.span()?, other.span()?);
        let common = a_end.min(b_end).saturating_sub(a_start.max(b_start));
        let shorter = (a_end.saturating_sub(a_start)).min(b_end.saturating_sub(b_start));
        Some(common * 2 > shorter || (a_start, a_end) == (b_start, b_end))
    }

    /// Whether `self` repeats the earlier `other`, possibly with corrections.
    fn repeats(&self, other: &Self) -> bool {
        self.kind == other.kind
            && self.index == other.index
            && self.overlaps(other).unwrap_or_else(|| self.best.text == other.best.text)
    }

    /// Whether this refinement belongs to that final.
    fn refines(&self, original: &Self) -> bool {
        self.index == original.index && self.overlaps(original).unwrap_or(true)
    }
}

/// Converts the arrivals of one channel to pieces of speech without duplicates.
pub(super) fn pair(arrivals: Vec<Arrival>) -> Vec<Speech> {
    let (finals, refinements): (Vec<_>, Vec<_>) =
        without_repetitions(arrivals).into_iter().partition(|arrival| arrival.kind == Kind::Final);
    let mut pieces: Vec<(Arrival, Option<Arrival>)> =
        finals.into_iter().map(|original| (original, None)).collect();
    let mut orphans = Vec::new();
    // Pairs with matching key and time come first, so that no other refinement takes their place.
    for refinement in refinements {
        match pieces.iter_mut().find(|(original, taken)| taken.is_none() && refinement.refines(original)) {
            Some((_, current)) => *current = Some(refinement),
            None => orphans.push(refinement),
        }
    }
    for refinement in orphans {
        let same_time = |original: &Arrival| refinement.overlaps(original) == Some(true);
        match pieces.iter_mut().find(|(original, taken)| taken.is_none() && same_time(original)) {
            Some((_, current)) => *current = Some(refinement),
            None => pieces.push((refinement, None)),
        }
    }
    pieces.into_iter().map(|(original, refined)| speech(original, refined)).collect()
}

/// A repetition replaces the earlier message, because it may be corrected.
fn without_repetitions(arrivals: Vec<Arrival>) -> Vec<Arrival> {
    let mut kept: Vec<Arrival> = Vec::with_capacity(arrivals.len());
    for arrival in arrivals {
        match kept.iter_mut().rev().find(|known| arrival.repeats(known)) {
            Some(known) => *known = Arrival { utterance: known.utterance, ..arrival },
            None => kept.push(arrival),
        }
    }
    kept
}

fn speech(original: Arrival, refined: Option<Arrival>) -> Speech {
    let span = original.span().or_else(|| refined.as_ref()?.span()).unwrap_or_default();
    let utterance = original.utterance;
    let (text, words) = match refined {
        Some(refined) if refined.best.words.is_empty() => (refined.best.text, original.best.words),
        Some(refined) => (refined.best.text, refined.best.words),
        None => (original.best.text, original.best.words),
    };
    let tokens = timing::time_text(&text, &words, span);
    let start_ms = tokens.first().map_or(span.0, |token| token.start_ms);
    Speech { utterance, start_ms, tokens }
}
