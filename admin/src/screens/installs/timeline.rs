//! Everything that happened to one install, in one ordered list.

use askama::Template;
use chrono::{DateTime, Utc};
use flysk_domain::id::InstallId;
use flysk_store::platform::installs;
use poem::Response;

use super::sources::{self, Window};
use crate::http::respond::Layout;
use crate::http::{Fault, Support, Visit};
use crate::view::Cell;

/// Entries per page.
const ENTRIES_SHOWN: u32 = 100;

/// Source of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    const ALL: [Self; 14] = [
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
    const fn is_shown_with_others(self) -> bool {
        !matches!(self, Self::Job | Self::Hook)
    }

    const fn code(self) -> &'static str {
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

    const fn label(self) -> &'static str {
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

/// A filter by kind.
struct Choice {
    label: &'static str,
    href: String,
    current: bool,
}

#[derive(Template)]
#[template(path = "timeline.html")]
struct TimelinePage {
    layout: Layout,
    install: InstallId,
    choices: Vec<Choice>,
    entries: Vec<Entry>,
    older: Option<String>,
}

/// `GET /installs/:id/timeline`.
pub(crate) async fn show(visit: Visit<Support>) -> Result<Response, Fault> {
    let id: InstallId = visit.request.id()?;
    let query = &visit.request.query;
    let kind = query.get("kind").and_then(|code| Kind::ALL.into_iter().find(|kind| kind.code() == code));
    let before: Option<i64> = query.parsed("before", "before")?;
    let before = before.and_then(DateTime::from_timestamp_micros);
    let mut conn = visit.deps.read().await?;
    let install = installs::find(&mut conn, id).await?.ok_or(Fault::NotFound)?;
    let window = Window { before: before.unwrap_or(DateTime::<Utc>::MAX_UTC), limit: ENTRIES_SHOWN + 1 };
    let (now, mut entries) = (visit.deps.clock().now(), Vec::new());
    let is_wanted = |source: &Kind| kind.map_or(source.is_shown_with_others(), |wanted| wanted == *source);
    for source in Kind::ALL.into_iter().filter(is_wanted) {
        entries.extend(sources::read(&mut conn, source, &install, &window, now).await?);
    }
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.at));
    let shown = usize::try_from(ENTRIES_SHOWN).unwrap_or(usize::MAX);
    let has_older = entries.len() > shown;
    entries.truncate(shown);
    let path = format!("/installs/{id}/timeline");
    let filter = kind.map(|kind| format!("kind={}&", kind.code())).unwrap_or_default();
    let last = entries.last().filter(|_| has_older);
    let page = TimelinePage {
        layout: visit.layout("Лента событий"),
        install: id,
        choices: choices(&path, kind),
        older: last.map(|entry| format!("{path}?{filter}before={}", entry.at.timestamp_micros())),
        entries,
    };
    visit.page(&page)
}

fn choices(path: &str, chosen: Option<Kind>) -> Vec<Choice> {
    let all = Choice { label: "Всё", href: path.to_owned(), current: chosen.is_none() };
    let one = |kind: Kind| Choice {
        label: kind.label(),
        href: format!("{path}?kind={}", kind.code()),
        current: chosen == Some(kind),
    };
    std::iter::once(all).chain(Kind::ALL.map(one)).collect()
}
