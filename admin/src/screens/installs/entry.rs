//! Entries of the timeline and their kinds.

use chrono::{DateTime, SubsecRound as _, Utc};

use crate::view::Cell;

/// Decimals of a second in the times at which pages end.
const MILLISECONDS: u16 = 3;

/// Source of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Access granted, lost; switched on or off.
    Access,
    /// A token was given to a backend.
    Token,
    /// Handshakes began, were lost or found again.
    Handshake,
    /// A webhook of amoCRM.
    Hook,
    /// Settings changed.
    Settings,
    /// An event to the vendor's backend.
    Event,
    /// A call.
    Call,
    /// A movement of Flycoins.
    Coins,
    /// A purchase.
    Purchase,
    /// An entry of the subscription's log.
    Subscription,
    /// An attempt to pay an invoice of the subscription.
    Payment,
    /// An invoice that a firm pays by transfer.
    Transfer,
    /// An act of an operator.
    Act,
    /// A job of the account.
    Job,
}

impl Kind {
    /// Every kind, once.
    pub(super) const ALL: [Self; 14] = [
        Self::Access,
        Self::Token,
        Self::Handshake,
        Self::Hook,
        Self::Settings,
        Self::Event,
        Self::Call,
        Self::Coins,
        Self::Purchase,
        Self::Subscription,
        Self::Payment,
        Self::Transfer,
        Self::Act,
        Self::Job,
    ];

    /// Whether it is shown among the others. A call has many jobs and hooks, which would hide what they lead to.
    pub(super) const fn is_shown_with_others(self) -> bool {
        !matches!(self, Self::Job | Self::Hook)
    }

    /// Whether an account usually has more entries of it than of the others. These are read first: of the others only those are read
    /// that are as new as the page that they fill.
    pub(super) const fn is_frequent(self) -> bool {
        matches!(self, Self::Job | Self::Hook | Self::Call | Self::Coins)
    }

    /// Code in addresses.
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Token => "token",
            Self::Handshake => "handshake",
            Self::Hook => "hook",
            Self::Settings => "settings",
            Self::Event => "event",
            Self::Call => "call",
            Self::Coins => "coins",
            Self::Purchase => "purchase",
            Self::Subscription => "subscription",
            Self::Payment => "payment",
            Self::Transfer => "transfer",
            Self::Act => "act",
            Self::Job => "job",
        }
    }

    /// Name, in Russian.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::Access => "Доступ",
            Self::Token => "Токены",
            Self::Handshake => "Рукопожатия",
            Self::Hook => "Вебхуки amoCRM",
            Self::Settings => "Настройки",
            Self::Event => "События",
            Self::Call => "Звонки",
            Self::Coins => "Flycoins",
            Self::Purchase => "Покупки",
            Self::Subscription => "Подписка",
            Self::Payment => "Платежи",
            Self::Transfer => "Счета для переводов",
            Self::Act => "Операторы",
            Self::Job => "Задания",
        }
    }
}

/// An entry of the timeline.
#[derive(Debug)]
pub(super) struct Entry {
    /// When it happened.
    pub(super) at: DateTime<Utc>,
    /// Time by which its source is read: that of the id, which may be later, or `at`. Pages end by it.
    pub(super) read_by: DateTime<Utc>,
    /// Source.
    pub(super) kind: Kind,
    /// Description of the event, with a link to its page.
    pub(super) what: Cell,
    /// State.
    pub(super) state: Option<Cell>,
    /// Details.
    pub(super) why: String,
    /// Page of the request, call or object that caused it.
    pub(super) cause: Option<Cell>,
}

impl Entry {
    /// The millisecond by which its source is read.
    pub(super) fn millisecond(&self) -> DateTime<Utc> {
        self.read_by.trunc_subsecs(MILLISECONDS)
    }
}
