//! Everything that happened to one install, in one ordered list.

use std::cmp::Reverse;
use std::ops::RangeInclusive;

use askama::Template;
use chrono::{DateTime, Datelike as _, TimeDelta, Utc};
use flysk_domain::id::InstallId;
use flysk_store::platform::installs::{self, Install};
use flysk_store::{Conn, StoreResult};
use poem::Response;

use super::entry::{Entry, Kind};
use super::sources;
use super::window::Window;
use crate::http::{Fault, Support, Visit};
use crate::view::Layout;

/// Entries per page; more where the last of them have the same millisecond.
const ENTRIES_SHOWN: u32 = 100;
/// Entries of one millisecond that are read at first, if it lies at the end of a page.
const ENTRIES_OF_EDGE: u32 = 4 * ENTRIES_SHOWN;
/// Parameter that adds the kinds that are otherwise shown by themselves.
const WHOLE_PARAMETER: &str = "whole";
/// Years in which a page may end. The database lacks most others, and sqlx panics if some of them are bound.
const YEARS: RangeInclusive<i32> = 1970..=9998;

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
    let before = query.parsed("before", "before")?.map(place).transpose()?;
    let mut conn = visit.deps.read().await?;
    let install = installs::find(&mut conn, id).await?.ok_or(Fault::NotFound)?;
    let source = Source { install: &install, now: visit.deps.clock().now() };
    let with_all = kind.is_none() && query.is_set(WHOLE_PARAMETER);
    let is_wanted =
        |source: &Kind| kind.map_or(with_all || source.is_shown_with_others(), |wanted| wanted == *source);
    let mut kinds: Vec<Kind> = Kind::ALL.into_iter().filter(is_wanted).collect();
    kinds.sort_by_key(|kind| !kind.is_frequent());
    let before = before.unwrap_or(DateTime::<Utc>::MAX_UTC);
    let (entries, older) = read_page(&mut conn, &source, &kinds, before).await?;
    let path = format!("/installs/{id}/timeline");
    let filter = match kind {
        Some(kind) => format!("kind={}&", kind.code()),
        None if with_all => format!("{WHOLE_PARAMETER}=yes&"),
        None => String::new(),
    };
    let page = TimelinePage {
        layout: visit.layout("Лента событий"),
        install: id,
        choices: choices(&path, kind, with_all),
        older: older.map(|edge| format!("{path}?{filter}before={}", edge.timestamp_micros())),
        entries,
    };
    visit.page(&page)
}

/// The time before which a page of the timeline continues.
fn place(micros: i64) -> Result<DateTime<Utc>, Fault> {
    DateTime::from_timestamp_micros(micros)
        .filter(|at| YEARS.contains(&at.year()))
        .ok_or_else(|| Fault::refused("Такого места в ленте нет. Откройте её с начала."))
}

/// Whose timeline is read, and when.
struct Source<'a> {
    install: &'a Install,
    now: DateTime<Utc>,
}

impl Source<'_> {
    async fn read(&self, conn: &mut Conn, kind: Kind, window: &Window) -> StoreResult<Vec<Entry>> {
        sources::read(conn, kind, self.install, window, self.now).await
    }

    /// The entries of a kind up to the end of a millisecond: all of this millisecond, and some older ones if there are any.
    async fn read_edge(&self, conn: &mut Conn, kind: Kind, edge: DateTime<Utc>) -> StoreResult<Vec<Entry>> {
        let before = edge + TimeDelta::milliseconds(1);
        let mut window = Window { before, limit: ENTRIES_OF_EDGE, since: None };
        loop {
            let entries = self.read(conn, kind, &window).await?;
            if is_whole(&entries, kind, edge, window.limit) {
                return Ok(entries);
            }
            window.limit = window.limit.saturating_mul(2);
        }
    }
}

/// Entries of some kinds before a time, the newest first, and the time before which the next page continues, if there are older
/// ones.
///
/// A page ends with all entries of a millisecond, and the next one continues before this millisecond: ids tell no finer time, and
/// entries of one instant have no order among the sources.
async fn read_page(
    conn: &mut Conn,
    source: &Source<'_>,
    kinds: &[Kind],
    before: DateTime<Utc>,
) -> StoreResult<(Vec<Entry>, Option<DateTime<Utc>>)> {
    let shown = usize::try_from(ENTRIES_SHOWN).unwrap_or(usize::MAX);
    let mut window = Window { before, limit: ENTRIES_SHOWN + 1, since: None };
    let mut entries: Vec<Entry> = Vec::new();
    for kind in kinds {
        entries.extend(source.read(conn, *kind, &window).await?);
        entries.sort_by_key(|entry| Reverse(entry.read_by));
        // Whatever the other sources tell, the page shows nothing older than this.
        let last = entries.get(shown - 1).filter(|_| entries.len() > shown);
        window.since = last.map(Entry::millisecond);
    }
    let mut older = None;
    if let Some(edge) = window.since {
        let is_cut = |kind: &Kind| !is_whole(&entries, *kind, edge, window.limit);
        let cut: Vec<Kind> = kinds.iter().copied().filter(is_cut).collect();
        for kind in cut {
            let whole = source.read_edge(conn, kind, edge).await?;
            entries.retain(|entry| entry.kind != kind || entry.millisecond() > edge);
            entries.extend(whole);
        }
        older = entries.iter().any(|entry| entry.millisecond() < edge).then_some(edge);
        entries.retain(|entry| entry.millisecond() >= edge);
    }
    entries.sort_by_key(|entry| (Reverse(entry.at), Reverse(entry.read_by), entry.kind));
    Ok((entries, older))
}

/// Whether a source that was asked for its newest entries, up to a limit, has told all of the millisecond `edge`: otherwise as many
/// as the limit are not older.
fn is_whole(entries: &[Entry], kind: Kind, edge: DateTime<Utc>, limit: u32) -> bool {
    let told = entries.iter().filter(|entry| entry.kind == kind && entry.millisecond() >= edge).count();
    u32::try_from(told).is_ok_and(|told| told < limit)
}

fn choices(path: &str, chosen: Option<Kind>, with_all: bool) -> Vec<Choice> {
    let most = Choice { label: "Всё", href: path.to_owned(), current: chosen.is_none() && !with_all };
    let all = Choice {
        label: "Всё с заданиями и вебхуками",
        href: format!("{path}?{WHOLE_PARAMETER}=yes"),
        current: with_all,
    };
    let one = |kind: Kind| Choice {
        label: kind.label(),
        href: format!("{path}?kind={}", kind.code()),
        current: chosen == Some(kind),
    };
    [most, all].into_iter().chain(Kind::ALL.map(one)).collect()
}
