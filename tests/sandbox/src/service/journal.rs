//! The timeline: what happened in a sandbox, as its vendor reads it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use serde::Serialize;

use super::occurrence::{Entry, Kind, Occurrence};

/// Entries that are kept; older ones are dropped.
const MAX_ENTRIES: usize = 200_000;

/// Which entries are read.
#[derive(Debug, Clone, Default)]
pub(super) struct Filter {
    /// Those with a greater number.
    pub(super) after: u64,
    /// Those of this kind.
    pub(super) kind: Option<Kind>,
    /// Those about this account.
    pub(super) account_id: Option<u64>,
}

impl Filter {
    fn takes(&self, entry: &Entry) -> bool {
        self.kind.is_none_or(|kind| kind == entry.what.kind())
            && self.account_id.is_none_or(|id| entry.what.account_id() == Some(id))
    }
}

/// Entries, and where to go on.
#[derive(Debug, Serialize)]
pub(super) struct Page {
    pub(super) items: Vec<Entry>,
    /// The `after` of the next page.
    pub(super) next: u64,
    /// Whether more entries follow.
    pub(super) more: bool,
}

/// The timeline.
#[derive(Debug, Default)]
pub(super) struct Journal(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    last: u64,
    entries: VecDeque<Entry>,
    /// What happened since the last look at the database, in order.
    live: Vec<(DateTime<Utc>, Occurrence)>,
}

impl Journal {
    fn locked(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what happened just now. It appears after what the database says of the same moment.
    pub(super) fn note(&self, at: DateTime<Utc>, what: Occurrence) {
        self.locked().live.push((at, what));
    }

    /// Adds what the bank and the database say, then what was noted since the last call, then what followed from it; all in
    /// the order of time.
    pub(super) fn add(
        &self,
        found: Vec<(DateTime<Utc>, Occurrence)>,
        then: Vec<(DateTime<Utc>, Occurrence)>,
    ) {
        let mut inner = self.locked();
        let live = std::mem::take(&mut inner.live);
        let mut all: Vec<_> = found.into_iter().chain(live).chain(then).collect();
        // What happened at the same moment keeps its order.
        all.sort_by_key(|(at, _)| *at);
        for (at, what) in all {
            inner.last += 1;
            let seq = inner.last;
            inner.entries.push_back(Entry { seq, at, what });
        }
        let surplus = inner.entries.len().saturating_sub(MAX_ENTRIES);
        inner.entries.drain(..surplus);
    }

    /// Why the last attempt to deliver an event got no answer; `None` if it got one, or if there was none.
    pub(super) fn why_unanswered(&self, event_id: &str) -> Option<String> {
        let inner = self.locked();
        let noted = inner.live.iter().map(|(_, what)| what);
        let all = inner.entries.iter().map(|entry| &entry.what).chain(noted);
        let last = all.rev().find_map(|what| match what {
            Occurrence::Event(sent) if sent.event_id == event_id => Some(sent),
            _ => None,
        });
        last.filter(|sent| sent.status.is_none()).map(|sent| sent.answer.clone())
    }

    /// Number of the last entry.
    pub(super) fn last(&self) -> u64 {
        self.locked().last
    }

    /// The first `limit` entries that the filter takes.
    pub(super) fn read(&self, filter: &Filter, limit: usize) -> Page {
        let inner = self.locked();
        // Numbers have no gaps: the entries up to `after` need not be looked at.
        let first = inner.entries.front().map_or(1, |entry| entry.seq);
        let older =
            usize::try_from(filter.after.saturating_add(1).saturating_sub(first)).unwrap_or(usize::MAX);
        let newer = inner.entries.iter().skip(older);
        let mut taken = newer.filter(|entry| filter.takes(entry));
        let items: Vec<Entry> = taken.by_ref().take(limit).cloned().collect();
        let more = taken.next().is_some();
        let last_read = items.last().map_or(filter.after, |entry| entry.seq);
        let next = if more { last_read } else { inner.last.max(filter.after) };
        Page { items, next, more }
    }

    /// Number of entries of each kind after `after`.
    pub(super) fn counts(&self, after: u64) -> BTreeMap<&'static str, u64> {
        let mut counts = BTreeMap::new();
        for entry in self.locked().entries.iter().rev().take_while(|entry| entry.seq > after) {
            *counts.entry(entry.what.kind().word()).or_default() += 1;
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::super::occurrence::{CoinEntry, FailedJob, SentEvent};
    use super::*;

    fn at() -> DateTime<Utc> {
        "2027-01-31T09:00:00Z".parse().unwrap()
    }

    fn failed(kind: &str) -> Occurrence {
        Occurrence::FailedJob(FailedJob { kind: kind.to_owned(), reason: String::new() })
    }

    fn sent(event_id: &str, status: Option<u16>) -> Occurrence {
        Occurrence::Event(SentEvent {
            account_id: Some(1),
            event_id: event_id.to_owned(),
            event_type: "install".to_owned(),
            url: None,
            body: Value::Null,
            status,
            answer: "refused".to_owned(),
            took_ms: 0,
            lost: false,
        })
    }

    fn coins(account_id: u64) -> Occurrence {
        Occurrence::Flycoins(CoinEntry {
            account_id,
            transaction_id: "ltx_1".to_owned(),
            kind: "charge".to_owned(),
            available_micro: -1,
            held_micro: 0,
            reference: None,
        })
    }

    #[test]
    fn what_was_noted_live_follows_the_database_and_precedes_what_came_of_it() {
        let journal = Journal::default();
        journal.note(at(), failed("live"));
        assert_eq!(journal.last(), 0, "it waits for the next look at the database");
        journal.add(vec![(at(), coins(1))], vec![(at(), failed("then"))]);
        let kinds: Vec<_> = journal.read(&Filter::default(), 10).items;
        let order: Vec<_> = kinds.iter().map(|entry| (entry.seq, entry.what.clone())).collect();
        assert_eq!(order, [(1, coins(1)), (2, failed("live")), (3, failed("then"))]);
    }

    #[test]
    fn the_last_attempt_of_an_event_tells_why_it_got_no_answer() {
        let journal = Journal::default();
        assert_eq!(journal.why_unanswered("evt_1"), None, "there was no attempt");
        journal.add(vec![(at(), sent("evt_1", None)), (at(), sent("evt_2", Some(500)))], Vec::new());
        assert_eq!(journal.why_unanswered("evt_1").as_deref(), Some("refused"));
        assert_eq!(journal.why_unanswered("evt_2"), None, "the backend has answered");
        journal.note(at(), sent("evt_1", Some(502)));
        assert_eq!(
            journal.why_unanswered("evt_1"),
            None,
            "the last attempt counts, also one that was noted just now"
        );
    }

    #[test]
    fn a_page_ends_where_the_next_begins() {
        let journal = Journal::default();
        journal.add((1..=5).map(|account| (at(), coins(account))).collect(), vec![(at(), failed("x"))]);
        let of_coins = Filter { kind: Some(Kind::Flycoins), ..Filter::default() };
        let first = journal.read(&of_coins, 3);
        assert_eq!((first.items.len(), first.next, first.more), (3, 3, true));
        let rest = journal.read(&Filter { after: first.next, ..of_coins }, 3);
        assert_eq!((rest.items.len(), rest.next, rest.more), (2, 6, false));
        let of_one = Filter { account_id: Some(4), ..Filter::default() };
        assert_eq!(journal.read(&of_one, 10).items.len(), 1);
        assert_eq!(journal.counts(4), BTreeMap::from([("flycoins", 1), ("failed_job", 1)]));
    }
}
