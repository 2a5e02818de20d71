//! What happened in a sandbox, as its vendor reads it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

/// Entries that are kept; older ones are dropped.
const MAX_ENTRIES: usize = 200_000;

/// An entry of the timeline.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Entry {
    /// Number, without gaps.
    pub(super) seq: u64,
    /// When, by the sandbox's clock.
    pub(super) at: DateTime<Utc>,
    #[serde(flatten)]
    pub(super) what: Occurrence,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Occurrence {
    /// An event was sent to the vendor's backend.
    Event(SentEvent),
    /// The bank charged a saved card.
    Charge(BankPayment),
    /// A payer paid on the bank's form.
    Payment(BankPayment),
    /// The bank returned money.
    Refund(BankPayment),
    /// A subscription changed, or its log has another entry.
    Subscription(SubscriptionEntry),
    /// An invoice of a subscription has a new state.
    Invoice(InvoiceEntry),
    /// Flycoins were credited, charged, held, released, refunded, or expired.
    Flycoins(CoinEntry),
    /// The API refused a request.
    Refusal(Refusal),
    /// A letter was sent by e-mail.
    Letter(MailEntry),
    /// amoCRM sent a webhook, or did not.
    Webhook(WebhookEntry),
    /// A job of Flysk gave up.
    FailedJob(FailedJob),
}

/// An attempt to deliver an event.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct SentEvent {
    pub(super) account_id: Option<u64>,
    pub(super) event_id: String,
    pub(super) event_type: String,
    /// Address of the backend; `None`: the sandbox accepts events itself.
    pub(super) url: Option<String>,
    /// The body that was sent.
    pub(super) body: Value,
    /// Status of the answer; `None` without one.
    pub(super) status: Option<u16>,
    /// Beginning of the answer's body, or why there is no answer.
    pub(super) answer: String,
    /// Time until the answer, milliseconds of real time.
    pub(super) took_ms: u64,
    /// Whether the backend did not get it, because the next events were to be lost.
    pub(super) lost: bool,
}

/// What became of a payment at the bank.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct BankPayment {
    pub(super) account_id: Option<u64>,
    pub(super) order_id: String,
    pub(super) payment_id: String,
    pub(super) amount_kopecks: i64,
    /// Amount that the bank holds after refunds.
    pub(super) left_kopecks: i64,
    /// The bank's status: `CONFIRMED`, `REJECTED`, …
    pub(super) status: String,
    /// Word for the outcome: `paid`, `insufficient_funds`, `expired`, …
    pub(super) outcome: String,
    /// The bank's code; 0 unless it declined.
    pub(super) error_code: u32,
    pub(super) card: Option<String>,
}

/// An entry of a subscription's log.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct SubscriptionEntry {
    pub(super) account_id: u64,
    pub(super) subscription_id: String,
    pub(super) action: String,
    pub(super) actor: String,
    /// State after it; `None` if it does not change the subscription.
    pub(super) state: Option<String>,
    pub(super) invoice_id: Option<String>,
    pub(super) reason: Option<String>,
    pub(super) details: Value,
}

/// An invoice with its state.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct InvoiceEntry {
    pub(super) account_id: u64,
    pub(super) invoice_id: String,
    pub(super) kind: String,
    pub(super) state: String,
    pub(super) title: String,
    pub(super) total_kopecks: i64,
    pub(super) refunded_kopecks: i64,
}

/// A transaction in a wallet.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct CoinEntry {
    pub(super) account_id: u64,
    pub(super) transaction_id: String,
    pub(super) kind: String,
    /// Change of the balance.
    pub(super) available_micro: i64,
    /// Change of the held coins.
    pub(super) held_micro: i64,
    pub(super) reference: Option<String>,
}

/// A request that the API refused.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Refusal {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) status: u16,
    pub(super) code: String,
    pub(super) detail: String,
}

/// A letter.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct MailEntry {
    pub(super) to: Vec<String>,
    pub(super) subject: String,
    pub(super) text: String,
}

/// A webhook of amoCRM.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct WebhookEntry {
    pub(super) account_id: u64,
    /// `install`, `uninstall`, or amoCRM's name of an event, such as `note_lead`.
    pub(super) event: String,
    pub(super) destination: Option<String>,
    pub(super) status: Option<u16>,
    pub(super) lost: bool,
}

/// A job that gave up.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct FailedJob {
    pub(super) kind: String,
    pub(super) reason: String,
}

impl Occurrence {
    /// The word in `type`.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Event(_) => "event",
            Self::Charge(_) => "charge",
            Self::Payment(_) => "payment",
            Self::Refund(_) => "refund",
            Self::Subscription(_) => "subscription",
            Self::Invoice(_) => "invoice",
            Self::Flycoins(_) => "flycoins",
            Self::Refusal(_) => "refusal",
            Self::Letter(_) => "letter",
            Self::Webhook(_) => "webhook",
            Self::FailedJob(_) => "failed_job",
        }
    }

    /// The account that it is about, if there is one.
    pub(super) fn account_id(&self) -> Option<u64> {
        match self {
            Self::Event(sent) => sent.account_id,
            Self::Charge(paid) | Self::Payment(paid) | Self::Refund(paid) => paid.account_id,
            Self::Subscription(entry) => Some(entry.account_id),
            Self::Invoice(entry) => Some(entry.account_id),
            Self::Flycoins(entry) => Some(entry.account_id),
            Self::Webhook(entry) => Some(entry.account_id),
            Self::Refusal(_) | Self::Letter(_) | Self::FailedJob(_) => None,
        }
    }
}

/// Which entries are read.
#[derive(Debug, Clone, Default)]
pub(super) struct Filter {
    /// Those with a greater number.
    pub(super) after: u64,
    /// Those of this kind.
    pub(super) kind: Option<String>,
    /// Those about this account.
    pub(super) account_id: Option<u64>,
}

impl Filter {
    fn takes(&self, entry: &Entry) -> bool {
        self.kind.as_deref().is_none_or(|kind| kind == entry.what.kind())
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
            *counts.entry(entry.what.kind()).or_default() += 1;
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> DateTime<Utc> {
        "2027-01-31T09:00:00Z".parse().unwrap()
    }

    fn failed(kind: &str) -> Occurrence {
        Occurrence::FailedJob(FailedJob { kind: kind.to_owned(), reason: String::new() })
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
    fn a_page_ends_where_the_next_begins() {
        let journal = Journal::default();
        journal.add((1..=5).map(|account| (at(), coins(account))).collect(), vec![(at(), failed("x"))]);
        let of_coins = Filter { kind: Some("flycoins".to_owned()), ..Filter::default() };
        let first = journal.read(&of_coins, 3);
        assert_eq!((first.items.len(), first.next, first.more), (3, 3, true));
        let rest = journal.read(&Filter { after: first.next, ..of_coins }, 3);
        assert_eq!((rest.items.len(), rest.next, rest.more), (2, 6, false));
        let of_one = Filter { account_id: Some(4), ..Filter::default() };
        assert_eq!(journal.read(&of_one, 10).items.len(), 1);
        assert_eq!(journal.counts(4), BTreeMap::from([("flycoins", 1), ("failed_job", 1)]));
    }
}
