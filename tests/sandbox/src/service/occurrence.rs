//! What can happen in a sandbox: the entries of the timeline.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

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
    /// The account of a request to amoCRM's API.
    pub(super) account_id: Option<u64>,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) status: u16,
    /// Flysk's code; of amoCRM that of its first complaint, and empty without one.
    pub(super) code: String,
    pub(super) detail: String,
    /// amoCRM's `validation-errors`, as it has sent them.
    #[serde(skip_serializing_if = "Value::is_null")]
    pub(super) validation_errors: Value,
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

/// Type of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Event,
    Charge,
    Payment,
    Refund,
    Subscription,
    Invoice,
    Flycoins,
    Refusal,
    Letter,
    Webhook,
    FailedJob,
}

impl Kind {
    /// All types.
    pub(super) const ALL: [Self; 11] = [
        Self::Event,
        Self::Charge,
        Self::Payment,
        Self::Refund,
        Self::Subscription,
        Self::Invoice,
        Self::Flycoins,
        Self::Refusal,
        Self::Letter,
        Self::Webhook,
        Self::FailedJob,
    ];

    /// The word in `type`.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Charge => "charge",
            Self::Payment => "payment",
            Self::Refund => "refund",
            Self::Subscription => "subscription",
            Self::Invoice => "invoice",
            Self::Flycoins => "flycoins",
            Self::Refusal => "refusal",
            Self::Letter => "letter",
            Self::Webhook => "webhook",
            Self::FailedJob => "failed_job",
        }
    }
}

impl Occurrence {
    /// The type.
    pub(super) const fn kind(&self) -> Kind {
        match self {
            Self::Event(_) => Kind::Event,
            Self::Charge(_) => Kind::Charge,
            Self::Payment(_) => Kind::Payment,
            Self::Refund(_) => Kind::Refund,
            Self::Subscription(_) => Kind::Subscription,
            Self::Invoice(_) => Kind::Invoice,
            Self::Flycoins(_) => Kind::Flycoins,
            Self::Refusal(_) => Kind::Refusal,
            Self::Letter(_) => Kind::Letter,
            Self::Webhook(_) => Kind::Webhook,
            Self::FailedJob(_) => Kind::FailedJob,
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
            Self::Refusal(refusal) => refusal.account_id,
            Self::Letter(_) | Self::FailedJob(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_the_word_of_its_type() {
        let letter = MailEntry { to: Vec::new(), subject: String::new(), text: String::new() };
        let job = FailedJob { kind: "x".to_owned(), reason: String::new() };
        for what in [Occurrence::Letter(letter), Occurrence::FailedJob(job)] {
            let word = what.kind().word();
            assert_eq!(serde_json::to_value(&what).unwrap()["type"], word);
            assert!(Kind::ALL.contains(&what.kind()), "{word}");
        }
    }

    /// Vendors read it.
    const GUIDE: &str = include_str!("../../../../docs/sandbox.md");
    /// Fields that the guide names once, for all types.
    const COMMON: [&str; 4] = ["seq", "at", "type", "account_id"];

    fn text() -> String {
        "x".to_owned()
    }

    fn money() -> BankPayment {
        BankPayment {
            account_id: Some(1),
            order_id: text(),
            payment_id: text(),
            amount_kopecks: 1,
            left_kopecks: 1,
            status: text(),
            outcome: text(),
            error_code: 0,
            card: None,
        }
    }

    /// What comes from the bank and the database.
    fn stored() -> Vec<Occurrence> {
        vec![
            Occurrence::Charge(money()),
            Occurrence::Payment(money()),
            Occurrence::Refund(money()),
            Occurrence::Subscription(SubscriptionEntry {
                account_id: 1,
                subscription_id: text(),
                action: text(),
                actor: text(),
                state: None,
                invoice_id: None,
                reason: None,
                details: Value::Null,
            }),
            Occurrence::Invoice(InvoiceEntry {
                account_id: 1,
                invoice_id: text(),
                kind: text(),
                state: text(),
                title: text(),
                total_kopecks: 1,
                refunded_kopecks: 0,
            }),
            Occurrence::Flycoins(CoinEntry {
                account_id: 1,
                transaction_id: text(),
                kind: text(),
                available_micro: 1,
                held_micro: 0,
                reference: None,
            }),
            Occurrence::FailedJob(FailedJob { kind: text(), reason: text() }),
        ]
    }

    /// What was sent, and answered.
    fn sent() -> Vec<Occurrence> {
        vec![
            Occurrence::Event(SentEvent {
                account_id: Some(1),
                event_id: text(),
                event_type: text(),
                url: None,
                body: Value::Null,
                status: None,
                answer: text(),
                took_ms: 1,
                lost: false,
            }),
            Occurrence::Refusal(Refusal {
                account_id: None,
                method: text(),
                path: text(),
                status: 400,
                code: text(),
                detail: text(),
                validation_errors: Value::Array(Vec::new()),
            }),
            Occurrence::Letter(MailEntry { to: Vec::new(), subject: text(), text: text() }),
            Occurrence::Webhook(WebhookEntry {
                account_id: 1,
                event: text(),
                destination: None,
                status: None,
                lost: false,
            }),
        ]
    }

    /// The line of the guide's table about a type.
    fn row(kind: Kind) -> &'static str {
        let word = format!("`{}`", kind.word());
        let is_about = |row: &&str| row.split('|').nth(1).is_some_and(|cell| cell.contains(&word));
        let (_, table) = GUIDE.split_once("### The timeline").unwrap();
        let found = table.lines().filter(|line| line.starts_with('|')).find(is_about);
        found.unwrap_or_else(|| panic!("docs/sandbox.md lacks {kind:?}"))
    }

    #[test]
    fn the_guide_names_every_field_of_every_type() {
        let all: Vec<Occurrence> = stored().into_iter().chain(sent()).collect();
        assert_eq!(all.len(), Kind::ALL.len());
        for what in all {
            let row = row(what.kind());
            let at = DateTime::<Utc>::default();
            let entry = serde_json::to_value(Entry { seq: 1, at, what }).unwrap();
            for name in entry.as_object().unwrap().keys() {
                let named = format!("`{name}`");
                let is_common = COMMON.contains(&name.as_str()) && GUIDE.contains(&named);
                assert!(is_common || row.contains(&named), "docs/sandbox.md lacks {name}: {row}");
            }
        }
    }
}
