//! The part of the timeline that is read, and parts of its entries.

use chrono::{DateTime, Utc};

use super::entry::{Entry, Kind};
use crate::lists::Keyset;
use crate::view::Cell;

/// The last second of a `DATETIME`: 9999-12-31 23:59:59.
const LAST_SQL_TIME: i64 = 253_402_300_799;

/// The part of the timeline to read.
#[derive(Debug)]
pub(super) struct Window {
    /// Entries before this time.
    pub(super) before: DateTime<Utc>,
    /// Maximum number of entries per source.
    pub(super) limit: u32,
    /// The page is full of entries that are as new as this, or newer: older ones are left out, apart from one, which tells that there
    /// is a next page. A source may tell more, if reading them costs no more.
    pub(super) since: Option<DateTime<Utc>>,
}

impl Window {
    pub(super) fn keyset(&self, first_id_at: fn(DateTime<Utc>) -> String) -> Keyset {
        let newest = Keyset::newest(self.limit);
        // Ids have 48 bits of time; later times have no id.
        if self.before == DateTime::<Utc>::MAX_UTC {
            return newest;
        }
        Keyset { from: first_id_at(self.before), ..newest }
    }

    /// Those of these ids, the newest first, whose rows have to be read.
    pub(super) fn wanted(
        &self,
        mut ids: Vec<String>,
        first_id_at: fn(DateTime<Utc>) -> String,
    ) -> Vec<String> {
        if let Some(oldest) = self.since.map(first_id_at) {
            let newer = ids.iter().take_while(|id| **id >= oldest).count();
            ids.truncate(newer + 1);
        }
        ids
    }

    /// The end of the window as SQL can express it. Statements bind it without its zone: with one it is sent as a `TIMESTAMP`, and
    /// MariaDB, whose last one is in 2038, finds nothing before a later one.
    pub(super) fn end(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(LAST_SQL_TIME, 0).map_or(self.before, |last| self.before.min(last))
    }

    pub(super) fn holds(&self, at: DateTime<Utc>) -> bool {
        at < self.before
    }
}

pub(super) fn plain(at: DateTime<Utc>, kind: Kind, what: &str, why: impl Into<String>) -> Entry {
    Entry { at, read_by: at, kind, what: Cell::text(what), state: None, why: why.into(), cause: None }
}

/// A link to the jobs of a request. Callers choose their requests' ids, so the id is encoded.
pub(super) fn request_of(correlation_id: &str) -> Cell {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("correlation", correlation_id);
    Cell::link(format!("/jobs?{}", query.finish()), format!("запрос {correlation_id}"))
}
